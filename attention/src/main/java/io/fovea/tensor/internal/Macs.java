package io.fovea.tensor.internal;

import java.util.function.Supplier;

/**
 * Counts multiply-accumulates while a network runs, so that what is counted is what is computed.
 *
 * <p>Counted are convolutions, linear layers and products of matrices. Not counted, as is usual in
 * papers: normalisation, activations, pooling, additions and scaling by a gate. One
 * multiply-accumulate is what most papers call one FLOP. The pairs of positions of a non-local block count
 * as its equation has them, so that numbers compare with published ones, also where a shorter way to the
 * same sum is taken.
 */
public final class Macs {
  private static final ThreadLocal<long[]> COUNTER = new ThreadLocal<>();

  private Macs() {}

  /**
   * Runs {@code body} on this thread and counts.
   *
   * @return the multiply-accumulates of all layers and attention modules that ran
   */
  public static long count(Runnable body) {
    long[] outer = COUNTER.get();
    long[] counter = new long[1];
    COUNTER.set(counter);
    try {
      body.run();
    } finally {
      COUNTER.set(outer);
    }
    return counter[0];
  }

  /** Whether this thread counts. */
  public static boolean isCounting() {
    return COUNTER.get() != null;
  }

  /** Runs {@code body} without counting. */
  public static <T> T without(Supplier<T> body) {
    long[] outer = COUNTER.get();
    COUNTER.remove();
    try {
      return body.get();
    } finally {
      COUNTER.set(outer);
    }
  }

  /** Counts some more, if this thread counts. */
  public static void add(long macs) {
    long[] counter = COUNTER.get();
    if (counter != null) {
      counter[0] += macs;
    }
  }
}
