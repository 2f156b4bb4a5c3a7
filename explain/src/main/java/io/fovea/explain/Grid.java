package io.fovea.explain;

/**
 * The grid of positions of a feature map in time, height and width; an image has one time.
 *
 * @param times the number of points in time, 1 for an image
 * @param height the number of rows
 * @param width the number of columns
 */
public record Grid(int times, int height, int width) {
  /**
   * Creates a grid from the spatial sizes of a feature map, {@code [H, W]} or {@code [T, H, W]}.
   */
  static Grid of(long... sizes) {
    int last = sizes.length - 1;
    return new Grid(
        last > 1 ? Math.toIntExact(sizes[last - 2]) : 1,
        Math.toIntExact(sizes[last - 1]),
        Math.toIntExact(sizes[last]));
  }

  /** The number of positions. */
  public int size() {
    return times * height * width;
  }

  /** The time index of a frame of a clip. Several frames may have the same one. */
  public int time(int frame, int frames) {
    return (int) ((long) frame * times / frames);
  }

  /** The first frame of a time index. */
  public int frame(int time, int frames) {
    return (int) (((long) time * frames + times - 1) / times);
  }

  /** The index of the position that contains a point, counted row by row. */
  long position(Affinity.Point point, int frames) {
    return ((long) time(point.frame(), frames) * height + (int) (point.y() * height)) * width
        + (int) (point.x() * width);
  }

  /** The smallest spacing that leaves at most a number of positions, if there is one. */
  int step(int most) {
    int step = 1;
    while (times * count(height, step) * count(width, step) > most
        && step < Math.max(height, width)) {
      step++;
    }
    return step;
  }

  /**
   * The positions in every {@code step}-th row and column of each time, beginning with the first.
   */
  long[] every(int step) {
    int rows = count(height, step);
    int columns = count(width, step);
    long[] positions = new long[times * rows * columns];
    for (int i = 0; i < positions.length; i++) {
      long t = i / (rows * columns);
      long y = (long) (i / columns % rows) * step;
      positions[i] = (t * height + y) * width + (long) (i % columns) * step;
    }
    return positions;
  }

  /** The number of positions along a side with a spacing of {@code step}. */
  static int count(int side, int step) {
    return (side + step - 1) / step;
  }
}
