package io.fovea.explain;

import io.fovea.errors.SpecException;
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

  /** The part of a map of pixels, {@code [B, H, W]}. */
  Tensor of(Tensor pixels) {
    return pixels.narrow(1, top, height).narrow(2, left, width);
  }

  private static String text(int left, int top, int width, int height) {
    return left + "," + top + "," + width + "," + height;
  }
}
