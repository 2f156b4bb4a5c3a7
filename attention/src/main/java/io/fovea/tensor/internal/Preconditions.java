package io.fovea.tensor.internal;

/** Checks for builders. Messages begin with the name of the mechanism. */
public final class Preconditions {
  private Preconditions() {}

  public static int atLeast(int minimum, String mechanism, String option, int value) {
    return (int) atLeast(minimum, mechanism, option, (long) value);
  }

  public static long atLeast(long minimum, String mechanism, String option, long value) {
    if (value < minimum) {
      throw new IllegalArgumentException(
          mechanism + ": " + option + " must be at least " + minimum + ", got " + value);
    }
    return value;
  }

  /** Requires an odd kernel, because a same-size convolution needs a centre. */
  public static int odd(String mechanism, String option, int value) {
    if (value < 1 || value % 2 == 0) {
      throw new IllegalArgumentException(
          mechanism + ": " + option + " must be odd and at least 1, got " + value);
    }
    return value;
  }

  public static int dimensions(String mechanism, int value) {
    if (value < 1 || value > 3) {
      throw new IllegalArgumentException(
          mechanism + ": spatial dimensions must be 1, 2 or 3, got " + value);
    }
    return value;
  }

  public static <T> T notNull(String mechanism, String option, T value) {
    if (value == null) {
      throw new IllegalArgumentException(mechanism + ": " + option + " must not be null");
    }
    return value;
  }

  /**
   * Rounds to the nearest multiple of {@code divisor} that is neither 0 nor less than nine tenths
   * of the value.
   */
  public static long rounded(long value, int divisor) {
    long nearest = Math.max(divisor, (value + divisor / 2) / divisor * divisor);
    return 10 * nearest < 9 * value ? nearest + divisor : nearest;
  }

  /** {@code channels / reduction}, at least 1 (the reference implementation can get 0). */
  public static long reduced(long channels, int reduction) {
    return Math.max(1, channels / reduction);
  }
}
