package io.fovea.benchmarks;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.ToDoubleFunction;

/**
 * Plots the curves of {@link Growth} as an SVG, with time above, memory below and a column for each
 * module.
 */
final class GrowthPlot {
  private static final int PANEL_WIDTH = 380;
  private static final int PANEL_HEIGHT = 260;
  private static final int LEFT = 70;
  private static final int TOP = 40;
  private static final int GAP = 60;
  private static final double LEAST_POSITIONS = 200;
  private static final double MOST_POSITIONS = 20_000;

  /** The quantity of a row of panels, and its range in powers of ten. */
  private record Quantity(String title, ToDoubleFunction<Growth.Point> of, int from, int to) {}

  private static final List<Quantity> QUANTITIES =
      List.of(
          new Quantity("milliseconds", point -> point.millis() == null ? 0 : point.millis(), -1, 4),
          new Quantity("MiB added to the peak", Growth.Point::mib, -1, 4));

  private GrowthPlot() {}

  static String svg(List<Growth.Point> points) {
    Set<String> modules = new LinkedHashSet<>();
    points.forEach(point -> modules.add(point.module()));
    int width = LEFT + modules.size() * (PANEL_WIDTH + GAP);
    int height = TOP + QUANTITIES.size() * (PANEL_HEIGHT + GAP) + 30;
    StringBuilder svg = new StringBuilder();
    svg.append(
        String.format(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\""
                + " font-size=\"12\" role=\"img\">%n"
                + "<title>Time and memory against the number of positions</title>%n"
                + "<rect width=\"%d\" height=\"%d\" fill=\"white\"/>%n",
            width, height, width, height));
    int column = 0;
    for (String module : modules) {
      int x = LEFT + column++ * (PANEL_WIDTH + GAP);
      text(svg, x + PANEL_WIDTH / 2, TOP - 16, "middle", module, " font-weight=\"bold\"");
      for (int row = 0; row < QUANTITIES.size(); row++) {
        int y = TOP + row * (PANEL_HEIGHT + GAP);
        panel(svg, x, y, QUANTITIES.get(row), module, points);
      }
    }
    legend(svg, height - 14);
    return svg.append("</svg>\n").toString();
  }

  private static void panel(
      StringBuilder svg, int x, int y, Quantity quantity, String module, List<Growth.Point> all) {
    svg.append(
        String.format(
            "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"none\" stroke=\"#888\"/>%n",
            x, y, PANEL_WIDTH, PANEL_HEIGHT));
    for (int power = quantity.from; power <= quantity.to; power++) {
      double at = y + vertical(quantity, Math.pow(10, power));
      line(svg, x, at, x + PANEL_WIDTH, at);
      text(svg, x - 6, at + 4, "end", label(power), "");
    }
    text(svg, x + 6, y + 16, "start", quantity.title, " fill=\"#555\"");
    for (int n = 256; n <= 16_384; n *= 4) {
      double at = x + horizontal(n);
      line(svg, at, y, at, y + PANEL_HEIGHT);
      text(svg, at, y + PANEL_HEIGHT + 16, "middle", String.format(Locale.ROOT, "%,d", n), "");
    }
    text(svg, x + PANEL_WIDTH / 2.0, y + PANEL_HEIGHT + 34, "middle", "positions N", "");
    for (String code : List.of("reference", "fovea")) {
      for (String mode : List.of("inference", "training")) {
        List<String> corners = new ArrayList<>();
        for (Growth.Point point : all) {
          if (point.curve().equals(module + "|" + code + "|" + mode) && point.millis() != null) {
            corners.add(
                String.format(
                    Locale.ROOT,
                    "%.1f,%.1f",
                    x + horizontal(point.positions()),
                    y + vertical(quantity, quantity.of.applyAsDouble(point))));
          }
        }
        curve(svg, code, mode, corners);
      }
    }
  }

  private static void curve(StringBuilder svg, String code, String mode, List<String> corners) {
    svg.append(
        String.format(
            "<polyline points=\"%s\" %s/>%n", String.join(" ", corners), style(code, mode)));
    for (String corner : corners) {
      int comma = corner.indexOf(',');
      svg.append(
          String.format(
              "<circle cx=\"%s\" cy=\"%s\" r=\"3\" fill=\"%s\"/>%n",
              corner.substring(0, comma), corner.substring(comma + 1), colour(code)));
    }
  }

  private static String colour(String code) {
    return code.equals("fovea") ? "#0b62a4" : "#c0392b";
  }

  private static String style(String code, String mode) {
    return "fill=\"none\" stroke=\""
        + colour(code)
        + "\" stroke-width=\"2\""
        + (mode.equals("training") ? " stroke-dasharray=\"6 4\"" : "");
  }

  private static void legend(StringBuilder svg, int y) {
    int x = LEFT;
    for (String code : List.of("fovea", "reference")) {
      for (String mode : List.of("inference", "training")) {
        svg.append(
            String.format(
                "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" %s/>%n",
                x, y - 4, x + 34, y - 4, style(code, mode)));
        text(svg, x + 42, y, "start", code + ", " + mode, "");
        x += 200;
      }
    }
  }

  private static double horizontal(double positions) {
    return PANEL_WIDTH
        * Math.log(positions / LEAST_POSITIONS)
        / Math.log(MOST_POSITIONS / LEAST_POSITIONS);
  }

  private static double vertical(Quantity quantity, double value) {
    double least = Math.pow(10, quantity.from);
    double power = Math.log10(Math.max(value, least)) - quantity.from;
    return PANEL_HEIGHT * (1 - power / (quantity.to - quantity.from));
  }

  private static String label(int power) {
    return power < 0 ? "0." + "0".repeat(-power - 1) + "1" : "1" + "0".repeat(power);
  }

  private static void line(StringBuilder svg, double x1, double y1, double x2, double y2) {
    svg.append(
        String.format(
            Locale.ROOT,
            "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>%n",
            x1,
            y1,
            x2,
            y2));
  }

  private static void text(
      StringBuilder svg, double x, double y, String anchor, String text, String more) {
    svg.append(
        String.format(
            Locale.ROOT,
            "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\"%s>%s</text>%n",
            x,
            y,
            anchor,
            more,
            text));
  }
}
