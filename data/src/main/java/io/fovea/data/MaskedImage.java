package io.fovea.data;

/**
 * An image with the class of each pixel.
 *
 * @param image the image, of any size
 * @param labels {@code [H, W]}, unsigned bytes: an index into the classes, or {@link #IGNORED}; the
 *     array is not copied
 */
public record MaskedImage(Image image, byte[] labels) implements Sample {
  /** The label of pixels that are ignored in training and in tests. */
  public static final int IGNORED = 255;

  /**
   * Checks the size.
   *
   * @throws IllegalArgumentException if the number of labels differs from the number of pixels
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
