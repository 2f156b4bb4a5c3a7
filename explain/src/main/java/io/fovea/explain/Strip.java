package io.fovea.explain;

import java.awt.image.BufferedImage;

/** The frames of a clip side by side, as a picture. */
public final class Strip {
  private Strip() {}

  /**
   * Draws them.
   *
   * @param pixels {@code [C, T, H, W]}, unsigned bytes; C is 1 or 3
   * @param frames T, 1 for an image
   */
  public static BufferedImage of(byte[] pixels, int channels, int frames, int height, int width) {
    BufferedImage image = new BufferedImage(frames * width, height, BufferedImage.TYPE_INT_RGB);
    int plane = height * width;
    for (int t = 0; t < frames; t++) {
      for (int i = 0; i < plane; i++) {
        int rgb = 0;
        for (int channel = 0; channel < 3; channel++) {
          int source = channels == 1 ? 0 : channel;
          rgb = rgb << 8 | Byte.toUnsignedInt(pixels[(source * frames + t) * plane + i]);
        }
        image.setRGB(t * width + i % width, i / width, rgb);
      }
    }
    return image;
  }
}
