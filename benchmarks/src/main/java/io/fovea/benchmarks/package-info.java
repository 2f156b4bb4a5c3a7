/**
 * Measurements beside the reference implementations: JMH, and programs that write the files of
 * docs/results. Its tests see all modules, so the rules of the architecture are held there.
 * Nothing depends on this module. Start with {@code AttentionBenchmark}.
 */
package io.fovea.benchmarks;
