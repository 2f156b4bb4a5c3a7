package io.fovea.explain;

import io.fovea.attention.AttentionMaps;
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
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * Explains what every attention module of a network does to one image: its gates, its maps, what
 * its positions attend to, and statistics of these.
 *
 * <pre>{@code
 * Explanation explanation = Explanation.of(network, image);
 * Explanation.Module cbam = explanation.module("layer3.0.cbam");
 * float[] gates = cbam.spatial().orElseThrow().values(); // [height * width]
 * }</pre>
 *
 * <p>It holds plain values and no native memory, and is immutable and thread-safe. It includes
 * {@link GradCam}, which explains classes instead of attention modules, if that was requested, so
 * that the network need not compute twice.
 *
 * @param scores the unnormalised scores of the classes; for a network that scores pixels, their mean
 *     over the pixels
 * @param probabilities the probabilities of the classes, which are the softmax of the scores; for a
 *     network that scores pixels, the share of the pixels that each class has
 * @param layers the blocks and stages of the network in their order of computation
 * @param modules the attention modules in their order of computation; empty for a network without
 *     attention
 * @param gradCams Grad-CAM of the requested layers
 * @param scene the class and the uncertainty of each pixel, for a network that scores pixels
 */
public record Explanation(
    float[] scores,
    float[] probabilities,
    List<Layer> layers,
    List<Module> modules,
    List<GradCam> gradCams,
    Optional<Scene> scene) {
  /** Copies the lists. */
  public Explanation {
    layers = List.copyOf(layers);
    modules = List.copyOf(modules);
    gradCams = List.copyOf(gradCams);
  }

  /** Returns a copy with only these modules. */
  public Explanation with(List<Module> modules) {
    return new Explanation(scores, probabilities, layers, modules, gradCams, scene);
  }

  /**
   * A block or stage of the network, for which {@link GradCam} can be computed.
   *
   * @param name the name, as in {@link Classifier#observing}
   * @param channels the number of channels of its output
   * @param height the height of its output
   * @param width the width of its output
   */
  public record Layer(String name, int channels, int height, int width) {}

  /** The kinds of maps that a module has. */
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
   * The explanation of one attention module.
   *
   * @param name the name of its place, as in {@link Network#attending}
   * @param attention the spec of the module, or the name of the head that it is a part of
   * @param layer the name of the block or stage that contains it, or after which it stands
   * @param channels the number of channels of its feature map
   * @param height the height of its feature map
   * @param width the width of its feature map
   * @param kinds the kinds of maps that it has
   * @param effect the effect of the module
   * @param channel the applied factor of each channel; the mean over the positions if it differs
   *     between them, as for BAM
   * @param spatial the applied factor of each position; the mean over the channels if it differs
   *     between them, as for BAM
   * @param affinity what its positions attend to, if details were requested
   * @param channelAffinity what its channels attend to, if details were requested
   */
  public record Module(
      String name,
      String attention,
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
    /** The name of the mechanism, or of the head. */
    public String mechanism() {
      return attention.replaceFirst(":.*", "");
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
   * @param statistics the statistics of the gates
   * @param shown the largest, then the smallest, with their feature maps; empty if no details were
   *     requested
   */
  public record ChannelGates(float[] values, Statistics statistics, List<FeatureMap> shown) {
    /** The channels sorted by their gates, largest first. */
    public int[] order() {
      return IntStream.range(0, values.length)
          .boxed()
          .sorted(Comparator.comparing((Integer i) -> -values[i]))
          .mapToInt(i -> i)
          .toArray();
    }
  }

  /**
   * A channel with its gate and its feature map.
   *
   * @param channel the index of the channel, from 0
   * @param gate its gate
   * @param map the module's input in this channel
   */
  public record FeatureMap(int channel, float gate, Plane map) {}

  /**
   * What channels attend to.
   *
   * @param channels the number of channels C
   * @param values {@code [C * C]}; each row sums to 1
   * @param statistics the statistics of all values
   * @param rowEntropy the mean {@link Statistics#entropy} of a row
   * @param itself the weight with which a channel attends to itself, on average
   */
  public record ChannelMatrix(
      int channels, float[] values, Statistics statistics, double rowEntropy, double itself) {
    /** Whether every channel attends to all channels equally. */
    public boolean isEven() {
      return rowEntropy > Statistics.EVEN;
    }
  }

  /**
   * Explains a network on an image, with all details.
   *
   * @param network the network; it computes in evaluation mode, and its mode is restored
   * @param image {@code [1, C, H, W]}, normalised as in training
   * @throws IllegalArgumentException if the shape of the image is wrong
   */
  public static Explanation of(Network network, Tensor image) {
    return builder(network).of(image);
  }

  /** Creates a builder for an explanation. */
  public static Builder builder(Network network) {
    return new Builder(network);
  }

  /**
   * Returns a module by its name.
   *
   * @throws IllegalArgumentException if there is no such module; the message suggests the nearest
   *     name
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
   * Returns a module by its name, or the modules inside and after a block or stage.
   *
   * @param layer the name of a module or a layer
   */
  public List<Module> modulesIn(String layer) {
    List<Module> named = modules.stream().filter(module -> module.name().equals(layer)).toList();
    return named.isEmpty()
        ? modules.stream().filter(module -> (module.layer() + ".").startsWith(layer + ".")).toList()
        : named;
  }

  /** Sentences about modules without effect, and about uniform gates or attention. */
  public List<String> remarks() {
    return modules.stream().flatMap(module -> Sentences.of(module).stream()).toList();
  }

  /** The class with the highest score; of pixels, the one that most of them have. */
  public int predicted() {
    return highest(scene.isPresent() ? probabilities : scores);
  }

  private static int highest(float[] scores) {
    int best = 0;
    for (int i = 1; i < scores.length; i++) {
      best = scores[i] > scores[best] ? i : best;
    }
    return best;
  }

  /** The stages: for each size of the feature map, the last block with this size, in order. */
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

  /** The stage from {@link #stages} that contains a module, or after which it stands. */
  public Layer stageOf(Module module) {
    List<String> names = layers.stream().map(Layer::name).toList();
    int place = names.indexOf(module.layer());
    return stages().stream()
        .filter(stage -> names.indexOf(stage.name()) >= place)
        .findFirst()
        .orElseThrow();
  }

  /** Builds explanations. */
  public static final class Builder {
    private final Network network;
    private Set<String> closely;
    private final List<Affinity.Point> points = new ArrayList<>();
    private int shown = 4;
    private int telling = 4;
    private int gridValues;
    private List<String> gradCams = List.of();
    private OptionalInt target = OptionalInt.empty();
    private Region region;

    private Builder(Network network) {
      this.network = network;
    }

    /**
     * Sets the modules for which details are computed: affinities, channel matrices and feature
     * maps. Default: all.
     *
     * @param names the names, as in {@link Network#attending}
     * @throws IllegalArgumentException if a module does not exist; the message suggests the nearest
     *     name
     */
    public Builder detail(Set<String> names) {
      for (String name : names) {
        if (!network.attending().containsKey(name)) {
          throw DidYouMean.unknown(
              "attention module", name, List.copyOf(network.attending().keySet()));
        }
      }
      closely = Set.copyOf(names);
      return this;
    }

    /**
     * Requests the attention of the position at a point of the image. Further calls add further
     * points. Default: the positions whose attention differs most from the average.
     *
     * @param x the horizontal coordinate, from 0 (left edge) to below 1
     * @param y the vertical coordinate, from 0 (upper edge) to below 1
     * @throws IllegalArgumentException if the point is outside
     */
    public Builder point(double x, double y) {
      points.add(new Affinity.Point(0, x, y));
      return this;
    }

    /**
     * The number of largest and of smallest channel gates that are shown with their feature maps;
     * default 4.
     */
    public Builder featureMaps(int channels) {
      shown = Math.max(0, channels);
      return this;
    }

    /** The number of positions that are chosen if no point is given; default 4. */
    public Builder mostInformative(int positions) {
      telling = Math.max(0, positions);
      return this;
    }

    /**
     * Requests the attention of a grid of positions: {@link Affinity#every}.
     *
     * @param values the largest number of values per module, which determines the spacing of the
     *     grid. Default: 0, no grid
     */
    public Builder grid(int values) {
      gridValues = Math.max(0, values);
      return this;
    }

    /**
     * Requests Grad-CAM of blocks or stages: {@link Explanation#gradCams}. Default: none.
     *
     * @param layers the names, as in {@link Classifier#observing}
     */
    public Builder gradCam(List<String> layers) {
      gradCams = List.copyOf(layers);
      return this;
    }

    /**
     * Sets the class for Grad-CAM, from 0. Default: the class with the highest score, or of pixels
     * the one that most of them have.
     *
     * @throws IllegalArgumentException if there is no such class
     */
    public Builder target(int label) {
      GradCam.requireClass(network, label);
      target = OptionalInt.of(label);
      return this;
    }

    /**
     * Sets the pixels whose scores Grad-CAM explains, for a network that scores pixels. Default: the
     * pixels that get the class, or all if none does.
     *
     * @throws IllegalArgumentException if the network does not score pixels
     */
    public Builder region(Region region) {
      if (!network.scoresPixels()) {
        throw new IllegalArgumentException("only networks that score pixels take a region");
      }
      this.region = region;
      return this;
    }

    /**
     * Explains an image.
     *
     * @param image {@code [1, C, H, W]}, normalised as in training
     * @throws IllegalArgumentException if the shape of the image is wrong, or a layer for Grad-CAM
     *     does not exist
     */
    public Explanation of(Tensor image) {
      network.requireOne(image);
      if (region != null) {
        region.requireInside((int) image.size(2), (int) image.size(3));
      }
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
                        () -> network.scores(image)));
        List<Module> placed = new ArrayList<>();
        for (int i = 0; i < modules.size(); i++) {
          placed.add(modules.get(i).in(layerOf(modules.get(i).name(), after.get(i), layers)));
        }
        boolean pixels = network.scoresPixels();
        Optional<Scene> scene = pixels ? Optional.of(Scene.of(scores)) : Optional.empty();
        float[] values = Values.of(pixels ? scores.detach().mean(2, 3) : scores);
        float[] probabilities =
            pixels ? scene.get().shares(network.classes()) : Values.of(scores.softmax(1));
        int label = target.orElse(highest(pixels ? probabilities : values));
        return new Explanation(
            values,
            probabilities,
            layers,
            placed,
            outputs.map(one -> one.of(() -> score(scores, label), label)).orElse(List.of()),
            scene);
      }
    }

    /** The score of a class that Grad-CAM explains, a single value. */
    private Tensor score(Tensor scores, int label) {
      Tensor own = scores.select(1, label);
      if (!network.scoresPixels()) {
        return own.sum();
      }
      if (region != null) {
        return region.of(own).sum();
      }
      Tensor labels = scores.detach().argmax(new LongOptional(1), false);
      Tensor chosen = labels.eq(new Scalar((long) label));
      return chosen.any().item_bool() ? own.mul(chosen).sum() : own.sum();
    }

    /**
     * The innermost block whose name is a prefix of the module's name, or the block that computed
     * before it.
     */
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

    /** Converts a tensor to a map with the size of the feature map. */
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
