package io.fovea.explain;

import io.fovea.attention.AttentionMaps;
import io.fovea.attention.AttentionSpec;
import io.fovea.attention.Mechanism.Shows;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * What the positions of a feature map attend to in one attention module, for an image or across the
 * frames of a clip.
 *
 * @param from the grid of the positions that attend
 * @param to the grid of the attended positions, which is smaller than {@code from} after
 *     subsampling
 * @param entropy the mean {@link Statistics#entropy} of a position's attention: 1 if every position
 *     attends to all positions equally; NaN if weights can be negative
 * @param received the attention that each position receives, on average, {@code [to.size()]}
 * @param rows the attention of the requested positions, or of those whose attention differs most
 *     from the average, sorted by this difference, at a distance from each other in the image
 * @param step the spacing of {@code every} in both directions
 * @param every the attention of a grid of positions, if requested: for each time, every {@code
 *     step}-th row and column beginning with the first, row by row
 */
public record Affinity(
    Grid from,
    Grid to,
    double entropy,
    float[] received,
    List<Row> rows,
    int step,
    List<Row> every) {
  private static final int MOST_CANDIDATES = 1024;
  private static final int ROWS_AT_ONCE = 256;
  private static final double APART = 0.25; // fraction of the image's sides

  /** Copies the lists. */
  public Affinity {
    rows = List.copyOf(rows);
    every = List.copyOf(every);
  }

  /**
   * Whether every position attends to all positions equally, which is an average and not attention.
   */
  public boolean isEven() {
    return entropy > Statistics.EVEN;
  }

  /** The mechanisms whose positions attend to others. */
  public static List<String> mechanisms() {
    return AttentionSpec.mechanisms().stream()
        .filter(name -> AttentionSpec.parse(name).mechanism().shows().contains(Shows.AFFINITY))
        .toList();
  }

  /** Says that nothing in a network, or in a part of it, has affinities. */
  public static String nothingAttends(String where) {
    return "in "
        + where
        + " no position attends to others; this needs one of "
        + String.join(", ", mechanisms());
  }

  /** A point of an image (frame 0) or a clip, with coordinates from 0 (left, top) to below 1. */
  public record Point(int frame, double x, double y) {
    /**
     * Checks that the point is inside.
     *
     * @throws IllegalArgumentException if it is outside, or the frame is negative
     */
    public Point {
      if (frame < 0 || !(x >= 0 && x < 1 && y >= 0 && y < 1)) {
        throw new IllegalArgumentException(
            "expected a point from 0 to below 1, got " + x + ", " + y);
      }
    }
  }

  /**
   * The requested parts of an affinity.
   *
   * @param points the points whose rows are requested; empty for the positions whose attention
   *     differs most from the average
   * @param frames the number of frames of the clip with the points; 1 for an image
   * @param telling the number of positions to choose
   * @param everyRows the largest number of rows of {@link Affinity#every}
   * @param everyValues the largest number of its values, or 0 if it is not requested
   */
  record Wanted(List<Point> points, int frames, int telling, int everyRows, int everyValues) {}

  static Affinity of(AttentionMaps maps, Wanted wanted) {
    Grid from = Grid.of(maps.querySize());
    Grid to = Grid.of(maps.keySize());
    try (PointerScope scope = new PointerScope()) {
      Tensor received = maps.received();
      Candidates candidates = Candidates.of(maps, from.every(from.step(MOST_CANDIDATES)), received);
      long[] chosen =
          wanted.points().isEmpty()
              ? candidates.telling(from, wanted.telling())
              : wanted.points().stream()
                  .mapToLong(point -> from.position(point, wanted.frames()))
                  .toArray();
      int step = from.step(Math.min(wanted.everyRows(), wanted.everyValues() / to.size()));
      return new Affinity(
          from,
          to,
          candidates.entropy(),
          Values.of(received),
          rows(maps, from, chosen),
          step,
          wanted.everyValues() > 0 ? rows(maps, from, from.every(step)) : List.of());
    }
  }

  private static List<Row> rows(AttentionMaps maps, Grid from, long[] positions) {
    List<Row> rows = new ArrayList<>();
    inBlocks(
        maps,
        positions,
        (block, affinity) -> {
          float[] values = Values.of(affinity);
          int length = values.length / block.length;
          for (int i = 0; i < block.length; i++) {
            int position = Math.toIntExact(block[i]);
            rows.add(
                new Row(
                    position / from.width() / from.height(),
                    position / from.width() % from.height(),
                    position % from.width(),
                    Arrays.copyOfRange(values, i * length, (i + 1) * length)));
          }
        });
    return rows;
  }

  /**
   * Processes rows {@code [P, N']} in parts, because all rows of a large clip would take too much
   * memory.
   */
  private static void inBlocks(
      AttentionMaps maps, long[] positions, BiConsumer<long[], Tensor> use) {
    for (int first = 0; first < positions.length; first += ROWS_AT_ONCE) {
      long[] block =
          Arrays.copyOfRange(positions, first, Math.min(positions.length, first + ROWS_AT_ONCE));
      try (PointerScope scope = new PointerScope()) {
        use.accept(block, maps.affinity(block).squeeze(0));
      }
    }
  }

  /**
   * The attention of a grid of positions.
   *
   * @param entropy the mean entropy of their attention
   * @param differences the difference of each position's attention from the average
   */
  private record Candidates(long[] positions, double entropy, List<Double> differences) {
    static Candidates of(AttentionMaps maps, long[] positions, Tensor received) {
      List<Double> differences = new ArrayList<>();
      double[] entropies = {0};
      inBlocks(
          maps,
          positions,
          (block, rows) -> {
            entropies[0] += meanEntropy(rows) * block.length;
            for (float difference : Values.of(rows.sub(received).abs().sum(1L))) {
              differences.add((double) difference);
            }
          });
      return new Candidates(positions, entropies[0] / positions.length, differences);
    }

    /**
     * The positions that differ most, at a distance from each other in the frame, because other
     * times show the same.
     */
    long[] telling(Grid grid, int count) {
      List<Long> found = new ArrayList<>();
      IntStream.range(0, positions.length)
          .boxed()
          .sorted(Comparator.comparing((Integer i) -> -differences.get(i)))
          .map(i -> positions[i])
          .filter(
              place ->
                  found.size() < count
                      && found.stream().allMatch(other -> distance(place, other, grid) >= APART))
          .forEachOrdered(found::add);
      return found.stream().mapToLong(place -> place).toArray();
    }

    private static double distance(long a, long b, Grid grid) {
      double rows = a / grid.width() % grid.height() - b / grid.width() % grid.height();
      double columns = a % grid.width() - b % grid.width();
      return Math.hypot(rows / grid.height(), columns / grid.width());
    }
  }

  /** The mean {@link Statistics#entropy} of rows {@code [P, N]}; NaN if a value is negative. */
  static double meanEntropy(Tensor rows) {
    if (rows.min().item_double() < 0) {
      return Double.NaN;
    }
    Tensor sums = rows.sum(1L);
    Tensor entropies = torch.special_entr(rows).sum(1L).div(sums).add(sums.log());
    return entropies.mean().item_double() / Math.log((double) rows.size(1));
  }
}
