/**
 * Helpers that the tests of all modules share. {@link io.fovea.testing.Rounding} has bounds for the
 * error of float32 that hold on every processor, and {@link io.fovea.testing.MemoryGrowth} checks
 * whether a process grows. {@link io.fovea.testing.Numeric} marks tests whose results come from
 * math libraries, which differ between processors. The settings of JUnit and jqwik, including time
 * limits, are in {@code junit-platform.properties}.
 *
 * <p>Only tests depend on it. Start reading with {@code Rounding}.
 */
package io.fovea.testing;
