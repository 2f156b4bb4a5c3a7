package io.fovea.explain;

import static org.bytedeco.opencv.global.opencv_core.CV_32FC1;
import static org.bytedeco.opencv.global.opencv_core.CV_8UC1;
import static org.bytedeco.opencv.global.opencv_core.CV_8UC3;
import static org.bytedeco.opencv.global.opencv_core.addWeighted;
import static org.bytedeco.opencv.global.opencv_core.merge;
import static org.bytedeco.opencv.global.opencv_imgcodecs.imencode;
import static org.bytedeco.opencv.global.opencv_imgproc.COLORMAP_VIRIDIS;
import static org.bytedeco.opencv.global.opencv_imgproc.FONT_HERSHEY_SIMPLEX;
import static org.bytedeco.opencv.global.opencv_imgproc.INTER_AREA;
import static org.bytedeco.opencv.global.opencv_imgproc.INTER_LINEAR;
import static org.bytedeco.opencv.global.opencv_imgproc.INTER_NEAREST;
import static org.bytedeco.opencv.global.opencv_imgproc.LINE_AA;
import static org.bytedeco.opencv.global.opencv_imgproc.applyColorMap;
import static org.bytedeco.opencv.global.opencv_imgproc.arrowedLine;
import static org.bytedeco.opencv.global.opencv_imgproc.blendLinear;
import static org.bytedeco.opencv.global.opencv_imgproc.circle;
import static org.bytedeco.opencv.global.opencv_imgproc.line;
import static org.bytedeco.opencv.global.opencv_imgproc.putText;
import static org.bytedeco.opencv.global.opencv_imgproc.rectangle;
import static org.bytedeco.opencv.global.opencv_imgproc.resize;

import io.fovea.data.Image;
import io.fovea.explain.Explanation.ChannelGates;
import io.fovea.explain.Explanation.FeatureMap;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.opencv.opencv_core.Mat;
import org.bytedeco.opencv.opencv_core.MatVector;
import org.bytedeco.opencv.opencv_core.Point;
import org.bytedeco.opencv.opencv_core.Rect;
import org.bytedeco.opencv.opencv_core.Scalar;
import org.bytedeco.opencv.opencv_core.Size;

/**
 * PNGs of attention: maps in viridis, which grows lighter evenly, with a legend that has the values. Text
 * is drawn by OpenCV, which needs no fonts on the machine.
 */
public final class Pictures {
  private static final int LEAST_SIDE = 224;
  private static final double OVER = 0.6;
  private static final int MARGIN = 10;
  private static final int LEGEND = 28;
  private static final int LINE = 18;
  private static final int LABEL = 68;
  private static final int TILE = 112;
  private static final double TEXT = 0.42;
  private static final int FRAME = 144;
  private static final int FRAMES_IN_A_ROW = 8;
  private static final int FRAME_GAP = 4;
  private static final int FRAME_LABEL = 22;
  private static final int ARROWS = 8;
  private static final double ARROW_TIP = 9;
  private static final double MUCH = 0.4; // of the highest

  private Pictures() {}

  /**
   * A map over the square of the image that the network saw; the image around it is dimmed. Images with
   * a side under 224 pixels are enlarged by a whole factor.
   *
   * @param values {@code [height * width]}
   * @param marked a point {@code x, y} of the image to mark, or null
   * @param caption lines of text below the legend
   */
  public static byte[] overlay(
      Image picture, int height, int width, float[] values, double[] marked, String caption) {
    try (PointerScope scope = new PointerScope()) {
      int factor = factor(picture);
      Mat image = image(picture, factor);
      double[] range = range(values);
      Mat colours = colours(height, width, values, range);
      int side = picture.side() * factor;
      Mat large = new Mat();
      resize(colours, large, new Size(side, side), 0, 0, INTER_LINEAR);
      Rect square = new Rect(picture.left() * factor, picture.top() * factor, side, side);
      Mat result = new Mat();
      Mat dark = new Mat(image.rows(), image.cols(), CV_8UC3, new Scalar(0, 0, 0, 0));
      addWeighted(image, 0.4, dark, 0.6, 0, result);
      Mat over = new Mat();
      addWeighted(image.apply(square), 1 - OVER, large, OVER, 0, over);
      over.copyTo(result.apply(square));
      if (marked != null) {
        mark(result, marked[0] * factor, marked[1] * factor);
      }
      return png(withLegend(result, range, caption));
    }
  }

  /**
   * A clip whose frames lie side by side, eight in a row, with a map over each: what one of its positions
   * draws from, with arrows to where it draws most from, as in figure 3 of the non-local paper, or how much
   * every position gives.
   *
   * @param pixels {@code [3, T, side, side]}, unsigned bytes
   * @param labels of the frames, T
   * @param grid of the values
   * @param values {@code [grid.size()]}
   * @param drawing the position that draws, as the frame and the centre and the sides of its cell in parts
   *     of the frame, or null
   */
  public static byte[] strip(
      byte[] pixels,
      int side,
      List<String> labels,
      VideoExplanation.Grid grid,
      float[] values,
      Cell drawing,
      String caption) {
    try (PointerScope scope = new PointerScope()) {
      int frames = labels.size();
      int tile = side * Math.max(1, (FRAME + side - 1) / side);
      int columns = Math.min(frames, FRAMES_IN_A_ROW);
      int rows = (frames + columns - 1) / columns;
      Mat canvas =
          new Mat(
              rows * (tile + FRAME_LABEL),
              columns * (tile + FRAME_GAP) - FRAME_GAP,
              CV_8UC3,
              new Scalar(255, 255, 255, 0));
      double[] range = range(values);
      int plane = grid.height() * grid.width();
      for (int t = 0; t < frames; t++) {
        int from = grid.time(t, frames) * plane;
        Mat colours =
            colours(
                grid.height(), grid.width(), Arrays.copyOfRange(values, from, from + plane), range);
        Mat map = new Mat();
        resize(colours, map, new Size(tile, tile), 0, 0, INTER_LINEAR);
        Mat frame = new Mat();
        resize(mat(pixels, t, frames, side), frame, new Size(tile, tile), 0, 0, INTER_NEAREST);
        int[] corner = corner(t, columns, tile);
        blended(frame, map, shares(grid, values, from, range, tile))
            .copyTo(canvas.apply(new Rect(corner[0], corner[1], tile, tile)));
        text(canvas, labels.get(t), corner[0] + 2, corner[1] + tile + 14);
      }
      if (drawing != null) {
        drawn(canvas, columns, tile, frames, grid, values, drawing);
      }
      return png(withLegend(canvas, range, caption));
    }
  }

  /** How much of the map is seen, 0 to 1: what is low is not to hide the frame. */
  private static Mat shares(
      VideoExplanation.Grid grid, float[] values, int from, double[] range, int tile) {
    double span = Math.max(range[1] - range[0], Double.MIN_NORMAL);
    float[] shares = new float[grid.height() * grid.width()];
    for (int i = 0; i < shares.length; i++) {
      shares[i] = (float) (OVER * (0.25 + 0.75 * (values[from + i] - range[0]) / span));
    }
    Mat large = new Mat();
    Mat small = new Mat(grid.height(), grid.width(), CV_32FC1, new FloatPointer(shares));
    resize(small, large, new Size(tile, tile), 0, 0, INTER_LINEAR);
    return large;
  }

  private static Mat blended(Mat frame, Mat map, Mat shares) {
    Mat rest = new Mat();
    shares.convertTo(rest, CV_32FC1, -1, 1);
    Mat result = new Mat();
    blendLinear(frame, map, rest, shares, result);
    return result;
  }

  /** A cell of a frame: its centre and its sides, in parts of the frame. */
  public record Cell(int frame, double x, double y, double width, double height) {}

  /** Where a frame's left upper corner is. */
  private static int[] corner(int frame, int columns, int tile) {
    return new int[] {frame % columns * (tile + FRAME_GAP), frame / columns * (tile + FRAME_LABEL)};
  }

  /** A frame of a clip {@code [3, T, side, side]}. */
  public static byte[] frame(byte[] pixels, int t, int frames, int side) {
    try (PointerScope scope = new PointerScope()) {
      return png(mat(pixels, t, frames, side));
    }
  }

  private static Mat mat(byte[] pixels, int t, int frames, int side) {
    int area = side * side;
    byte[] bgr = new byte[3 * area];
    for (int i = 0; i < area; i++) {
      for (int channel = 0; channel < 3; channel++) {
        bgr[3 * i + channel] = pixels[((2 - channel) * frames + t) * area + i];
      }
    }
    return new Mat(side, side, CV_8UC3, new BytePointer(bgr));
  }

  private static void drawn(
      Mat canvas,
      int columns,
      int tile,
      int frames,
      VideoExplanation.Grid grid,
      float[] values,
      Cell cell) {
    int[] corner = corner(cell.frame(), columns, tile);
    Point from =
        new Point(corner[0] + (int) (cell.x() * tile), corner[1] + (int) (cell.y() * tile));
    VideoExplanation.Row drawn = new VideoExplanation.Row(0, 0, 0, values);
    int plane = grid.height() * grid.width();
    for (int position : strongest(drawn)) {
      int[] there = corner(grid.frame(position / plane, frames), columns, tile);
      int row = position % plane / grid.width();
      int column = position % grid.width();
      Point to =
          new Point(
              there[0] + (int) ((column + 0.5) / grid.width() * tile),
              there[1] + (int) ((row + 0.5) / grid.height() * tile));
      double tip =
          ARROW_TIP / Math.max(ARROW_TIP, Math.hypot(to.x() - from.x(), to.y() - from.y()));
      arrowedLine(canvas, from, to, new Scalar(0, 0, 0, 0), 3, LINE_AA, 0, tip);
      arrowedLine(canvas, from, to, new Scalar(255, 255, 255, 0), 1, LINE_AA, 0, tip);
    }
    int width = Math.max(8, (int) (cell.width() * tile));
    int height = Math.max(8, (int) (cell.height() * tile));
    Rect square = new Rect(from.x() - width / 2, from.y() - height / 2, width, height);
    rectangle(canvas, square, new Scalar(0, 0, 0, 0), 4, 8, 0);
    rectangle(canvas, square, new Scalar(255, 255, 255, 0), 2, 8, 0);
  }

  /** Where a position draws most from, as far as it is much: at most eight. */
  static int[] strongest(VideoExplanation.Row row) {
    int[] highest = row.highest(ARROWS);
    float most = row.values()[highest[0]];
    return Arrays.stream(highest).filter(i -> row.values()[i] >= MUCH * most).toArray();
  }

  /** By how much a small image is enlarged. */
  private static int factor(Image picture) {
    return Math.max(1, (LEAST_SIDE + picture.side() - 1) / picture.side());
  }

  private static void mark(Mat image, double x, double y) {
    int radius = Math.max(4, Math.min(image.rows(), image.cols()) / 50);
    Point at = new Point((int) x, (int) y);
    circle(image, at, radius, new Scalar(0, 0, 0, 0), 3, LINE_AA, 0);
    circle(image, at, radius, new Scalar(255, 255, 255, 0), 1, LINE_AA, 0);
  }

  /** A map by itself, each value a square of whole pixels. */
  public static byte[] matrix(int height, int width, float[] values, String caption) {
    try (PointerScope scope = new PointerScope()) {
      double[] range = range(values);
      int factor = Math.max(1, 448 / Math.max(height, width));
      Mat large = new Mat();
      resize(
          colours(height, width, values, range),
          large,
          new Size(width * factor, height * factor),
          0,
          0,
          INTER_NEAREST);
      return png(withLegend(large, range, caption));
    }
  }

  /**
   * The gates of the channels as sorted bars; below, the most and the least open ones' feature maps.
   *
   * @param caption lines of text above
   */
  public static byte[] gates(ChannelGates gates, String caption) {
    try (PointerScope scope = new PointerScope()) {
      List<FeatureMap> shown = gates.shown();
      int columns = Math.max(4, (shown.size() + 1) / 2);
      int width = columns * (TILE + MARGIN) + MARGIN;
      int bars = 140;
      int rows = shown.isEmpty() ? 0 : 2;
      int start = 16 + LINE * (int) caption.lines().count(); // of the bars
      int height = start + 10 + bars + 34 + rows * (TILE + 44);
      Mat canvas = new Mat(height, width, CV_8UC3, new Scalar(255, 255, 255, 0));
      lines(canvas, caption, MARGIN, 18);
      float[] values = gates.values();
      int[] order = gates.order();
      double top = Math.max(1e-9, Math.max(0, values[order[0]]));
      double bottom = Math.min(0, values[order[order.length - 1]]);
      top = bottom == 0 && top <= 1 ? 1 : top; // gates are from 0 to 1
      int inner = width - 2 * MARGIN - 40;
      int left = MARGIN + 40;
      int zero = start + (int) Math.round(bars * top / (top - bottom));
      for (int column = 0; column < inner; column++) {
        int channel = order[(int) ((long) column * order.length / inner)];
        int y = start + (int) Math.round(bars * (top - values[channel]) / (top - bottom));
        line(
            canvas,
            new Point(left + column, zero),
            new Point(left + column, y),
            new Scalar(139, 104, 49, 0),
            1,
            8,
            0);
      }
      line(
          canvas,
          new Point(left, zero),
          new Point(left + inner, zero),
          new Scalar(120, 120, 120, 0),
          1,
          8,
          0);
      text(canvas, number(top), MARGIN, start + 6);
      text(canvas, number(bottom), MARGIN, start + bars);
      text(canvas, values.length + " channels, the most open first", left, start + bars + 18);
      for (int i = 0; i < shown.size(); i++) {
        int each = shown.size() / 2;
        int x = MARGIN + i % each * (TILE + MARGIN);
        int y = start + 10 + bars + 34 + i / each * (TILE + 44);
        FeatureMap map = shown.get(i);
        if (i % each == 0) {
          text(canvas, i == 0 ? "most open" : "least open", x, y - 8);
        }
        Mat tile = new Mat();
        float[] plane = map.map().values();
        resize(
            colours(map.map().height(), map.map().width(), plane, range(plane)),
            tile,
            new Size(TILE, TILE),
            0,
            0,
            INTER_NEAREST);
        tile.copyTo(canvas.apply(new Rect(x, y, TILE, TILE)));
        text(canvas, "ch. " + map.channel() + ": " + number(map.gate()), x, y + TILE + 14);
      }
      return png(canvas);
    }
  }

  /**
   * Lines over the channels, one for each class, and a black one for their mean: the SE paper's figure 7.
   *
   * @param lines {@code [classes][C]}
   * @param names of the classes
   */
  public static byte[] lines(
      List<float[]> lines, List<String> names, float[] mean, String caption) {
    try (PointerScope scope = new PointerScope()) {
      int width = 860;
      int height = 320;
      Mat canvas = new Mat(height, width, CV_8UC3, new Scalar(255, 255, 255, 0));
      text(canvas, caption, MARGIN, 18);
      int left = 54;
      int right = width - 190;
      int top = 34;
      int bottom = height - 30;
      double least = 0;
      double most = 1;
      for (float[] line : lines) {
        double[] range = range(line);
        least = Math.min(least, range[0]);
        most = Math.max(most, range[1]);
      }
      for (int i = 0; i <= 4; i++) {
        double value = least + (most - least) * i / 4;
        int y = bottom - (bottom - top) * i / 4;
        line(
            canvas, new Point(left, y), new Point(right, y), new Scalar(225, 225, 225, 0), 1, 8, 0);
        text(canvas, number(value), MARGIN, y + 4);
      }
      text(canvas, "channel 0", left, height - 10);
      text(canvas, Integer.toString(mean.length - 1), right - 24, height - 10);
      for (int i = 0; i <= lines.size(); i++) {
        float[] values = i < lines.size() ? lines.get(i) : mean;
        Scalar colour = i < lines.size() ? colour(i) : new Scalar(0, 0, 0, 0);
        for (int j = 1; j < values.length; j++) {
          int run = values.length - 1;
          line(
              canvas,
              new Point(
                  left + (right - left) * (j - 1) / run,
                  y(values[j - 1], least, most, top, bottom)),
              new Point(left + (right - left) * j / run, y(values[j], least, most, top, bottom)),
              colour,
              1,
              LINE_AA,
              0);
        }
        int y = top + 10 + 20 * i;
        line(canvas, new Point(right + 12, y - 4), new Point(right + 32, y - 4), colour, 2, 8, 0);
        text(canvas, i < lines.size() ? names.get(i) : "all classes", right + 38, y);
      }
      return png(canvas);
    }
  }

  private static int y(double value, double least, double most, int top, int bottom) {
    return bottom - (int) Math.round((bottom - top) * (value - least) / (most - least));
  }

  /** Okabe and Ito's colours, which the colour-blind can tell apart, as blue, green, red. */
  private static Scalar colour(int i) {
    double[][] colours = {
      {178, 114, 0}, {0, 94, 213}, {115, 158, 0}, {167, 121, 204}, {0, 159, 230}
    };
    double[] c = colours[i % colours.length];
    return new Scalar(c[0], c[1], c[2], 0);
  }

  /** A smaller picture for the page: at most {@code side} pixels on its longer side. */
  public static byte[] preview(Image picture, int side) {
    try (PointerScope scope = new PointerScope()) {
      Mat image = image(picture, 1);
      int longest = Math.max(image.rows(), image.cols());
      if (longest <= side) {
        return png(image);
      }
      Mat small = new Mat();
      double scale = (double) side / longest;
      int columns = Math.max(1, (int) Math.round(image.cols() * scale));
      int rows = Math.max(1, (int) Math.round(image.rows() * scale));
      resize(image, small, new Size(columns, rows), 0, 0, INTER_AREA);
      return png(small);
    }
  }

  private static Mat image(Image picture, int factor) {
    int area = picture.height() * picture.width();
    BytePointer values = new BytePointer(picture.pixels());
    Mat[] planes = new Mat[3];
    for (int i = 0; i < planes.length; i++) { // red comes first there, last here
      planes[2 - i] =
          new Mat(picture.height(), picture.width(), CV_8UC1, values.getPointer((long) i * area));
    }
    Mat bgr = new Mat();
    merge(new MatVector(planes), bgr);
    if (factor == 1) {
      return bgr;
    }
    Mat large = new Mat();
    resize(bgr, large, new Size(), factor, factor, INTER_NEAREST);
    return large;
  }

  private static Mat colours(int height, int width, float[] values, double[] range) {
    Mat floats = new Mat(height, width, CV_32FC1, new FloatPointer(values));
    Mat bytes = new Mat();
    double scale = range[1] > range[0] ? 255 / (range[1] - range[0]) : 0;
    floats.convertTo(bytes, CV_8UC1, scale, -range[0] * scale);
    Mat colours = new Mat();
    applyColorMap(bytes, colours, COLORMAP_VIRIDIS);
    return colours;
  }

  private static Mat withLegend(Mat picture, double[] range, String caption) {
    int width = Math.max(picture.cols(), LEAST_SIDE);
    int height = picture.rows() + LEGEND + LINE * (int) caption.lines().count();
    Mat canvas = new Mat(height, width, CV_8UC3, new Scalar(255, 255, 255, 0));
    picture.copyTo(canvas.apply(new Rect(0, 0, picture.cols(), picture.rows())));
    int ramp = Math.min(160, width - 2 * LABEL);
    float[] steps = new float[ramp];
    for (int i = 0; i < ramp; i++) {
      steps[i] = i;
    }
    Mat strip = new Mat();
    resize(
        colours(1, ramp, steps, new double[] {0, ramp - 1.0}),
        strip,
        new Size(ramp, 10),
        0,
        0,
        INTER_NEAREST);
    int y = picture.rows() + 8;
    text(canvas, number(range[0]), 4, y + 9);
    strip.copyTo(canvas.apply(new Rect(LABEL, y, ramp, 10)));
    rectangle(canvas, new Rect(LABEL, y, ramp, 10), new Scalar(120, 120, 120, 0), 1, 8, 0);
    text(canvas, number(range[1]), LABEL + 6 + ramp, y + 9);
    lines(canvas, caption, 4, y + 30);
    return canvas;
  }

  private static void lines(Mat canvas, String text, int x, int y) {
    int at = y;
    for (String line : text.lines().toList()) {
      text(canvas, line, x, at);
      at += LINE;
    }
  }

  /** The numbers that stand below a picture. */
  public static String numbers(Statistics statistics, boolean gates) {
    String entropy =
        Double.isNaN(statistics.entropy())
            ? "mean " + number(statistics.mean())
            : String.format(Locale.ROOT, "entropy %.3f", statistics.entropy());
    return gates
        ? entropy
            + (statistics.isFlat() ? ", all alike" : "")
            + "\n< 0.1: "
            + percent(statistics.under())
            + " %,  > 0.9: "
            + percent(statistics.over())
            + " %"
        : entropy;
  }

  private static void text(Mat canvas, String text, int x, int y) {
    putText(
        canvas,
        text.replaceAll("[^\\x20-\\x7e]", "?"),
        new Point(x, y),
        FONT_HERSHEY_SIMPLEX,
        TEXT,
        new Scalar(30, 30, 30, 0),
        1,
        LINE_AA,
        false);
  }

  /** Three digits. */
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

  private static double[] range(float[] values) {
    double[] range = {Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY};
    for (float value : values) {
      range[0] = Math.min(range[0], value);
      range[1] = Math.max(range[1], value);
    }
    return range;
  }

  private static byte[] png(Mat image) {
    BytePointer encoded = new BytePointer();
    if (!imencode(".png", image, encoded)) {
      throw new IllegalStateException("the picture cannot be encoded");
    }
    byte[] bytes = new byte[Math.toIntExact(encoded.limit())];
    encoded.get(bytes);
    return bytes;
  }

  private static String percent(double share) {
    return String.format(Locale.ROOT, "%.1f", 100 * share);
  }
}
