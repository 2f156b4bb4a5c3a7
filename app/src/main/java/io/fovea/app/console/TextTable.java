package io.fovea.app.console;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * A table for the terminal. The first column is left-aligned, the others are right-aligned by
 * default.
 */
public final class TextTable {
  private final List<String[]> rows = new ArrayList<>();
  private final Set<Integer> left = new HashSet<>(List.of(0));

  public TextTable(String... head) {
    rows.add(head);
  }

  /** Makes columns left-aligned, given by their headings. */
  public void left(String... heads) {
    for (String head : heads) {
      left.add(List.of(rows.get(0)).indexOf(head));
    }
  }

  public void add(String... row) {
    rows.add(row);
  }

  @Override
  public String toString() {
    int[] widths = new int[rows.get(0).length];
    for (String[] row : rows) {
      Arrays.setAll(widths, i -> Math.max(widths[i], row[i].length()));
    }
    StringBuilder text = new StringBuilder();
    for (String[] row : rows) {
      StringBuilder line = new StringBuilder();
      for (int i = 0; i < row.length; i++) {
        String pad = " ".repeat(widths[i] - row[i].length());
        line.append(i == 0 ? "" : "   ").append(left.contains(i) ? row[i] + pad : pad + row[i]);
      }
      text.append(line.toString().stripTrailing()).append('\n');
    }
    return text.toString();
  }

  /** Formats 77,850 as 77.9 k, and 9,145,216 as 9.15 M. */
  public static String count(double value) {
    if (value < 1e3) {
      return String.format(Locale.ROOT, "%.0f", value);
    }
    if (value < 1e6) {
      return String.format(Locale.ROOT, "%.1f k", value / 1e3);
    }
    return value < 1e9
        ? String.format(Locale.ROOT, "%.2f M", value / 1e6)
        : String.format(Locale.ROOT, "%.2f G", value / 1e9);
  }

  public static String percent(double share) {
    return String.format(Locale.ROOT, "%.1f", 100 * share);
  }

  /** Formats a number with its sign. */
  public static String points(double share) {
    return String.format(Locale.ROOT, "%+.1f", 100 * share);
  }

  public static String milliseconds(double value) {
    return String.format(Locale.ROOT, value < 10 ? "%.2f ms" : "%.1f ms", value);
  }
}
