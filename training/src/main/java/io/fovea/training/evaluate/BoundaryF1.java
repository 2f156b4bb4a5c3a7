package io.fovea.training.evaluate;

import io.fovea.data.MaskedImage;
import java.util.Arrays;

/**
 * How closely the outlines of the predicted classes follow the true ones (Csurka, Larlus, Perronnin:
 * <a href="https://doi.org/10.5244/C.27.32">What is a good evaluation
 * measure for semantic segmentation?</a>, section 3.1): the F1 of the pixels on the boundary of a
 * class. A predicted one is right if a true one is within 0.75 % of the image's diagonal, and the other
 * way round.
 */
public final class BoundaryF1 {
  /** The tolerance, as a share of the diagonal of the image. */
  public static final double TOLERANCE = 0.0075;

  private BoundaryF1() {}

  /**
   * Compares two masks. Pixels that the true one ignores count in neither.
   *
   * @param height the height in pixels
   * @param width the width in pixels
   * @param truth the true classes, {@code [height * width]}, unsigned bytes
   * @param predicted the predicted classes, {@code [height * width]}, unsigned bytes
   * @param classes the number of classes K
   * @return the F1 of each class, {@code [K]}: NaN for a class without a boundary in either mask, 0 for
   *     one with a boundary in one mask only
   */
  public static double[] of(int height, int width, byte[] truth, byte[] predicted, int classes) {
    byte[] seen = predicted.clone();
    for (int i = 0; i < seen.length; i++) {
      seen[i] = Byte.toUnsignedInt(truth[i]) == MaskedImage.IGNORED ? truth[i] : seen[i];
    }
    boolean[] wanted = boundary(height, width, truth);
    boolean[] found = boundary(height, width, seen);
    double radius = TOLERANCE * Math.hypot(height, width);
    long[][] right = new long[2][classes];
    long[][] all = new long[2][classes];
    for (int i = 0; i < truth.length; i++) {
      if (wanted[i]) {
        int label = Byte.toUnsignedInt(truth[i]);
        all[0][label]++;
        right[0][label] += isNear(height, width, i, found, seen, truth[i], radius) ? 1 : 0;
      }
      if (found[i]) {
        int label = Byte.toUnsignedInt(seen[i]);
        all[1][label]++;
        right[1][label] += isNear(height, width, i, wanted, truth, seen[i], radius) ? 1 : 0;
      }
    }
    double[] scores = new double[classes];
    Arrays.setAll(scores, label -> f1(right, all, label));
    return scores;
  }

  private static double f1(long[][] right, long[][] all, int label) {
    if (all[0][label] == 0 || all[1][label] == 0) {
      return all[0][label] == all[1][label] ? Double.NaN : 0;
    }
    double recall = (double) right[0][label] / all[0][label];
    double precision = (double) right[1][label] / all[1][label];
    return precision + recall == 0 ? 0 : 2 * precision * recall / (precision + recall);
  }

  /** The pixels beside one of another class: above, below, to the left or to the right. */
  private static boolean[] boundary(int height, int width, byte[] labels) {
    boolean[] boundary = new boolean[labels.length];
    for (int i = 0; i < labels.length; i++) {
      int x = i % width;
      int y = i / width;
      boundary[i] =
          Byte.toUnsignedInt(labels[i]) != MaskedImage.IGNORED
              && ((x > 0 && differs(labels, i, i - 1))
                  || (x + 1 < width && differs(labels, i, i + 1))
                  || (y > 0 && differs(labels, i, i - width))
                  || (y + 1 < height && differs(labels, i, i + width)));
    }
    return boundary;
  }

  private static boolean differs(byte[] labels, int pixel, int other) {
    return labels[other] != labels[pixel]
        && Byte.toUnsignedInt(labels[other]) != MaskedImage.IGNORED;
  }

  /** Whether a pixel on the boundary of a class is within a radius of another pixel. */
  private static boolean isNear(
      int height,
      int width,
      int pixel,
      boolean[] boundary,
      byte[] labels,
      byte label,
      double radius) {
    int reach = (int) radius;
    int x = pixel % width;
    int y = pixel / width;
    for (int down = -reach; down <= reach; down++) {
      for (int right = -reach; right <= reach; right++) {
        int row = y + down;
        int column = x + right;
        if (row >= 0
            && row < height
            && column >= 0
            && column < width
            && down * down + right * right <= radius * radius
            && boundary[row * width + column]
            && labels[row * width + column] == label) {
          return true;
        }
      }
    }
    return false;
  }
}
