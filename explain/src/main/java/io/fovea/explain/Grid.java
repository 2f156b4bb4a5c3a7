package io.fovea.explain;

/**
 * The positions of a feature map in time, height and width; an image has one time.
 *
 * @param times how many points in time, 1 for an image
 * @param height how many rows
 * @param width how many columns
 */
public record Grid(int times, int height, int width) {
  /** From the spatial sizes of a feature map, {@code [H, W]} or {@code [T, H, W]}. */
  static Grid of(long... sizes) {
    int last = sizes.length - 1;
    return new Grid(
        last > 1 ? Math.toIntExact(sizes[last - 2]) : 1,
        Math.toIntExact(sizes[last - 1]),
        Math.toIntExact(sizes[last]));
  }

  /** How many positions there are. */
  public int size() {
    return times * height * width;
  }

  /** The time that stands for a frame of a clip; several frames may have the same. */
  public int time(int frame, int frames) {
    return (int) ((long) frame * times / frames);
  }

  /** The first frame that a time stands for. */
  public int frame(int time, int frames) {
    return (int) (((long) time * frames + times - 1) / times);
  }

  /** The position that a point is in, counted row by row. */
  long position(Affinity.Point point, int frames) {
    return ((long) time(point.frame(), frames) * height + (int) (point.y() * height)) * width
        + (int) (point.x() * width);
  }

  /** The smallest step in both directions that leaves no more positions, if there is one. */
  int step(int most) {
    int step = 1;
    while (times * count(height, step) * count(width, step) > most
        && step < Math.max(height, width)) {
      step++;
    }
    return step;
  }

  /** Of each time every {@code step}-th row and column, from the first on. */
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

  /** How many of a side there are, {@code step} apart. */
  static int count(int side, int step) {
    return (side + step - 1) / step;
  }
}
