package io.fovea.explain;

import io.fovea.data.Image;
import java.awt.image.BufferedImage;

/** Draws images, and the frames of a clip side by side. */
public final class Strip {
  private Strip() {}

  /**
   * Draws an image or a clip.
   *
   * @param source the image, in greyscale or colour
   */
  public static BufferedImage of(Image source) {
    int frames = Math.max(1, source.frames());
    int height = source.height();
    int width = source.width();
    byte[] pixels = source.pixels();
    BufferedImage image = new BufferedImage(frames * width, height, BufferedImage.TYPE_INT_RGB);
    int plane = height * width;
    for (int t = 0; t < frames; t++) {
      for (int i = 0; i < plane; i++) {
        int rgb = 0;
        for (int channel = 0; channel < 3; channel++) {
          int from = source.channels() == 1 ? 0 : channel;
          rgb = rgb << 8 | Byte.toUnsignedInt(pixels[(from * frames + t) * plane + i]);
        }
        image.setRGB(t * width + i % width, i / width, rgb);
      }
    }
    return image;
  }
}
