package io.fovea.explain;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Base64;
import javax.imageio.ImageIO;

/** Pictures as PNG. */
public final class Png {
  private Png() {}

  /** A picture as a data URI, for pages that need no other file. */
  public static String uri(BufferedImage image) {
    return "data:image/png;base64," + Base64.getEncoder().encodeToString(bytes(image));
  }

  /** A picture as a PNG file. */
  public static byte[] bytes(BufferedImage image) {
    try {
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      ImageIO.write(image, "png", out);
      return out.toByteArray();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
