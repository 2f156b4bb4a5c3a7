package io.fovea.explain;

import io.fovea.data.mask.Masks;
import java.awt.image.BufferedImage;
import java.awt.image.IndexColorModel;

/** Draws class colours over images. */
public final class Overlay {
  private Overlay() {}

  /**
   * Draws the colours of classes over a picture; pixels of class 0 stay unchanged.
   *
   * @param labels {@code [height * width]}
   * @param opacity the opacity of the colours, 0 to 1
   */
  public static BufferedImage over(BufferedImage image, byte[] labels, double opacity) {
    IndexColorModel palette = Masks.palette();
    int width = image.getWidth();
    BufferedImage over = new BufferedImage(width, image.getHeight(), BufferedImage.TYPE_INT_RGB);
    for (int i = 0; i < labels.length; i++) {
      int label = Byte.toUnsignedInt(labels[i]);
      int under = image.getRGB(i % width, i / width);
      over.setRGB(
          i % width, i / width, label == 0 ? under : mixed(under, palette.getRGB(label), opacity));
    }
    return over;
  }

  private static int mixed(int under, int colour, double opacity) {
    int mixed = 0;
    for (int shift = 16; shift >= 0; shift -= 8) {
      double value = (under >> shift & 255) * (1 - opacity) + (colour >> shift & 255) * opacity;
      mixed |= (int) Math.round(value) << shift;
    }
    return mixed;
  }
}
