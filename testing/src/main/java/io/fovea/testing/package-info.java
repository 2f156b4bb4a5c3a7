/**
 * What the tests of all modules share. Bounds that hold on every processor: {@link
 * io.fovea.testing.Rounding} says how far float32 may be from float64, {@link
 * io.fovea.testing.MemoryGrowth} whether a process grows. {@link io.fovea.testing.Numeric} marks
 * the tests whose results come from the math libraries, which differ from processor to processor.
 * The settings of JUnit and jqwik, time limits among them, are in {@code
 * junit-platform.properties}.
 *
 * <p>Only tests depend on it. Start reading with {@code Rounding}.
 */
package io.fovea.testing;
