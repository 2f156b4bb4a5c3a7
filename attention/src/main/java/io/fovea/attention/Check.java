package io.fovea.attention;

/** What the builders check; messages begin with the mechanism's name. */
final class Check {
  private Check() {}

  static int atLeast(int minimum, String mechanism, String option, int value) {
    return (int) atLeast(minimum, mechanism, option, (long) value);
  }

  static long atLeast(long minimum, String mechanism, String option, long value) {
    if (value < minimum) {
      throw new IllegalArgumentException(
          mechanism + ": " + option + " must be at least " + minimum + ", got " + value);
    }
    return value;
  }

  /** Same-size convolution needs a centre. */
  static int odd(String mechanism, String option, int value) {
    if (value < 1 || value % 2 == 0) {
      throw new IllegalArgumentException(
          mechanism + ": " + option + " must be odd and at least 1, got " + value);
    }
    return value;
  }

  static int dimensions(String mechanism, int value) {
    if (value < 1 || value > 3) {
      throw new IllegalArgumentException(
          mechanism + ": spatial dimensions must be 1, 2 or 3, got " + value);
    }
    return value;
  }

  static <T> T notNull(String mechanism, String option, T value) {
    if (value == null) {
      throw new IllegalArgumentException(mechanism + ": " + option + " must not be null");
    }
    return value;
  }

  /** The multiple of {@code divisor} that is nearest, but neither 0 nor less than nine tenths. */
  static long rounded(long value, int divisor) {
    long nearest = Math.max(divisor, (value + divisor / 2) / divisor * divisor);
    return 10 * nearest < 9 * value ? nearest + divisor : nearest;
  }

  /** {@code channels / reduction}, at least 1 (the document's code can get 0). */
  static long reduced(long channels, int reduction) {
    return Math.max(1, channels / reduction);
  }
}
