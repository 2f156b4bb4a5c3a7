package io.fovea.data.mask;

import io.fovea.data.UnreadableImageException;
import java.util.BitSet;

/**
 * The pixels inside of a polygon, as COCO's own tools count them. Edges are drawn on a grid that is five
 * times as fine, with the rounding of these tools. Where an edge passes the middle of a column of pixels, the
 * pixels from there on change from outside to inside or back, in the order of the columns.
 */
final class Polygons {
  private static final double FINE = 5; // steps to a pixel
  private static final double MARGIN = 1000; // how far it may lead out of an image, beside its size

  private Polygons() {}

  /**
   * Finds the pixels of a polygon.
   *
   * @param points its corners {@code x, y, x, y, ...} in pixels; the last one is joined to the first
   * @return the pixels {@code x * height + y}
   * @throws UnreadableImageException if there are no pairs of numbers, or if it leads out of the image by
   *     more than the image's size and {@value #MARGIN} pixels, because each pixel of an edge is visited
   */
  static BitSet pixels(double[] points, int height, int width) throws UnreadableImageException {
    if (points.length % 2 != 0) {
      throw new UnreadableImageException("a polygon has a number without a partner");
    }
    int corners = points.length / 2;
    double most = 2.0 * Math.max(height, width) + MARGIN;
    int[] x = new int[corners + 1];
    int[] y = new int[corners + 1];
    for (int i = 0; i < corners; i++) {
      if (!(Math.abs(points[2 * i]) <= most && Math.abs(points[2 * i + 1]) <= most)) {
        throw new UnreadableImageException("a polygon leads too far out of the image");
      }
      x[i] = (int) (FINE * points[2 * i] + 0.5);
      y[i] = (int) (FINE * points[2 * i + 1] + 0.5);
    }
    if (corners > 0) {
      x[corners] = x[0];
      y[corners] = y[0];
    }
    BitSet changes = new BitSet(height * width);
    Pen pen = new Pen(changes, height, width);
    for (int i = 0; i < corners; i++) {
      edge(pen, x[i], y[i], x[i + 1], y[i + 1]);
    }
    return filled(changes, height * width);
  }

  /** Draws an edge from its beginning to its end, point by point along its longer side. */
  private static void edge(Pen pen, int fromX, int fromY, int toX, int toY) {
    int wide = Math.abs(toX - fromX);
    int high = Math.abs(toY - fromY);
    boolean flat = wide >= high;
    // points are counted from the smaller coordinate, so that an edge has the same ones both ways
    boolean backwards = flat ? fromX > toX : fromY > toY;
    int startX = backwards ? toX : fromX;
    int startY = backwards ? toY : fromY;
    int endX = backwards ? fromX : toX;
    int endY = backwards ? fromY : toY;
    int steps = Math.max(wide, high);
    double slope =
        steps == 0 ? 0 : flat ? (double) (endY - startY) / wide : (double) (endX - startX) / high;
    for (int i = 0; i <= steps; i++) {
      int along = backwards ? steps - i : i;
      if (flat) {
        pen.to(startX + along, (int) (startY + slope * along + 0.5));
      } else {
        pen.to((int) (startX + slope * along + 0.5), startY + along);
      }
    }
  }

  /** The pixels behind an odd number of changes. */
  private static BitSet filled(BitSet changes, int size) {
    BitSet pixels = new BitSet(size);
    for (int from = changes.nextSetBit(0); from >= 0; ) {
      int to = changes.nextSetBit(from + 1);
      pixels.set(from, to < 0 ? size : to);
      from = to < 0 ? -1 : changes.nextSetBit(to + 1);
    }
    return pixels;
  }

  /** Moves over the fine grid. */
  private static final class Pen {
    private final BitSet changes;
    private final int height;
    private final int width;
    private boolean down;
    private int x;
    private int y;

    Pen(BitSet changes, int height, int width) {
      this.changes = changes;
      this.height = height;
      this.width = width;
    }

    void to(int nextX, int nextY) {
      if (down && nextX != x) {
        cross(nextX < x ? nextX : nextX - 1, Math.min(nextY, y));
      }
      x = nextX;
      y = nextY;
      down = true;
    }

    /** Passes from a fine column to its neighbour. */
    private void cross(int fineX, int fineY) {
      double column = (fineX + 0.5) / FINE - 0.5;
      if (Math.floor(column) != column || column < 0 || column > width - 1) {
        return; // not the middle of a column of pixels in the image
      }
      double row = Math.ceil(Math.min(height, Math.max(0, (fineY + 0.5) / FINE - 0.5)));
      long place = ((long) column) * height + (long) row;
      if (place < (long) height * width) {
        changes.flip((int) place);
      }
    }
  }
}
