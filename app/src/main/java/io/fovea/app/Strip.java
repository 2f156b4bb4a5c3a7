package io.fovea.app;

import io.fovea.training.SpaceTime;
import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.geom.Line2D;
import java.awt.image.BufferedImage;

/** The frames of a clip side by side, as a picture. */
final class Strip {
  private static final int SMALLEST_FRAME = 96; // pixels, so that arrows can be seen
  private static final int ARROWS = 8;
  private static final double HEAD = 7; // of an arrow, in pixels
  private static final double SPREAD = 0.45; // of the arrow's head, in radians
  private static final float OPACITY = 0.65f;

  private Strip() {}

  /**
   * Draws them.
   *
   * @param pixels {@code [C, T, H, W]}, unsigned bytes; C is 1 or 3
   * @param frames T, 1 for an image
   */
  static BufferedImage of(byte[] pixels, int channels, int frames, int height, int width) {
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

  /**
   * The strip with what a point draws from laid over in red, and arrows to where it draws most from, as
   * in figure 3 of the non-local paper. Frames below 96 pixels are enlarged.
   *
   * @param strip of {@link #of}
   * @param frames how many it shows
   * @param affinity of the point
   */
  static BufferedImage explained(
      BufferedImage strip, int frames, SpaceTime affinity, SpaceTime.Point point) {
    int zoom = Math.max(1, (SMALLEST_FRAME + strip.getHeight() - 1) / strip.getHeight());
    double side = (double) strip.getWidth() * zoom / frames;
    double height = (double) strip.getHeight() * zoom;
    BufferedImage image =
        new BufferedImage(
            strip.getWidth() * zoom, strip.getHeight() * zoom, BufferedImage.TYPE_INT_RGB);
    Graphics2D graphics = image.createGraphics();
    try {
      graphics.drawImage(strip, 0, 0, image.getWidth(), image.getHeight(), null);
      float highest = Math.max(affinity.values()[affinity.highest(1)[0]], Float.MIN_NORMAL);
      double cellWidth = side / affinity.width();
      double cellHeight = height / affinity.height();
      for (int frame = 0; frame < frames; frame++) {
        int t =
            frame * affinity.times() / frames; // of a pooled clip, a map stands for several frames
        for (int y = 0; y < affinity.height(); y++) {
          for (int x = 0; x < affinity.width(); x++) {
            float value = affinity.values()[(t * affinity.height() + y) * affinity.width() + x];
            graphics.setColor(new Color(1f, 0f, 0f, OPACITY * Math.max(0, value) / highest));
            int left = (int) Math.round(frame * side + x * cellWidth);
            int top = (int) Math.round(y * cellHeight);
            int right = (int) Math.round(frame * side + (x + 1) * cellWidth);
            int bottom = (int) Math.round((y + 1) * cellHeight);
            graphics.fillRect(left, top, right - left, bottom - top);
          }
        }
      }
      graphics.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
      graphics.setStroke(new BasicStroke(1.5f));
      graphics.setColor(Color.YELLOW);
      double fromX = (point.frame() + point.x()) * side;
      double fromY = point.y() * height;
      for (int position : affinity.highest(ARROWS)) {
        int plane = affinity.height() * affinity.width();
        int t = position / plane;
        int first = (t * frames + affinity.times() - 1) / affinity.times(); // that it stands for
        int row = position % plane / affinity.width();
        int column = position % affinity.width();
        double x = first * side + (column + 0.5) * cellWidth;
        double y = (row + 0.5) * cellHeight;
        arrow(graphics, fromX, fromY, x, y);
      }
      graphics.setColor(Color.CYAN);
      graphics.fillOval((int) fromX - 4, (int) fromY - 4, 9, 9);
      return image;
    } finally {
      graphics.dispose();
    }
  }

  private static void arrow(Graphics2D graphics, double x, double y, double toX, double toY) {
    graphics.draw(new Line2D.Double(x, y, toX, toY));
    double direction = Math.atan2(toY - y, toX - x);
    for (double turn : new double[] {-SPREAD, SPREAD}) {
      graphics.draw(
          new Line2D.Double(
              toX,
              toY,
              toX - HEAD * Math.cos(direction + turn),
              toY - HEAD * Math.sin(direction + turn)));
    }
  }
}
