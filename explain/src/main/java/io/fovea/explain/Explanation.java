package io.fovea.explain;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionMaps;
import io.fovea.attention.AttentionSpec;
import io.fovea.models.Classifier;
import io.fovea.models.Network;
import io.fovea.tensor.internal.DidYouMean;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * What every attention module of a network does to one image: its gates, its maps, what its positions draw
 * from, with numbers that say how much there is to see.
 *
 * <pre>{@code
 * Explanation explanation = Explanation.of(network, image);
 * Explanation.Module cbam = explanation.module("layer3.0.cbam");
 * float[] gates = cbam.spatial().orElseThrow().values(); // [height * width]
 * }</pre>
 *
 * <p>Plain values, nothing native: it can be kept, passed on, and used by several threads. {@link GradCam},
 * which has the same for classes instead of attention modules, is part of it where it was asked for: the
 * network need not compute twice.
 *
 * @param scores of the classes, unnormalised
 * @param probabilities of the classes, their softmax
 * @param layers the network's blocks and stages in the order in which they compute
 * @param modules its attention modules in the order in which they compute; none for a network without
 * @param gradCams of the layers that it was asked for
 */
public record Explanation(
    float[] scores,
    float[] probabilities,
    List<Layer> layers,
    List<Module> modules,
    List<GradCam> gradCams) {
  private static final int CANDIDATES = 1024;
  private static final double IDLE = 0.01;
  private static final double EVEN = 0.99;

  /** Copies the lists. */
  public Explanation {
    layers = List.copyOf(layers);
    modules = List.copyOf(modules);
    gradCams = List.copyOf(gradCams);
  }

  /** The same, of its modules only these. */
  public Explanation with(List<Module> modules) {
    return new Explanation(scores, probabilities, layers, modules, gradCams);
  }

  /**
   * A block or stage of the network, which {@link GradCam} can be asked about.
   *
   * @param name as {@link Classifier#observing} has it
   * @param channels of its output
   * @param height of its output
   * @param width of its output
   */
  public record Layer(String name, int channels, int height, int width) {}

  /** What there is to see of a module. */
  public enum Kind {
    /** A gate for each channel. */
    CHANNEL,
    /** A gate for each position. */
    SPATIAL,
    /** What each position draws from. */
    AFFINITY,
    /** What each channel draws from. */
    CHANNEL_AFFINITY
  }

  /**
   * What one attention module does.
   *
   * @param name the place it stands in, as in {@link Network#attentions}
   * @param attention what it is
   * @param layer the name of the block or stage that it stands in, or stands behind
   * @param channels of its feature map
   * @param height of its feature map
   * @param width of its feature map
   * @param kinds what there is to see of it
   * @param scale the one factor that brings its input nearest to its output
   * @param change what is left of its output then, in parts of the output: the sine of the angle between
   *     input and output. 0 for a module that changes nothing, or everything by the same factor
   * @param channel its channel gates. BAM's are its two branches together, {@code σ(channel, spatial)},
   *     averaged over the positions; it multiplies by one more than that
   * @param spatial the gates of its positions; BAM's averaged over the channels
   * @param affinity what its positions draw from, if it was looked at closely
   * @param channelAffinity what its channels draw from, if it was looked at closely
   */
  public record Module(
      String name,
      AttentionSpec attention,
      String layer,
      int channels,
      int height,
      int width,
      Set<Kind> kinds,
      double scale,
      double change,
      Optional<ChannelGates> channel,
      Optional<Plane> spatial,
      Optional<Affinity> affinity,
      Optional<ChannelMatrix> channelAffinity) {

    /**
     * Whether it might as well not be there: less than a hundredth of its output is more than its input
     * times one factor, which the next layer's weights take up.
     */
    public boolean doesNothing() {
      return change < IDLE;
    }

    private Module in(String layer) {
      return new Module(
          name,
          attention,
          layer,
          channels,
          height,
          width,
          kinds,
          scale,
          change,
          channel,
          spatial,
          affinity,
          channelAffinity);
    }
  }

  /**
   * A gate for each channel.
   *
   * @param values the gates, {@code [C]}
   * @param statistics of the gates
   * @param shown the most open channels, then the least open, with the feature maps behind them; none if
   *     the module was not looked at closely
   */
  public record ChannelGates(float[] values, Statistics statistics, List<FeatureMap> shown) {
    /** The channels by their gates, the most open first. */
    public int[] order() {
      return IntStream.range(0, values.length)
          .boxed()
          .sorted(Comparator.comparing((Integer i) -> -values[i]))
          .mapToInt(i -> i)
          .toArray();
    }
  }

  /**
   * A channel and what goes through its gate.
   *
   * @param channel its number, from 0
   * @param gate its gate
   * @param map the module's input in this channel
   */
  public record FeatureMap(int channel, float gate, Plane map) {}

  /**
   * A value for each position.
   *
   * @param height in positions
   * @param width in positions
   * @param values {@code [height * width]}, row by row
   * @param statistics of the values
   */
  public record Plane(int height, int width, float[] values, Statistics statistics) {
    static Plane of(long height, long width, float[] values) {
      return new Plane((int) height, (int) width, values, Statistics.of(values));
    }
  }

  /**
   * What positions draw from.
   *
   * @param height the rows of the positions that draw
   * @param width their columns
   * @param rowEntropy the mean {@link Statistics#entropy} of what a position draws from: 1 where all draw
   *     from everywhere alike; NaN where shares can be negative
   * @param received how much the positions that are drawn from give, on average
   * @param rows of the positions that were asked for, or of the most telling: those that draw the least like
   *     the average, apart from each other
   * @param grid of positions all over the image, if it was asked for
   */
  public record Affinity(
      int height,
      int width,
      double rowEntropy,
      Plane received,
      List<Row> rows,
      Optional<Grid> grid) {
    /** Whether every position draws from all others alike: that is an average, no attention. */
    public boolean isEven() {
      return rowEntropy > EVEN;
    }
  }

  /**
   * What one position draws from.
   *
   * @param x its column
   * @param y its row
   * @param from its shares
   */
  public record Row(int x, int y, Plane from) {}

  /**
   * What many positions draw from: every {@code step}-th in both directions.
   *
   * @param step from one to the next, at least 1
   * @param height how many rows of positions
   * @param width how many columns of positions
   * @param values {@code [height * width][N']}, N' as in {@link Affinity#received}
   */
  public record Grid(int step, int height, int width, float[][] values) {}

  /**
   * What channels draw from.
   *
   * @param channels how many, C
   * @param values {@code [C * C]}; each row adds up to 1
   * @param statistics of all values
   * @param rowEntropy the mean {@link Statistics#entropy} of a row
   * @param itself how much a channel draws from itself, on average
   */
  public record ChannelMatrix(
      int channels, float[] values, Statistics statistics, double rowEntropy, double itself) {
    /** Whether every channel draws from all others alike. */
    public boolean isEven() {
      return rowEntropy > EVEN;
    }
  }

  /**
   * Explains a network on an image, with everything there is to see.
   *
   * @param network computes in evaluation mode, and is left as it was
   * @param image {@code [1, C, H, W]}, normalised as in training
   * @throws IllegalArgumentException if the image does not fit
   */
  public static Explanation of(Classifier network, Tensor image) {
    return builder(network).of(image);
  }

  /** Starts an explanation that is told what to look for. */
  public static Builder builder(Classifier network) {
    return new Builder(network);
  }

  /**
   * The module of a name.
   *
   * @throws IllegalArgumentException if there is none, with the nearest that is
   */
  public Module module(String name) {
    return modules.stream()
        .filter(module -> module.name().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                DidYouMean.unknown(
                    "attention module", name, modules.stream().map(Module::name).toList()));
  }

  /** The class that scored highest. */
  public int predicted() {
    return highest(scores);
  }

  private static int highest(float[] scores) {
    int best = 0;
    for (int i = 1; i < scores.length; i++) {
      best = scores[i] > scores[best] ? i : best;
    }
    return best;
  }

  /**
   * The last block before the feature map becomes smaller, of each size, in order: the stages, as far as
   * pictures of them differ in size.
   */
  public List<Layer> stages() {
    List<Layer> stages = new ArrayList<>();
    for (Layer layer : layers) {
      int last = stages.size() - 1;
      if (last >= 0
          && stages.get(last).height() == layer.height()
          && stages.get(last).width() == layer.width()) {
        stages.remove(last);
      }
      stages.add(layer);
    }
    return stages;
  }

  /** The one of the {@link #stages} that a module stands in, or behind. */
  public Layer stageOf(Module module) {
    List<String> names = layers.stream().map(Layer::name).toList();
    int place = names.indexOf(module.layer());
    return stages().stream()
        .filter(stage -> names.indexOf(stage.name()) >= place)
        .findFirst()
        .orElseThrow();
  }

  /** What an explanation can be told. */
  public static final class Builder {
    private final Classifier network;
    private Set<String> closely;
    private final List<double[]> points = new ArrayList<>();
    private int shown = 4;
    private int telling = 4;
    private int gridValues;
    private List<String> gradCams = List.of();
    private OptionalInt target = OptionalInt.empty();

    private Builder(Classifier network) {
      this.network = network;
    }

    /**
     * Which modules to look at closely: affinities, channel matrices and feature maps. Default: all.
     *
     * @param names as in {@link Network#attentions}
     * @throws IllegalArgumentException if there is no module of such a name, with the nearest that is
     */
    public Builder detail(Set<String> names) {
      for (String name : names) {
        if (!network.attentions().containsKey(name)) {
          throw DidYouMean.unknown(
              "attention module", name, List.copyOf(network.attentions().keySet()));
        }
      }
      closely = Set.copyOf(names);
      return this;
    }

    /**
     * Asks what a point of the image draws from; several calls ask for several. Default: the most telling
     * positions.
     *
     * @param x from 0, the left edge of the image, to below 1
     * @param y from 0, the upper edge, to below 1
     * @throws IllegalArgumentException if the point is outside
     */
    public Builder point(double x, double y) {
      if (!(x >= 0 && x < 1 && y >= 0 && y < 1)) {
        throw new IllegalArgumentException(
            "expected a point from 0 to below 1, got " + x + ", " + y);
      }
      points.add(new double[] {x, y});
      return this;
    }

    /** How many of the most and of the least open channels are shown with their feature maps, default 4. */
    public Builder featureMaps(int channels) {
      shown = Math.max(0, channels);
      return this;
    }

    /** How many of the most telling positions are shown where no point is asked for, default 4. */
    public Builder mostInformative(int positions) {
      telling = Math.max(0, positions);
      return this;
    }

    /**
     * Asks what positions all over the image draw from.
     *
     * @param values the most values of one module; positions are left out until that is kept. Default 0:
     *     none is asked for
     */
    public Builder grid(int values) {
      gridValues = Math.max(0, values);
      return this;
    }

    /**
     * Looks for a class in blocks or stages, too: {@link Explanation#gradCams}. Default: in none.
     *
     * @param layers as {@link Classifier#observing} names them
     */
    public Builder gradCam(List<String> layers) {
      gradCams = List.copyOf(layers);
      return this;
    }

    /**
     * The class that Grad-CAM looks for, from 0. Default: the one that scores highest.
     *
     * @throws IllegalArgumentException if there is no such class
     */
    public Builder target(int label) {
      GradCam.requireClass(network, label);
      target = OptionalInt.of(label);
      return this;
    }

    /**
     * Explains an image.
     *
     * @param image {@code [1, C, H, W]}, normalised as in training
     * @throws IllegalArgumentException if the image does not fit, or there is no layer for Grad-CAM of
     *     such a name
     */
    public Explanation of(Tensor image) {
      network.requireOne(image);
      IdentityHashMap<Attention, String> names = new IdentityHashMap<>();
      network.attentions().forEach((name, attention) -> names.put(attention, name));
      List<Layer> layers = new ArrayList<>();
      List<Module> modules = new ArrayList<>();
      List<Integer> after = new ArrayList<>();
      boolean training = network.is_training();
      if (training) {
        network.eval();
      }
      try (PointerScope scope = new PointerScope();
          NoGradGuard guard = new NoGradGuard()) {
        Optional<GradCam.Outputs> outputs =
            gradCams.isEmpty()
                ? Optional.empty()
                : Optional.of(new GradCam.Outputs(gradCams, scope));
        Tensor scores =
            Classifier.observing(
                (name, y) -> {
                  layers.add(new Layer(name, (int) y.size(1), (int) y.size(2), (int) y.size(3)));
                  outputs.ifPresent(one -> one.accept(name, y));
                },
                () ->
                    Attention.observing(
                        (attention, x, y) -> {
                          String name = names.get(attention);
                          if (name != null) { // not a part of another one
                            after.add(layers.size());
                            modules.add(look(name, attention, x, y));
                          }
                        },
                        () -> network.forward(image)));
        List<Module> placed = new ArrayList<>();
        for (int i = 0; i < modules.size(); i++) {
          placed.add(modules.get(i).in(layerOf(modules.get(i).name(), after.get(i), layers)));
        }
        float[] values = floats(scores);
        return new Explanation(
            values,
            floats(scores.softmax(1)),
            layers,
            placed,
            outputs.map(one -> one.of(scores, target.orElse(highest(values)))).orElse(List.of()));
      } finally {
        if (training) {
          network.train(true);
        }
      }
    }

    /** The innermost block whose name the module's begins with, or what computed before it. */
    private static String layerOf(String module, int after, List<Layer> layers) {
      for (int i = after; i < layers.size(); i++) {
        if (module.startsWith(layers.get(i).name() + ".")) {
          return layers.get(i).name();
        }
      }
      return layers.get(Math.max(0, after - 1)).name();
    }

    private Module look(String name, Attention attention, Tensor x, Tensor y) {
      boolean close = closely == null || closely.contains(name);
      try (PointerScope scope = new PointerScope();
          NoGradGuard guard = new NoGradGuard();
          AttentionMaps maps = attention.explain(x)) {
        Tensor channel = maps.channel().orElse(null);
        Tensor spatial = maps.spatial().orElse(null);
        if (attention.spec().mechanism().name().equals("bam")) {
          Tensor gates = bamGates(attention.spec(), channel, spatial, x);
          channel = channel == null ? null : gates.mean(2, 3);
          spatial = spatial == null ? null : gates.mean(1);
        }
        Set<Kind> kinds = new TreeSet<>();
        add(kinds, Kind.CHANNEL, channel != null);
        add(kinds, Kind.SPATIAL, spatial != null);
        add(kinds, Kind.AFFINITY, maps.hasAffinity());
        add(kinds, Kind.CHANNEL_AFFINITY, maps.channelAffinity().isPresent());
        double inputs = dot(x, x);
        double outputs = dot(y, y);
        double scale = inputs > 0 ? dot(x, y) / inputs : 1;
        double rest = Math.sqrt(square(y.sub(x.mul(new Scalar(scale)))));
        return new Module(
            name,
            attention.spec(),
            "",
            (int) x.size(1),
            (int) x.size(2),
            (int) x.size(3),
            Collections.unmodifiableSet(kinds),
            scale,
            outputs > 0 ? rest / Math.sqrt(outputs) : 0,
            Optional.ofNullable(channel).map(gates -> gates(floats(gates), x, close)),
            Optional.ofNullable(spatial).map(map -> Plane.of(x.size(2), x.size(3), floats(map))),
            maps.hasAffinity() && close ? Optional.of(affinity(maps)) : Optional.empty(),
            close ? maps.channelAffinity().map(Builder::matrix) : Optional.empty());
      }
    }

    private static void add(Set<Kind> kinds, Kind kind, boolean there) {
      if (there) {
        kinds.add(kind);
      }
    }

    private static double dot(Tensor a, Tensor b) {
      return a.mul(b).sum().item_double();
    }

    private static double square(Tensor a) {
      return dot(a, a);
    }

    /** What BAM's two branches come to, {@code [1, C, H, W]} in 0..1: its factor less one. */
    private static Tensor bamGates(AttentionSpec spec, Tensor channel, Tensor spatial, Tensor x) {
      Tensor wide = channel == null ? null : channel.unsqueeze(2).unsqueeze(3);
      Tensor both =
          wide == null
              ? spatial
              : spatial == null
                  ? wide
                  : "add".equals(spec.options().get("combine"))
                      ? wide.add(spatial)
                      : wide.mul(spatial);
      return both.sigmoid().expand_as(x);
    }

    private ChannelGates gates(float[] values, Tensor x, boolean close) {
      ChannelGates bare = new ChannelGates(values, Statistics.of(values), List.of());
      if (!close) {
        return bare;
      }
      int[] order = bare.order();
      int each = Math.min(shown, order.length / 2);
      List<FeatureMap> maps = new ArrayList<>();
      for (int i = 0; i < 2 * each; i++) {
        int channel = order[i < each ? i : order.length - 2 * each + i];
        Plane map = Plane.of(x.size(2), x.size(3), floats(x.select(1, channel)));
        maps.add(new FeatureMap(channel, values[channel], map));
      }
      return new ChannelGates(values, bare.statistics(), List.copyOf(maps));
    }

    private static ChannelMatrix matrix(Tensor matrix) {
      float[] values = floats(matrix);
      int channels = (int) matrix.size(1);
      double itself = 0;
      for (int i = 0; i < channels; i++) {
        itself += values[i * channels + i];
      }
      return new ChannelMatrix(
          channels,
          values,
          Statistics.of(values),
          meanEntropy(matrix.squeeze(0)),
          itself / channels);
    }

    private Affinity affinity(AttentionMaps maps) {
      long[] size = maps.querySize();
      long[] keys = maps.keySize();
      int height = (int) size[0];
      int width = (int) size[1];
      int step = 1;
      while (positions(height, step) * positions(width, step) > CANDIDATES) {
        step++;
      }
      Tensor received = maps.received();
      Tensor candidates = rows(maps, height, width, step);
      Plane mean = Plane.of(keys[0], keys[1], floats(received));
      List<Row> rows = new ArrayList<>();
      for (int position : chosen(candidates, received, height, width, step)) {
        float[] values = floats(maps.affinity(position));
        rows.add(new Row(position % width, position / width, Plane.of(keys[0], keys[1], values)));
      }
      return new Affinity(
          height,
          width,
          meanEntropy(candidates),
          mean,
          List.copyOf(rows),
          gridValues > 0
              ? Optional.of(grid(maps, height, width, candidates, step))
              : Optional.empty());
    }

    /** The mean of {@link Statistics#entropy} of rows {@code [P, N]}. */
    private static double meanEntropy(Tensor rows) {
      if (rows.min().item_double() < 0) {
        return Double.NaN;
      }
      Tensor sums = rows.sum(1L);
      Tensor entropies = torch.special_entr(rows).sum(1L).div(sums).add(sums.log());
      return entropies.mean().item_double() / Math.log((double) rows.size(1));
    }

    /** Of the candidates if they are as far apart as the grid's rows, else computed. */
    private Grid grid(
        AttentionMaps maps, int height, int width, Tensor candidates, int candidatesStep) {
      int keys = (int) candidates.size(1);
      int step = 1;
      while ((long) positions(height, step) * positions(width, step) * keys > gridValues
          && step < Math.max(height, width)) {
        step++;
      }
      float[] all = floats(step == candidatesStep ? candidates : rows(maps, height, width, step));
      float[][] rows = new float[all.length / keys][];
      for (int i = 0; i < rows.length; i++) {
        rows[i] = Arrays.copyOfRange(all, i * keys, (i + 1) * keys);
      }
      return new Grid(step, positions(height, step), positions(width, step), rows);
    }

    /** How many positions a side has, {@code step} apart. */
    private static int positions(int side, int step) {
      return (side + step - 1) / step;
    }

    /** {@code [positions, N']}. */
    private static Tensor rows(AttentionMaps maps, int height, int width, int step) {
      int columns = positions(width, step);
      long[] all = new long[positions(height, step) * columns];
      for (int i = 0; i < all.length; i++) {
        all[i] = (long) (i / columns) * step * width + (long) (i % columns) * step;
      }
      return maps.affinity(all).squeeze(0);
    }

    /** The positions that were asked for, or those that differ most from the mean, apart from each other. */
    private int[] chosen(Tensor candidates, Tensor mean, int height, int width, int step) {
      if (!points.isEmpty()) {
        return points.stream()
            .mapToInt(point -> ((int) (point[1] * height)) * width + (int) (point[0] * width))
            .toArray();
      }
      int columns = positions(width, step);
      double apart = Math.max(height, width) / 4.0;
      List<int[]> found = new ArrayList<>();
      float[] differences = floats(candidates.sub(mean).abs().sum(1L));
      List<Integer> byDifference =
          IntStream.range(0, differences.length)
              .boxed()
              .sorted(Comparator.comparing((Integer i) -> -differences[i]))
              .toList();
      for (int i : byDifference) {
        int x = i % columns * step;
        int y = i / columns * step;
        if (found.size() < telling
            && found.stream().allMatch(other -> Math.hypot(x - other[0], y - other[1]) >= apart)) {
          found.add(new int[] {x, y});
        }
      }
      return found.stream().mapToInt(place -> place[1] * width + place[0]).toArray();
    }
  }

  /** A tensor's values, row by row, as floats. */
  static float[] floats(Tensor tensor) {
    float[] values = new float[(int) tensor.numel()];
    tensor.to(ScalarType.Float).contiguous().<FloatBuffer>createBuffer().get(values);
    return values;
  }
}
