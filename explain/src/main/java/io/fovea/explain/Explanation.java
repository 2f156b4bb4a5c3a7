package io.fovea.explain;

import io.fovea.attention.AttentionMaps;
import io.fovea.attention.AttentionSpec;
import io.fovea.models.Classifier;
import io.fovea.models.Network;
import io.fovea.tensor.internal.DidYouMean;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;

/**
 * What every attention module of a network does to one image: its gates, its maps, what its positions
 * attend to, with numbers that say how much there is to see.
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
    /** What each position attends to. */
    AFFINITY,
    /** What each channel attends to. */
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
   * @param effect how much it does
   * @param channel the factor of each channel, as it is applied; its mean over the positions where these
   *     differ, as BAM's
   * @param spatial the factor of each position, as it is applied; its mean over the channels where these
   *     differ, as BAM's
   * @param affinity what its positions attend to, if it was looked at closely
   * @param channelAffinity what its channels attend to, if it was looked at closely
   */
  public record Module(
      String name,
      AttentionSpec attention,
      String layer,
      int channels,
      int height,
      int width,
      Set<Kind> kinds,
      Effect effect,
      Optional<ChannelGates> channel,
      Optional<Plane> spatial,
      Optional<Affinity> affinity,
      Optional<ChannelMatrix> channelAffinity) {

    private Module in(String layer) {
      return new Module(
          name,
          attention,
          layer,
          channels,
          height,
          width,
          kinds,
          effect,
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
   * @param shown the largest, then the smallest, with the feature maps behind them; none if
   *     the module was not looked at closely
   */
  public record ChannelGates(float[] values, Statistics statistics, List<FeatureMap> shown) {
    /** The channels by their gates, the largest first. */
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
   * What channels attend to.
   *
   * @param channels how many, C
   * @param values {@code [C * C]}; each row adds up to 1
   * @param statistics of all values
   * @param rowEntropy the mean {@link Statistics#entropy} of a row
   * @param itself how much a channel attends to itself, on average
   */
  public record ChannelMatrix(
      int channels, float[] values, Statistics statistics, double rowEntropy, double itself) {
    /** Whether every channel attends to all others equally. */
    public boolean isEven() {
      return rowEntropy > Statistics.EVEN;
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

  /**
   * The module of a name; or, of a block or stage, the modules in it and behind it.
   *
   * @param layer the name of a module or a layer
   */
  public List<Module> modulesIn(String layer) {
    List<Module> named = modules.stream().filter(module -> module.name().equals(layer)).toList();
    return named.isEmpty()
        ? modules.stream().filter(module -> (module.layer() + ".").startsWith(layer + ".")).toList()
        : named;
  }

  /** What is to be said in words: which modules have no effect, or gates or attention without a choice. */
  public List<String> remarks() {
    return modules.stream().flatMap(module -> Sentences.of(module).stream()).toList();
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
    private final List<Affinity.Point> points = new ArrayList<>();
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
     * Asks what a point of the image attends to; several calls ask for several. Default: the most telling
     * positions.
     *
     * @param x from 0, the left edge of the image, to below 1
     * @param y from 0, the upper edge, to below 1
     * @throws IllegalArgumentException if the point is outside
     */
    public Builder point(double x, double y) {
      points.add(new Affinity.Point(0, x, y));
      return this;
    }

    /** How many of the largest and of the smallest channel gates are shown with their feature maps, default 4. */
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
     * Asks what positions all over the image attend to: {@link Affinity#every}.
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
      List<Layer> layers = new ArrayList<>();
      List<Module> modules = new ArrayList<>();
      List<Integer> after = new ArrayList<>();
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
                    AttentionTrace.of(
                        network,
                        look -> {
                          after.add(layers.size());
                          modules.add(module(look));
                        },
                        () -> network.forward(image)));
        List<Module> placed = new ArrayList<>();
        for (int i = 0; i < modules.size(); i++) {
          placed.add(modules.get(i).in(layerOf(modules.get(i).name(), after.get(i), layers)));
        }
        float[] values = Values.of(scores);
        return new Explanation(
            values,
            Values.of(scores.softmax(1)),
            layers,
            placed,
            outputs.map(one -> one.of(scores, target.orElse(highest(values)))).orElse(List.of()));
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

    private Module module(AttentionTrace.Look look) {
      boolean close = closely == null || closely.contains(look.name());
      AttentionMaps maps = look.maps();
      Tensor x = look.x();
      Set<Kind> kinds = new TreeSet<>();
      add(kinds, Kind.CHANNEL, maps.channel().isPresent());
      add(kinds, Kind.SPATIAL, maps.spatial().isPresent());
      add(kinds, Kind.AFFINITY, maps.hasAffinity());
      add(kinds, Kind.CHANNEL_AFFINITY, maps.channelAffinity().isPresent());
      return new Module(
          look.name(),
          look.attention(),
          "",
          (int) x.size(1),
          (int) x.size(2),
          (int) x.size(3),
          Collections.unmodifiableSet(kinds),
          look.effect(),
          maps.channel().map(values -> gates(Values.of(values), x, close)),
          maps.spatial().map(values -> plane(x, values)),
          maps.hasAffinity() && close
              ? Optional.of(
                  Affinity.of(
                      maps, new Affinity.Wanted(points, 1, telling, Integer.MAX_VALUE, gridValues)))
              : Optional.empty(),
          close ? maps.channelAffinity().map(Builder::matrix) : Optional.empty());
    }

    /** A map of the size of a feature map. */
    private static Plane plane(Tensor x, Tensor values) {
      return Plane.of((int) x.size(2), (int) x.size(3), Values.of(values));
    }

    private static void add(Set<Kind> kinds, Kind kind, boolean there) {
      if (there) {
        kinds.add(kind);
      }
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
        Plane map = plane(x, x.select(1, channel));
        maps.add(new FeatureMap(channel, values[channel], map));
      }
      return new ChannelGates(values, bare.statistics(), List.copyOf(maps));
    }

    private static ChannelMatrix matrix(Tensor matrix) {
      float[] values = Values.of(matrix);
      int channels = (int) matrix.size(1);
      double itself = 0;
      for (int i = 0; i < channels; i++) {
        itself += values[i * channels + i];
      }
      return new ChannelMatrix(
          channels,
          values,
          Statistics.of(values),
          Affinity.meanEntropy(matrix.squeeze(0)),
          itself / channels);
    }
  }
}
