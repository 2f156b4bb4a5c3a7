package io.fovea.explain;

import io.fovea.errors.FoveaException;
import io.fovea.errors.SpecException;
import java.util.Locale;
import org.bytedeco.pytorch.Tensor;

/**
 * A rectangle of pixels of an image.
 *
 * @param left the first column
 * @param top the first row
 * @param width the number of columns
 * @param height the number of rows
 */
public record Region(int left, int top, int width, int height) {
  /**
   * Checks the sides.
   *
   * @throws SpecException if a side is empty or begins before the image
   */
  public Region {
    if (left < 0 || top < 0 || width < 1 || height < 1) {
      throw new SpecException(
          "expected a region with a width and a height of at least 1, got "
              + text(left, top, width, height));
    }
  }

  /**
   * Checks that the region is inside an image.
   *
   * @throws SpecException if it is not
   */
  public void requireInside(int imageHeight, int imageWidth) {
    if (left + (long) width > imageWidth || top + (long) height > imageHeight) {
      throw new SpecException(
          "the region "
              + text(left, top, width, height)
              + " is outside the image, which has "
              + imageWidth
              + " x "
              + imageHeight
              + " pixels");
    }
  }

  /** Whether a pixel is in the region. */
  public boolean contains(double x, double y) {
    return x >= left && x < left + (long) width && y >= top && y < top + (long) height;
  }

  /**
   * Checks that a pixel is in the part of an image that a network sees.
   *
   * @param part the name of this part
   * @throws FoveaException if it is not
   */
  public void requireInside(String part, double[] pixel) {
    if (!contains(pixel[0], pixel[1])) {
      throw new FoveaException(
          String.format(
              Locale.ROOT,
              "point %.0f,%.0f is outside %s: columns %d to %d, rows %d to %d",
              pixel[0],
              pixel[1],
              part,
              left,
              left + width - 1,
              top,
              top + height - 1));
    }
  }

  /** The part of a map of pixels, {@code [B, H, W]}. */
  Tensor of(Tensor pixels) {
    return pixels.narrow(1, top, height).narrow(2, left, width);
  }

  private static String text(int left, int top, int width, int height) {
    return left + "," + top + "," + width + "," + height;
  }
}
