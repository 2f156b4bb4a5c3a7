package io.fovea.explain;

/**
 * A value for each position: a map.
 *
 * @param height the number of rows of positions
 * @param width the number of columns of positions
 * @param values {@code [height * width]}, row by row
 * @param statistics the statistics of the values
 */
public record Plane(int height, int width, float[] values, Statistics statistics) {
  /**
   * A map of values.
   *
   * @throws IllegalArgumentException if the number of values is not {@code height * width}, or is 0
   */
  public static Plane of(int height, int width, float... values) {
    if (values.length != height * width) {
      throw new IllegalArgumentException(
          "expected " + height + " x " + width + " values, got " + values.length);
    }
    return new Plane(height, width, values, Statistics.of(values));
  }

  /** The smallest and the largest value. */
  double[] range() {
    return new double[] {statistics.minimum(), statistics.maximum()};
  }
}
