package io.fovea.tensor.internal;

import java.util.function.Supplier;

/**
 * Counts the multiply-accumulates of a network while it runs, so that the count matches the
 * computation.
 *
 * <p>Convolutions, linear layers and matrix products are counted. As is usual in papers,
 * normalisation, activations, pooling, additions and scaling by a gate are not counted. Most papers
 * call one multiply-accumulate one FLOP. For a non-local block, the pairs of positions in its
 * equation are counted even if Fovea computes the same sum in a shorter way, so that the numbers
 * can be compared with published ones.
 */
public final class Macs {
  private static final ThreadValue<long[]> COUNTER = new ThreadValue<>();

  private Macs() {}

  /**
   * Runs {@code body} on this thread and counts.
   *
   * @return the multiply-accumulates of all layers and attention modules that ran
   */
  public static long count(Runnable body) {
    long[] counter = new long[1];
    COUNTER.during(
        counter,
        () -> {
          body.run();
          return null;
        });
    return counter[0];
  }

  /** Whether this thread counts. */
  public static boolean isCounting() {
    return COUNTER.get() != null;
  }

  /** Runs {@code body} without counting its multiply-accumulates. */
  public static <T> T without(Supplier<T> body) {
    return COUNTER.during(null, body);
  }

  /** Adds a number, if this thread counts. */
  public static void add(long macs) {
    long[] counter = COUNTER.get();
    if (counter != null) {
      counter[0] += macs;
    }
  }
}
