package io.fovea.testing;

import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.imageio.ImageIO;

/** Pictures of two kinds that any network tells apart: stripes that run across, and stripes that fall. */
public final class Stripes {
  private Stripes() {}

  /**
   * Draws a picture of 48 x 40 pixels, a PNG.
   *
   * @param file the file; its folder is created
   * @param falling whether the stripes fall
   * @param number pictures with other numbers differ
   */
  public static void draw(Path file, boolean falling, int number) throws IOException {
    BufferedImage image = new BufferedImage(48, 40, BufferedImage.TYPE_INT_RGB);
    Graphics2D g = image.createGraphics();
    g.setColor(new Color(20 + 5 * number, 90, 220 - 4 * number));
    for (int i = number % 7; i < 48; i += 8) {
      g.fillRect(falling ? i : 0, falling ? 0 : i, falling ? 4 : 48, falling ? 40 : 4);
    }
    g.dispose();
    Files.createDirectories(file.getParent());
    ImageIO.write(image, "png", file.toFile());
  }
}
