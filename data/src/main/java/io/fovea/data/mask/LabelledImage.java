package io.fovea.data.mask;

/**
 * An image with the class of each pixel.
 *
 * @param height H in pixels
 * @param width W in pixels
 * @param pixels {@code [C, H, W]}, each byte unsigned
 * @param labels {@code [H, W]}, each byte unsigned: an index into the classes, or {@link #IGNORED}
 */
public record LabelledImage(int height, int width, byte[] pixels, byte[] labels) {
  /** The label of pixels that count neither in training nor in tests. */
  public static final int IGNORED = 255;

  /** The class of a pixel, or {@link #IGNORED}. */
  public int label(int y, int x) {
    return Byte.toUnsignedInt(labels[y * width + x]);
  }
}
