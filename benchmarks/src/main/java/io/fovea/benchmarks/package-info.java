/** JMH and other measurements beside the reference implementations. */
package io.fovea.benchmarks;
