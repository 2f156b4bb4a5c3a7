package io.fovea.explain;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionMaps;
import io.fovea.attention.AttentionSpec;
import io.fovea.data.BatchLoader;
import io.fovea.data.Image;
import io.fovea.data.Normalization;
import io.fovea.models.Classifier;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * What positions of a clip draw from, across all frames, in one attention module: figure 3 of the non-local
 * paper. Plain values, nothing native.
 *
 * @param layer where the module stands in the network
 * @param attention what it is
 * @param from the grid of the positions that draw
 * @param to the grid of those that are drawn from, smaller than {@code from} after subsampling
 * @param rows of the points that were asked for, or of the most telling positions, the most telling first:
 *     those that draw least like the average, apart from each other in the frame
 * @param step how far apart {@code every} is, in both directions of a frame
 * @param every of positions all over the clip, frame by frame and row by row; every time, and of each every
 *     {@code step}-th row and column from the first on
 * @param received {@code [to.size()]}: how much each position gives, on average
 * @param entropy the mean {@link Statistics#entropy} of {@code every}: 1 where all draw from everywhere
 *     alike; NaN where shares can be negative
 * @param change what is left of the module's output when the best multiple of its input is taken away, in
 *     parts of the output: 0 for a module that changes nothing
 */
public record VideoExplanation(
    String layer,
    AttentionSpec attention,
    Grid from,
    Grid to,
    List<Row> rows,
    int step,
    List<Row> every,
    float[] received,
    double entropy,
    double change) {
  private static final int ROWS_AT_ONCE = 256;
  private static final int MOST_ROWS = 1024;
  private static final int MOST_VALUES = 700_000; // a page holds them
  private static final int TELLING = 3;
  private static final double APART = 0.25; // of a frame's sides
  private static final double IDLE = 0.01;
  private static final double EVEN = 0.99;

  /** A point of a clip: a frame, and where in it, 0 (left, top) to below 1. */
  public record Point(int frame, double x, double y) {}

  /** Positions in time, height and width: a clip after the network's pooling. */
  public record Grid(int times, int height, int width) {
    /** How many. */
    public int size() {
      return times * height * width;
    }

    /** The time that stands for a frame of the clip; several frames may have the same. */
    public int time(int frame, int frames) {
      return (int) ((long) frame * times / frames);
    }

    /** The first frame that a time stands for. */
    public int frame(int time, int frames) {
      return (int) (((long) time * frames + times - 1) / times);
    }
  }

  /**
   * What one position draws from.
   *
   * @param t its time in {@link VideoExplanation#from}
   * @param y its row
   * @param x its column
   * @param values {@code [to.size()]}, {@code (t * height + y) * width + x}; they add up to 1 where the
   *     mechanism has a softmax
   */
  public record Row(int t, int y, int x, float[] values) {
    /** The positions with the highest values, the highest first. */
    public int[] highest(int count) {
      return IntStream.range(0, values.length)
          .boxed()
          .sorted(Comparator.comparingDouble((Integer i) -> values[i]).reversed())
          .limit(count)
          .mapToInt(Integer::intValue)
          .toArray();
    }
  }

  /** Whether every position draws from all others alike: that is an average, no attention. */
  public boolean isEven() {
    return every.stream().allMatch(row -> Statistics.of(row.values()).entropy() > EVEN);
  }

  /** Whether it might as well not be there: less than a hundredth of its output is more than a multiple of its input. */
  public boolean doesNothing() {
    return change < IDLE;
  }

  /**
   * Looks into a network.
   *
   * @param network in evaluation mode, for video
   * @param clip as in training
   * @param normalization as in training
   * @param points whose affinity is wanted; none for the most telling positions
   * @return one for each attention module that compares positions, in the order they compute
   * @throws IllegalArgumentException if the clip has another shape, or a point is not in it
   */
  public static List<VideoExplanation> of(
      Classifier network, Image clip, Normalization normalization, List<Point> points) {
    for (Point point : points) {
      if (point.frame() < 0
          || point.frame() >= clip.frames()
          || !(point.x() >= 0 && point.x() < 1 && point.y() >= 0 && point.y() < 1)) {
        throw new IllegalArgumentException(
            point
                + " is not in a clip of "
                + clip.frames()
                + " frames, whose sides go from 0 to 1");
      }
    }
    IdentityHashMap<Attention, String> names = new IdentityHashMap<>();
    network.attentions().forEach((name, attention) -> names.put(attention, name));
    List<VideoExplanation> all = new ArrayList<>();
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Tensor x = BatchLoader.toTensor(clip, normalization);
      Attention.observing(
          (attention, input) -> {
            String name = names.get(attention);
            if (name != null) { // not a part of another one
              try (PointerScope inner = new PointerScope();
                  AttentionMaps maps = attention.explain(input)) {
                if (maps.hasAffinity()) {
                  all.add(look(name, attention, input, maps, points, clip.frames()));
                }
              }
            }
          },
          () -> network.forward(x));
    }
    return all;
  }

  private static VideoExplanation look(
      String name,
      Attention attention,
      Tensor x,
      AttentionMaps maps,
      List<Point> points,
      int frames) {
    Grid from = grid(maps.querySize());
    Grid to = grid(maps.keySize());
    float[] received = floats(maps.received());
    int step = 1;
    while (count(from, step) > 1
        && (count(from, step) > MOST_ROWS || (long) count(from, step) * to.size() > MOST_VALUES)
        && step < Math.max(from.height(), from.width())) {
      step++;
    }
    List<int[]> places = new ArrayList<>();
    for (int t = 0; t < from.times(); t++) {
      for (int row = 0; row < from.height(); row += step) {
        for (int column = 0; column < from.width(); column += step) {
          places.add(new int[] {t, row, column});
        }
      }
    }
    List<Row> every = rows(maps, from, places);
    List<Row> rows =
        points.isEmpty()
            ? telling(every, received, from)
            : rows(
                maps,
                from,
                points.stream()
                    .map(
                        point ->
                            new int[] {
                              from.time(point.frame(), frames),
                              (int) (point.y() * from.height()),
                              (int) (point.x() * from.width())
                            })
                    .toList());
    double entropy =
        every.stream()
            .mapToDouble(row -> Statistics.of(row.values()).entropy())
            .average()
            .orElse(0);
    Tensor y = Attention.observing((inner, input) -> {}, () -> attention.forward(x));
    double inputs = dot(x, x);
    double outputs = dot(y, y);
    Tensor rest = y.sub(x.mul(new Scalar(inputs > 0 ? dot(x, y) / inputs : 1)));
    double change = outputs > 0 ? Math.sqrt(dot(rest, rest) / outputs) : 0;
    return new VideoExplanation(
        name, attention.spec(), from, to, rows, step, every, received, entropy, change);
  }

  private static Grid grid(long[] sizes) {
    return new Grid((int) sizes[0], (int) sizes[1], (int) sizes[2]);
  }

  private static int count(Grid grid, int step) {
    return grid.times() * ((grid.height() + step - 1) / step) * ((grid.width() + step - 1) / step);
  }

  private static List<Row> rows(AttentionMaps maps, Grid from, List<int[]> places) {
    List<Row> rows = new ArrayList<>();
    for (int first = 0; first < places.size(); first += ROWS_AT_ONCE) {
      List<int[]> block = places.subList(first, Math.min(places.size(), first + ROWS_AT_ONCE));
      try (PointerScope scope = new PointerScope()) {
        float[] values =
            floats(
                maps.affinity(
                    block.stream()
                        .mapToLong(p -> ((long) p[0] * from.height() + p[1]) * from.width() + p[2])
                        .toArray()));
        int length = values.length / block.size();
        for (int i = 0; i < block.size(); i++) {
          int[] place = block.get(i);
          rows.add(
              new Row(
                  place[0],
                  place[1],
                  place[2],
                  Arrays.copyOfRange(values, i * length, (i + 1) * length)));
        }
      }
    }
    return rows;
  }

  /** Those that differ most from the mean, apart from each other. */
  private static List<Row> telling(List<Row> rows, float[] mean, Grid grid) {
    List<Row> found = new ArrayList<>();
    rows.stream()
        .sorted(Comparator.comparingDouble((Row row) -> -difference(row.values(), mean)))
        .filter(
            row ->
                found.size() < TELLING
                    && found.stream().allMatch(other -> distance(row, other, grid) >= APART))
        .forEachOrdered(found::add);
    return List.copyOf(found);
  }

  private static double difference(float[] row, float[] mean) {
    double sum = 0;
    for (int i = 0; i < row.length; i++) {
      sum += Math.abs(row[i] - mean[i]);
    }
    return sum;
  }

  /** In the frame, whenever: where nothing moves, other times have the same to tell. */
  private static double distance(Row a, Row b, Grid grid) {
    return Math.hypot(
        (double) (a.y() - b.y()) / grid.height(), (double) (a.x() - b.x()) / grid.width());
  }

  private static double dot(Tensor a, Tensor b) {
    return a.mul(b).sum().item_double();
  }

  private static float[] floats(Tensor tensor) {
    float[] values = new float[(int) tensor.numel()];
    tensor.to(ScalarType.Float).contiguous().<FloatBuffer>createBuffer().get(values);
    return values;
  }
}
