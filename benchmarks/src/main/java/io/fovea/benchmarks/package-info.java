/**
 * Measurements in comparison with the reference implementations: JMH benchmarks, and programs that
 * write the files in docs/results. The tests of this module see all modules, so they check the
 * rules of the architecture. No module depends on this module. Start with {@code
 * AttentionBenchmark}.
 */
package io.fovea.benchmarks;
