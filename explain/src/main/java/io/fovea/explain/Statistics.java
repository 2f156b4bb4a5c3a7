package io.fovea.explain;

/**
 * Statistics of values, which are shown beside every picture of an attention module.
 *
 * @param minimum the smallest
 * @param maximum the largest
 * @param mean their mean
 * @param deviation their standard deviation, divided by their number
 * @param entropy how evenly the values are spread: the entropy of the values as shares of their
 *     sum, divided by that of equal shares. 1 if all are equal, 0 if one value has everything; NaN
 *     if a value is negative, all are 0, or there is only one
 * @param under the share of values below 0.1, from 0 to 1: nearly closed gates
 * @param over the share of values above 0.9, from 0 to 1: nearly open gates
 */
public record Statistics(
    double minimum,
    double maximum,
    double mean,
    double deviation,
    double entropy,
    double under,
    double over) {
  /** The mean entropy above which attention is uniform, which is an average and not attention. */
  static final double EVEN = 0.99;

  /** The change below which a module has no effect. */
  static final double IDLE = 0.01;

  private static final double SHUT = 0.1;
  private static final double OPEN = 0.9;
  private static final double ALIKE = 0.02;

  /**
   * Computes the statistics of values.
   *
   * @throws IllegalArgumentException if there are no values
   */
  public static Statistics of(float... values) {
    if (values.length == 0) {
      throw new IllegalArgumentException("expected at least one value");
    }
    double minimum = Double.POSITIVE_INFINITY;
    double maximum = Double.NEGATIVE_INFINITY;
    double sum = 0;
    int under = 0;
    int over = 0;
    for (float value : values) {
      minimum = Math.min(minimum, value);
      maximum = Math.max(maximum, value);
      sum += value;
      under += value < SHUT ? 1 : 0;
      over += value > OPEN ? 1 : 0;
    }
    double mean = sum / values.length;
    double squares = 0;
    for (float value : values) {
      squares += (value - mean) * (value - mean);
    }
    return new Statistics(
        minimum,
        maximum,
        mean,
        Math.sqrt(squares / values.length),
        minimum < 0 ? Double.NaN : entropy(values, sum),
        (double) under / values.length,
        (double) over / values.length);
  }

  private static double entropy(float[] values, double sum) {
    if (values.length < 2 || !(sum > 0)) {
      return Double.NaN;
    }
    double entropy = 0;
    for (float value : values) {
      if (value > 0) {
        double share = value / sum;
        entropy -= share * Math.log(share);
      }
    }
    return entropy / Math.log(values.length);
  }

  /** Whether all values are within 0.02 of each other, so that the gates are nearly equal. */
  public boolean isFlat() {
    return maximum - minimum < ALIKE;
  }
}
