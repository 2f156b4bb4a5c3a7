package io.fovea.data;

/**
 * The labels of a mixed image in three whole numbers: its class, the class of the other image, and
 * the share of its own class in parts of {@link #WHOLE}. A soft target with two classes needs no
 * more.
 */
public final class MixedLabels {
  /** The number of values. */
  public static final int LENGTH = 3;

  /** The share of 1. */
  public static final long WHOLE = 1L << 30;

  private MixedLabels() {}

  /** Adds the other class and the share to a label, whose first value is its own class. */
  static void write(long[] label, long other, double share) {
    label[1] = other;
    label[2] = Math.round(share * WHOLE);
  }
}
