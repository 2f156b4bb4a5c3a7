package io.fovea.explain;

import io.fovea.data.Image;
import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.awt.image.DataBufferByte;
import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleUnaryOperator;

/** A white picture to draw on. Colours are {@code 0xRRGGBB}. */
final class Canvas {
  private final BufferedImage image;
  private final byte[] bgr;
  private final int width;
  private final Graphics2D graphics;
  private final Lettering lettering = Lettering.inUse();

  Canvas(int width, int height) {
    this.width = width;
    image = new BufferedImage(width, height, BufferedImage.TYPE_3BYTE_BGR);
    bgr = ((DataBufferByte) image.getRaster().getDataBuffer()).getData();
    Arrays.fill(bgr, (byte) 255);
    graphics = image.createGraphics();
    graphics.setRenderingHint(RenderingHints.KEY_STROKE_CONTROL, RenderingHints.VALUE_STROKE_PURE);
  }

  /** Finishes the drawing and returns the picture. */
  BufferedImage image() {
    graphics.dispose();
    return image;
  }

  int width() {
    return width;
  }

  int height() {
    return image.getHeight();
  }

  void set(int x, int y, int colour) {
    int at = 3 * (y * width + x);
    bgr[at] = (byte) colour;
    bgr[at + 1] = (byte) (colour >> 8);
    bgr[at + 2] = (byte) (colour >> 16);
  }

  int get(int x, int y) {
    int at = 3 * (y * width + x);
    return Byte.toUnsignedInt(bgr[at + 2]) << 16
        | Byte.toUnsignedInt(bgr[at + 1]) << 8
        | Byte.toUnsignedInt(bgr[at]);
  }

  void fill(int x, int y, int width, int height, int colour) {
    graphics.setColor(new Color(colour));
    graphics.fillRect(x, y, width, height);
  }

  /** A border of one pixel. */
  void border(int x, int y, int width, int height, int colour) {
    fill(x, y, width, 1, colour);
    fill(x, y + height - 1, width, 1, colour);
    fill(x, y, 1, height, colour);
    fill(x + width - 1, y, 1, height, colour);
  }

  /** Returns a pen for lines and shapes with smooth edges. */
  Graphics2D smooth(int colour, double thickness) {
    graphics.setColor(new Color(colour));
    graphics.setStroke(
        new BasicStroke((float) thickness, BasicStroke.CAP_ROUND, BasicStroke.JOIN_ROUND));
    graphics.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
    return graphics;
  }

  /** Draws a line of text; {@code y} is the base line. */
  void text(String text, int x, int y) {
    lettering.draw(graphics, text, x, y);
  }

  /** Draws a line of text, shortened with an ellipsis if it is too wide. */
  void text(String text, int x, int y, int width) {
    text(lettering.cut(text, width), x, y);
  }

  /** Draws an image, or frame {@code t} of a clip, enlarged by {@code factor}. */
  void image(Image source, int t, int factor, int x, int y) {
    byte[] pixels = source.pixels();
    int area = source.height() * source.width();
    int channel = source.channels() == 1 ? 0 : Math.max(1, source.frames()) * area;
    for (int row = 0; row < source.height() * factor; row++) {
      for (int column = 0; column < source.width() * factor; column++) {
        int at = t * area + row / factor * source.width() + column / factor;
        set(
            x + column,
            y + row,
            Byte.toUnsignedInt(pixels[at]) << 16
                | Byte.toUnsignedInt(pixels[channel + at]) << 8
                | Byte.toUnsignedInt(pixels[2 * channel + at]));
      }
    }
  }

  /** Draws a rectangle with an opacity of {@code share}. */
  void veil(int x, int y, int width, int height, int colour, double share) {
    for (int row = y; row < y + height; row++) {
      for (int column = x; column < x + width; column++) {
        set(column, row, Viridis.mixed(get(column, row), colour, share));
      }
    }
  }

  /** Draws a map whose values are squares or rectangles. */
  void map(Plane map, int x, int y, int width, int height) {
    double[] range = map.range();
    for (int row = 0; row < height; row++) {
      for (int column = 0; column < width; column++) {
        float value =
            map.values()[row * map.height() / height * map.width() + column * map.width() / width];
        set(x + column, y + row, Viridis.of(share(value, range)));
      }
    }
  }

  /**
   * Draws a map over the picture, interpolated between the centres of its values.
   *
   * @param range the values of the first and the last colour
   * @param wide the width of the part of the picture in pixels
   * @param high its height
   * @param opacity the opacity of a colour, by the place of its value in the range, 0 to 1
   */
  void over(
      Plane map, double[] range, int x, int y, int wide, int high, DoubleUnaryOperator opacity) {
    int width = map.width();
    float[] values = map.values();
    for (int row = 0; row < high; row++) {
      double down = between(row, high, map.height());
      int above = (int) down;
      int upper = above * width;
      int lower = Math.min(above + 1, map.height() - 1) * width;
      for (int column = 0; column < wide; column++) {
        double right = between(column, wide, width);
        int first = (int) right;
        int next = Math.min(first + 1, width - 1);
        double value =
            mean(
                mean(values[upper + first], values[upper + next], right - first),
                mean(values[lower + first], values[lower + next], right - first),
                down - above);
        double share = share(value, range);
        int under = get(x + column, y + row);
        set(
            x + column,
            y + row,
            Viridis.mixed(under, Viridis.of(share), opacity.applyAsDouble(share)));
      }
    }
  }

  /**
   * The position of a pixel's centre relative to the centres of values, which is 0 for the first.
   */
  private static double between(int pixel, int pixels, int values) {
    return Math.max(0, Math.min(values - 1, (pixel + 0.5) * values / pixels - 0.5));
  }

  private static double mean(double a, double b, double shareOfB) {
    return a + (b - a) * shareOfB;
  }

  private static double share(double value, double[] range) {
    return range[1] > range[0] ? (value - range[0]) / (range[1] - range[0]) : 0;
  }

  /** Lines of text. */
  void lines(List<String> lines, int x, int y, int distance) {
    for (int i = 0; i < lines.size(); i++) {
      text(lines.get(i), x, y + i * distance);
    }
  }

  /** Draws another picture into the upper left corner. */
  void paste(Canvas other) {
    graphics.drawImage(other.image(), 0, 0, null);
  }
}
