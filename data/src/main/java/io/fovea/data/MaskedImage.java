package io.fovea.data;

/**
 * An image with the class of each pixel.
 *
 * @param image of any size
 * @param labels {@code [H, W]}, each byte unsigned: an index into the classes, or {@link #IGNORED}; not
 *     copied
 */
public record MaskedImage(Image image, byte[] labels) implements Sample {
  /** The label of pixels that count neither in training nor in tests. */
  public static final int IGNORED = 255;

  /**
   * Checks the size.
   *
   * @throws IllegalArgumentException if there is not one label for each pixel
   */
  public MaskedImage {
    if (labels.length != image.height() * image.width()) {
      throw new IllegalArgumentException(
          String.format(
              "mask: expected %d x %d labels, got %d",
              image.height(), image.width(), labels.length));
    }
  }

  /** The height of image and mask in pixels. */
  public int height() {
    return image.height();
  }

  /** The width of image and mask in pixels. */
  public int width() {
    return image.width();
  }

  /** The class of a pixel, or {@link #IGNORED}. */
  public int label(int y, int x) {
    return Byte.toUnsignedInt(labels[y * width() + x]);
  }
}
