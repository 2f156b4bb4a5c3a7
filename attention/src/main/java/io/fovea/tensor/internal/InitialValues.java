package io.fovea.tensor.internal;

import java.util.function.Supplier;

/**
 * Whether new layers draw initial values for their weights. Without them, a large network is created in a
 * fraction of the time, to look at its shapes or to fill it with other values.
 */
public final class InitialValues {
  private static final ThreadValue<Boolean> SKIPPED = new ThreadValue<>();

  private InitialValues() {}

  /**
   * Runs {@code body}. Convolutions and linear layers that it creates on this thread have any values; nothing
   * is drawn from libtorch's random generator for them.
   *
   * @return the result of the body
   */
  public static <T> T skipped(Supplier<T> body) {
    return SKIPPED.during(true, body);
  }

  /** Whether this thread creates layers without initial values. */
  public static boolean areSkipped() {
    return SKIPPED.get() != null;
  }
}
