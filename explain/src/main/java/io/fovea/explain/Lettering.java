package io.fovea.explain;

import static org.bytedeco.opencv.global.opencv_core.CV_8UC1;
import static org.bytedeco.opencv.global.opencv_imgproc.FONT_HERSHEY_SIMPLEX;
import static org.bytedeco.opencv.global.opencv_imgproc.LINE_AA;
import static org.bytedeco.opencv.global.opencv_imgproc.getTextSize;
import static org.bytedeco.opencv.global.opencv_imgproc.putText;

import java.awt.Color;
import java.awt.Font;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.font.FontRenderContext;
import java.awt.image.BufferedImage;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.opencv.opencv_core.Mat;
import org.bytedeco.opencv.opencv_core.Point;
import org.bytedeco.opencv.opencv_core.Scalar;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Draws text in pictures with Java and the fonts of the machine, so that names in any script
 * appear. On a machine without fonts (a small container, a headless runtime), this is logged once,
 * and text is drawn with plain strokes, which have ASCII characters only.
 */
abstract class Lettering {
  private static final Logger LOGGER = LoggerFactory.getLogger(Lettering.class);
  private static final int INK = 0x1e1e1e;

  /** The lettering is determined when the first picture is drawn. */
  private static final class InUse {
    static final Lettering VALUE = of(() -> new Font(Font.SANS_SERIF, Font.PLAIN, 12));
  }

  static Lettering inUse() {
    return InUse.VALUE;
  }

  /** Creates a lettering with a font, if text can be drawn with it. */
  static Lettering of(Supplier<Font> font) {
    try {
      Lettering lettering = new WithFont(font.get());
      BufferedImage probe = new BufferedImage(32, 32, BufferedImage.TYPE_3BYTE_BGR);
      Graphics2D graphics = probe.createGraphics();
      lettering.draw(graphics, "0", 8, 24);
      graphics.dispose();
      if (lettering.width("0") > 0) {
        return lettering;
      }
      LOGGER.warn("the font of this machine is empty: {}", REMEDY);
    } catch (RuntimeException | Error e) { // JDKs differ in which of them they throw
      LOGGER.warn("this machine has no fonts ({}): {}", e.toString(), REMEDY);
    }
    return new Strokes();
  }

  private static final String REMEDY =
      "text in pictures is drawn with plain strokes, ASCII only; install fontconfig and a"
          + " font (on Debian: fontconfig fonts-dejavu-core) for other characters";

  /** The width of a text in pixels. */
  abstract int width(String text);

  /**
   * Draws a line of text.
   *
   * @param x the left edge
   * @param y the base line
   */
  abstract void draw(Graphics2D graphics, String text, int x, int y);

  /** Breaks a text into lines of at most a width, between words if possible. */
  final List<String> wrapped(String text, int width) {
    List<String> lines = new ArrayList<>();
    for (String given : text.lines().toList()) {
      String rest = given;
      while (width(rest) > width && rest.length() > 1) {
        int end = fitting(rest, width);
        int space = rest.lastIndexOf(' ', end);
        lines.add(rest.substring(0, space > 0 ? space : end));
        rest = rest.substring(space > 0 ? space + 1 : end);
      }
      lines.add(rest);
    }
    return lines;
  }

  /** Shortens a text to a width, with an ellipsis. */
  final String cut(String text, int width) {
    return width(text) <= width
        ? text
        : text.substring(0, fitting(text, width - width(ELLIPSIS))) + ELLIPSIS;
  }

  private static final String ELLIPSIS = "...";

  /** The number of characters that fit, at least one; surrogate pairs are not split. */
  private int fitting(String text, int width) {
    int end = text.offsetByCodePoints(0, 1);
    while (end < text.length()) {
      int next = text.offsetByCodePoints(end, 1);
      if (width(text.substring(0, next)) > width) {
        break;
      }
      end = next;
    }
    return end;
  }

  private static final class WithFont extends Lettering {
    private static final FontRenderContext CONTEXT = new FontRenderContext(null, true, true);
    private final AtomicBoolean lacking = new AtomicBoolean();
    private final Font font;

    WithFont(Font font) {
      this.font = font;
    }

    @Override
    int width(String text) {
      return (int) Math.ceil(font.getStringBounds(text, CONTEXT).getWidth());
    }

    @Override
    void draw(Graphics2D graphics, String text, int x, int y) {
      if (font.canDisplayUpTo(text) >= 0 && lacking.compareAndSet(false, true)) {
        LOGGER.warn(
            "no font of this machine has all characters of \"{}\"; install one that has them",
            text);
      }
      graphics.setFont(font);
      graphics.setColor(new Color(INK));
      graphics.setRenderingHint(
          RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
      graphics.setRenderingHint(
          RenderingHints.KEY_FRACTIONALMETRICS, RenderingHints.VALUE_FRACTIONALMETRICS_ON);
      graphics.drawString(text, x, y);
    }
  }

  /** Draws text with OpenCV's strokes, which need no font. */
  private static final class Strokes extends Lettering {
    private static final double SCALE = 0.42;
    private static final int ASCENT = 14;
    private static final int HEIGHT = 20;

    private static String ascii(String text) {
      return text.replaceAll("[^\\x20-\\x7e]", "?");
    }

    @Override
    int width(String text) {
      try (PointerScope scope = new PointerScope()) {
        return getTextSize(ascii(text), FONT_HERSHEY_SIMPLEX, SCALE, 1, new IntPointer(1)).width();
      }
    }

    @Override
    void draw(Graphics2D graphics, String text, int x, int y) {
      int width = width(text) + 2;
      byte[] coverage = new byte[width * HEIGHT];
      try (PointerScope scope = new PointerScope()) {
        BytePointer memory = new BytePointer(coverage);
        putText(
            new Mat(HEIGHT, width, CV_8UC1, memory),
            ascii(text),
            new Point(0, ASCENT),
            FONT_HERSHEY_SIMPLEX,
            SCALE,
            new Scalar(255, 0, 0, 0),
            1,
            LINE_AA,
            false);
        memory.get(coverage);
      }
      BufferedImage strokes = new BufferedImage(width, HEIGHT, BufferedImage.TYPE_INT_ARGB);
      for (int i = 0; i < coverage.length; i++) {
        strokes.setRGB(i % width, i / width, Byte.toUnsignedInt(coverage[i]) << 24 | INK);
      }
      graphics.drawImage(strokes, x, y - ASCENT, null);
    }
  }
}
