package io.fovea.explain;

import io.fovea.data.Image;
import io.fovea.explain.Explanation.ChannelGates;
import io.fovea.explain.Explanation.FeatureMap;
import java.awt.Graphics2D;
import java.awt.geom.Ellipse2D;
import java.awt.geom.Line2D;
import java.awt.geom.Path2D;
import java.awt.image.BufferedImage;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Draws explanations: maps in viridis, with a legend of the values and a caption.
 *
 * <pre>{@code
 * Plane map = explanation.module("layer3.0.cbam").spatial().orElseThrow();
 * Png.write(Path.of("map.png"), Drawing.over(image, map, "layer3.0.cbam"));
 * }</pre>
 *
 * <p>Works without a display. Text is drawn with the fonts of the machine; without any, in plain strokes.
 */
public final class Drawing {
  private static final int LEAST_SIDE = 224;
  private static final double OVER = 0.6;
  private static final int MARGIN = 10;
  private static final int LEGEND = 28;
  private static final int LINE = 18;
  private static final int LABEL = 68;
  private static final int TILE = 112;
  private static final int FRAME = 144;
  private static final int FRAMES_IN_A_ROW = 8;
  private static final int FRAME_GAP = 4;
  private static final int FRAME_LABEL = 22;
  private static final int ARROWS = 8;
  private static final double ARROW_TIP = 9;
  private static final double MUCH = 0.4; // of the highest
  private static final int BLACK = 0;
  private static final int WHITE = 0xffffff;
  private static final int GREY = 0x787878;
  private static final int RULE = 0xe1e1e1;
  private static final int BAR = 0x31688b;

  /** The colours of Okabe and Ito, which colour-blind people can tell apart. */
  private static final int[] LINES = {0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00};

  private Drawing() {}

  /**
   * Draws a map over the largest centred square of an image, and dims the rest of the image.
   * Images with a side under 224 pixels are enlarged by a whole factor.
   *
   * @param caption the caption below the legend, which may have several lines or be empty
   */
  public static BufferedImage over(Image picture, Plane map, String caption) {
    return over(picture, square(picture), map, null, caption);
  }

  /** The largest centred square of an image. */
  private static Region square(Image picture) {
    return new Region(picture.left(), picture.top(), picture.side(), picture.side());
  }

  /**
   * Draws the same over another part of the image, with a mark.
   *
   * @param seen the part of the image that the network saw
   * @param marked the point {@code x, y} in pixels of the image, or null
   */
  static BufferedImage over(
      Image picture, Region seen, Plane map, double[] marked, String caption) {
    int factor = Math.max(1, (LEAST_SIDE + picture.side() - 1) / picture.side());
    Canvas canvas = new Canvas(picture.width() * factor, picture.height() * factor);
    canvas.image(picture, 0, factor, 0, 0);
    int left = seen.left() * factor;
    int top = seen.top() * factor;
    int width = seen.width() * factor;
    int height = seen.height() * factor;
    for (int[] rest : around(canvas, left, top, width, height)) {
      canvas.veil(rest[0], rest[1], rest[2], rest[3], BLACK, OVER);
    }
    canvas.over(map, map.range(), left, top, width, height, Drawing::opacity);
    if (marked != null) {
      mark(canvas, marked[0] * factor, marked[1] * factor);
    }
    return withLegend(canvas, map.range(), caption);
  }

  /** Low values are more transparent, so that the image stays visible where there is nothing to see. */
  private static double opacity(double share) {
    return OVER * (0.25 + 0.75 * share);
  }

  /** The parts of a picture outside what was seen: left and right of it, above and below. */
  private static int[][] around(Canvas canvas, int left, int top, int width, int height) {
    int right = left + width;
    int bottom = top + height;
    return new int[][] {
      {0, 0, left, canvas.height()},
      {right, 0, canvas.width() - right, canvas.height()},
      {left, 0, width, top},
      {left, bottom, width, canvas.height() - bottom}
    };
  }

  private static void mark(Canvas canvas, double x, double y) {
    int radius = Math.max(4, Math.min(canvas.width(), canvas.height()) / 50);
    Ellipse2D circle = new Ellipse2D.Double(x - radius, y - radius, 2.0 * radius, 2.0 * radius);
    canvas.smooth(BLACK, 3.5).draw(circle);
    canvas.smooth(WHITE, 1.5).draw(circle);
  }

  /**
   * Draws a map without an image; each value is a square of whole pixels.
   *
   * @param caption the caption below the legend, which may have several lines or be empty
   */
  public static BufferedImage of(Plane map, String caption) {
    int factor = Math.max(1, 448 / Math.max(map.height(), map.width()));
    Canvas canvas = new Canvas(map.width() * factor, map.height() * factor);
    canvas.map(map, 0, 0, canvas.width(), canvas.height());
    return withLegend(canvas, map.range(), caption);
  }

  /**
   * Draws the channel gates as bars, largest first, and below them the feature maps of the largest
   * and the smallest gates.
   *
   * @param caption the caption above, which may have several lines
   */
  public static BufferedImage of(ChannelGates gates, String caption) {
    List<FeatureMap> shown = gates.shown();
    int columns = Math.max(4, (shown.size() + 1) / 2);
    int width = columns * (TILE + MARGIN) + MARGIN;
    int bars = 140;
    int rows = shown.isEmpty() ? 0 : 2;
    List<String> lines = Lettering.inUse().wrapped(caption, width - 2 * MARGIN);
    int start = 16 + LINE * lines.size(); // of the bars
    Canvas canvas = new Canvas(width, start + 10 + bars + 34 + rows * (TILE + 44));
    canvas.lines(lines, MARGIN, 18, LINE);
    bars(canvas, gates, MARGIN + 40, start, width - 2 * MARGIN - 40, bars);
    for (int i = 0; i < shown.size(); i++) {
      int each = shown.size() / 2;
      int x = MARGIN + i % each * (TILE + MARGIN);
      int y = start + 10 + bars + 34 + i / each * (TILE + 44);
      FeatureMap map = shown.get(i);
      if (i % each == 0) {
        canvas.text(i == 0 ? "largest gates" : "smallest gates", x, y - 8);
      }
      canvas.map(map.map(), x, y, TILE, TILE);
      canvas.text("ch. " + map.channel() + ": " + number(map.gate()), x, y + TILE + 14, TILE);
    }
    return canvas.image();
  }

  private static void bars(
      Canvas canvas, ChannelGates gates, int left, int start, int width, int height) {
    float[] values = gates.values();
    int[] order = gates.order();
    double top = Math.max(1e-9, Math.max(0, values[order[0]]));
    double bottom = Math.min(0, values[order[order.length - 1]]);
    top = bottom == 0 && top <= 1 ? 1 : top; // gates are from 0 to 1
    int zero = start + (int) Math.round(height * top / (top - bottom));
    for (int column = 0; column < width; column++) {
      int channel = order[(int) ((long) column * order.length / width)];
      int y = start + (int) Math.round(height * (top - values[channel]) / (top - bottom));
      canvas.fill(left + column, Math.min(y, zero), 1, Math.abs(y - zero), BAR);
    }
    canvas.fill(left, zero, width, 1, GREY);
    canvas.text(number(top), MARGIN, start + 6);
    canvas.text(number(bottom), MARGIN, start + height);
    canvas.text(values.length + " channels, largest first", left, start + height + 18);
  }

  /**
   * Draws a line over the channels for each class, and a black one for their mean, as in figure 7
   * of the SE paper.
   *
   * @param lines {@code [classes][C]}
   * @param names the names of the classes
   * @param mean the mean over all classes, {@code [C]}
   */
  static BufferedImage of(List<float[]> lines, List<String> names, float[] mean, String caption) {
    int left = 54;
    int right = 670;
    int top = 34;
    int bottom = 290;
    Canvas canvas = new Canvas(right + 190, bottom + 30);
    canvas.text(caption, MARGIN, 18, canvas.width() - 2 * MARGIN);
    double least = 0;
    double most = 1;
    for (float[] line : lines) {
      Statistics statistics = Statistics.of(line);
      least = Math.min(least, statistics.minimum());
      most = Math.max(most, statistics.maximum());
    }
    for (int i = 0; i <= 4; i++) {
      int y = bottom - (bottom - top) * i / 4;
      canvas.fill(left, y, right - left, 1, RULE);
      canvas.text(number(least + (most - least) * i / 4), MARGIN, y + 4);
    }
    canvas.text("channel 0", left, bottom + 20);
    canvas.text(Integer.toString(mean.length - 1), right - 24, bottom + 20);
    for (int i = 0; i <= lines.size(); i++) {
      float[] values = i < lines.size() ? lines.get(i) : mean;
      Graphics2D pen = canvas.smooth(i < lines.size() ? LINES[i % LINES.length] : BLACK, 1.5);
      Path2D line = new Path2D.Double();
      for (int j = 0; j < values.length; j++) {
        double x = left + (double) (right - left) * j / Math.max(1, values.length - 1);
        double y = bottom - (bottom - top) * (values[j] - least) / (most - least);
        if (j == 0) {
          line.moveTo(x, y);
        } else {
          line.lineTo(x, y);
        }
      }
      pen.draw(line);
      int y = top + 10 + 20 * i;
      pen.draw(new Line2D.Double(right + 12, y - 4, right + 32, y - 4));
      String name = i < lines.size() ? names.get(i) : "all classes";
      canvas.text(name, right + 38, y, 190 - 38 - 4);
    }
    return canvas.image();
  }

  /**
   * Draws frames side by side, eight in a row, with a map over each: the attention that every
   * position receives, or what one position attends to, with arrows to the largest weights, as in
   * figure 3 of the non-local paper.
   *
   * @param clip the T square frames
   * @param labels the labels of the T frames
   * @param grid the grid of the values
   * @param values {@code [grid.size()]}
   * @param cell the cell of the position that attends, or null
   */
  static BufferedImage clip(
      Image clip, List<String> labels, Grid grid, float[] values, Cell cell, String caption) {
    int frames = labels.size();
    int side = clip.height();
    int factor = Math.max(1, (FRAME + side - 1) / side);
    int tile = side * factor;
    int columns = Math.min(frames, FRAMES_IN_A_ROW);
    int rows = (frames + columns - 1) / columns;
    Canvas canvas =
        new Canvas(columns * (tile + FRAME_GAP) - FRAME_GAP, rows * (tile + FRAME_LABEL));
    double[] range = Plane.of(1, values.length, values).range();
    int plane = grid.height() * grid.width();
    for (int t = 0; t < frames; t++) {
      int from = grid.time(t, frames) * plane;
      Plane map =
          Plane.of(grid.height(), grid.width(), Arrays.copyOfRange(values, from, from + plane));
      int[] corner = corner(t, columns, tile);
      canvas.image(clip, t, factor, corner[0], corner[1]);
      canvas.over(map, range, corner[0], corner[1], tile, tile, Drawing::opacity);
      canvas.text(labels.get(t), corner[0] + 2, corner[1] + tile + 14, tile - 2);
    }
    if (cell != null) {
      arrows(canvas, columns, tile, frames, grid, values, cell);
    }
    return withLegend(canvas, range, caption);
  }

  /** A cell of a frame: its centre and sides as fractions of the frame. */
  record Cell(int frame, double x, double y, double width, double height) {}

  /** The upper left corner of a frame. */
  private static int[] corner(int frame, int columns, int tile) {
    return new int[] {frame % columns * (tile + FRAME_GAP), frame / columns * (tile + FRAME_LABEL)};
  }

  private static void arrows(
      Canvas canvas, int columns, int tile, int frames, Grid grid, float[] values, Cell cell) {
    int[] corner = corner(cell.frame(), columns, tile);
    int fromX = corner[0] + (int) (cell.x() * tile);
    int fromY = corner[1] + (int) (cell.y() * tile);
    int plane = grid.height() * grid.width();
    for (int position : strongest(new Row(0, 0, 0, values))) {
      int[] there = corner(grid.frame(position / plane, frames), columns, tile);
      int row = position % plane / grid.width();
      int column = position % grid.width();
      double toX = there[0] + (column + 0.5) / grid.width() * tile;
      double toY = there[1] + (row + 0.5) / grid.height() * tile;
      Path2D arrow = arrow(fromX, fromY, toX, toY);
      canvas.smooth(BLACK, 3.5).draw(arrow);
      canvas.smooth(WHITE, 1.5).draw(arrow);
    }
    int width = Math.max(8, (int) (cell.width() * tile));
    int height = Math.max(8, (int) (cell.height() * tile));
    for (int i : new int[] {-2, 1, -1, 0}) { // black outside and inside, white between
      canvas.border(
          fromX - width / 2 + i,
          fromY - height / 2 + i,
          width - 2 * i,
          height - 2 * i,
          i == -2 || i == 1 ? BLACK : WHITE);
    }
  }

  private static Path2D arrow(double fromX, double fromY, double toX, double toY) {
    Path2D arrow = new Path2D.Double();
    arrow.moveTo(fromX, fromY);
    arrow.lineTo(toX, toY);
    double length = Math.hypot(toX - fromX, toY - fromY);
    double turn = Math.atan2(toY - fromY, toX - fromX);
    for (double side : new double[] {0.45, -0.45}) {
      double tip = Math.min(ARROW_TIP, length);
      arrow.moveTo(toX, toY);
      arrow.lineTo(toX - tip * Math.cos(turn + side), toY - tip * Math.sin(turn + side));
    }
    return arrow;
  }

  /** The positions with the largest weights, at most eight. */
  static int[] strongest(Row row) {
    int[] highest = row.highest(ARROWS);
    float most = row.values()[highest[0]];
    return Arrays.stream(highest).filter(i -> row.values()[i] >= MUCH * most).toArray();
  }

  /** Returns a frame of a clip. */
  static BufferedImage frame(Image clip, int t) {
    Canvas canvas = new Canvas(clip.width(), clip.height());
    canvas.image(clip, t, 1, 0, 0);
    return canvas.image();
  }

  /**
   * Scales an image down for a page, to at most {@code side} pixels on its longer side; each pixel
   * is the mean of those that it replaces.
   */
  static BufferedImage preview(Image picture, int side) {
    int longest = Math.max(picture.height(), picture.width());
    if (longest <= side) {
      Canvas canvas = new Canvas(picture.width(), picture.height());
      canvas.image(picture, 0, 1, 0, 0);
      return canvas.image();
    }
    double scale = (double) side / longest;
    int columns = Math.max(1, (int) Math.round(picture.width() * scale));
    int rows = Math.max(1, (int) Math.round(picture.height() * scale));
    Canvas canvas = new Canvas(columns, rows);
    for (int y = 0; y < rows; y++) {
      for (int x = 0; x < columns; x++) {
        canvas.set(x, y, mean(picture, x, y, columns, rows));
      }
    }
    return canvas.image();
  }

  /** The mean colour of the pixels that a pixel of a smaller picture replaces. */
  private static int mean(Image picture, int x, int y, int columns, int rows) {
    int left = x * picture.width() / columns;
    int right = Math.max(left + 1, (x + 1) * picture.width() / columns);
    int top = y * picture.height() / rows;
    int bottom = Math.max(top + 1, (y + 1) * picture.height() / rows);
    int area = picture.height() * picture.width();
    int count = (right - left) * (bottom - top);
    int colour = 0;
    for (int channel = 0; channel < 3; channel++) {
      int plane = picture.channels() == 1 ? 0 : channel * area;
      long sum = 0;
      for (int row = top; row < bottom; row++) {
        for (int column = left; column < right; column++) {
          sum += Byte.toUnsignedInt(picture.pixels()[plane + row * picture.width() + column]);
        }
      }
      colour = colour << 8 | (int) ((sum + count / 2) / count);
    }
    return colour;
  }

  private static BufferedImage withLegend(Canvas picture, double[] range, String caption) {
    int width = Math.max(picture.width(), LEAST_SIDE);
    List<String> lines = Lettering.inUse().wrapped(caption, width - 8);
    Canvas canvas = new Canvas(width, picture.height() + LEGEND + LINE * lines.size());
    canvas.paste(picture);
    int ramp = Math.min(160, width - 2 * LABEL);
    int y = picture.height() + 8;
    for (int i = 0; i < ramp; i++) {
      canvas.fill(LABEL + i, y, 1, 10, Viridis.of(i / (ramp - 1.0)));
    }
    canvas.border(LABEL, y, ramp, 10, GREY);
    canvas.text(number(range[0]), 4, y + 9);
    canvas.text(number(range[1]), LABEL + 6 + ramp, y + 9);
    canvas.lines(lines, 4, y + 30, LINE);
    return canvas.image();
  }

  /** Formats a number with three digits. */
  public static String number(double value) {
    double size = Math.abs(value);
    if (size == 0) {
      return "0";
    }
    if (size < 0.001 || size >= 100_000) {
      return String.format(Locale.ROOT, "%.1e", value);
    }
    return String.format(Locale.ROOT, size < 0.01 ? "%.4f" : size < 1 ? "%.3f" : "%.2f", value);
  }
}
