package io.fovea.models;

import io.fovea.attention.AttentionSpec;
import io.fovea.errors.SpecException;
import io.fovea.models.placement.AttentionInserter;
import io.fovea.models.placement.BackboneTopology;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.placement.Placement;
import io.fovea.nn.Convolution;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.tensor.Scopes;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;

/** A network that classifies images, or clips of video. */
public abstract class Classifier extends Network {
  private static final ThreadLocal<BiConsumer<String, Tensor>> OBSERVER = new ThreadLocal<>();

  private final int classes;

  Classifier(Builder<?> b) {
    super(b.anatomy.backbone(), b.channels, b.frames);
    classes = b.classes;
  }

  /**
   * Starts a network by its backbone's name.
   *
   * @param backbone one of {@link #backbones}, or a small residual network of any depth 6n+2
   * @throws IllegalArgumentException if there is no such backbone, with the nearest that is
   */
  public static Builder<?> builder(String backbone) {
    return switch (backbone) {
      case GoogLeNet.NAME -> GoogLeNet.builder();
      case MobileNetV3.LARGE, MobileNetV3.SMALL -> MobileNetV3.builder(backbone);
      default -> ResNet.builder(backbone);
    };
  }

  /** The names of the backbones; small residual networks go on in steps of 6. */
  public static List<String> backbones() {
    return Stream.of(
            ResNet.NAMES.stream(), Stream.of(GoogLeNet.NAME, MobileNetV3.LARGE, MobileNetV3.SMALL))
        .flatMap(names -> names)
        .toList();
  }

  /** The names of the networks for video; others are in {@link ResNet#builder}. */
  public static List<String> videoBackbones() {
    return Video.NAMES;
  }

  /** The network; {@code x} has been checked and a scope is open. */
  abstract Tensor classify(Tensor x);

  @Override
  public final Tensor scores(Tensor images) {
    return forward(images);
  }

  /** What {@link #classify} computes in evaluation mode, as ONNX operators. */
  abstract Value nodes(Graph graph, Value x);

  /** Writes the network into a graph; {@code Onnx} makes the file. */
  public final Value write(Graph graph, Value x) {
    return graph.in(this, () -> nodes(graph, x));
  }

  /** The mean over all positions, {@code [B, C, H, W] -> [B, C]}. */
  static Value averaged(Graph graph, Value x) {
    return graph.node("Flatten", graph.node("GlobalAveragePool", x));
  }

  /** A max pool of square windows; {@code ceil} as libtorch's {@code ceil_mode}. */
  static Value maxPooled(
      Graph graph, Value x, long kernel, long stride, long padding, boolean ceil) {
    return graph.node(
        "MaxPool",
        Map.of(
            "kernel_shape",
            new long[] {kernel, kernel},
            "strides",
            new long[] {stride, stride},
            "pads",
            new long[] {padding, padding, padding, padding},
            "ceil_mode",
            ceil ? 1 : 0),
        x);
  }

  /**
   * Classifies a batch of images, or of clips.
   *
   * @param x images {@code [B, C, H, W]}, or clips {@code [B, C, T, H, W]}, normalised as in training
   * @return unnormalised scores {@code [B, classes]}, differentiable
   * @throws IllegalArgumentException if the shape does not fit
   */
  public final Tensor forward(Tensor x) {
    check(x);
    return Scopes.compute(() -> classify(prepared(x)));
  }

  @Override
  public final int classes() {
    return classes;
  }

  /**
   * Runs {@code body}, and calls {@code observer} for each block and stage of a network that computes
   * meanwhile on this thread, with its name and output: {@code layer1.0}, {@code layer1}, {@code
   * inception3a}, {@code features.4}, ... The output is the observer's to read, not to keep.
   */
  public static <T> T observing(BiConsumer<String, Tensor> observer, Supplier<T> body) {
    BiConsumer<String, Tensor> outer = OBSERVER.get();
    OBSERVER.set(observer);
    try {
      return body.get();
    } finally {
      OBSERVER.set(outer);
    }
  }

  /** Whether anybody observes on this thread. */
  static boolean isObserved() {
    return OBSERVER.get() != null;
  }

  /** Hands a part's output to who observes, and on. */
  static Tensor observed(String name, Tensor output) {
    BiConsumer<String, Tensor> observer = OBSERVER.get();
    if (observer != null) {
      observer.accept(name, output);
    }
    return output;
  }

  /** He's initialisation for convolutions before a ReLU (fan out), as torchvision's networks have. */
  static Convolution initialised(Convolution convolution) {
    Tensor weight = convolution.weight();
    double fanOut = (double) weight.numel() / weight.size(1);
    try (NoGradGuard guard = new NoGradGuard()) {
      weight.normal_(0, Math.sqrt(2 / fanOut), null);
    }
    return convolution;
  }

  /**
   * What every network can be told.
   *
   * @param <B> the network's own builder
   */
  public abstract static class Builder<B extends Builder<B>> {
    private static final double WIDEST = 64;

    public final BackboneTopology anatomy;
    int classes = 1000;
    int channels = 3;
    double width = 1;
    int frames;
    private List<PlacedAttention> attention = List.of();

    Builder(BackboneTopology anatomy) {
      this.anatomy = anatomy;
    }

    /** This, as what it is. */
    abstract B self();

    /**
     * Makes the network, freshly initialised by libtorch's generator ({@code torch.manual_seed}).
     *
     * @throws IllegalArgumentException if the attention cannot be where it is wanted: a place or a stage
     *     that the network does not have, twice the same in one place, a reduction above the channels
     *     there
     */
    public abstract Classifier build();

    /** The number of classes, default 1000. */
    public final B classes(int classes) {
      this.classes = positive("classes", classes);
      return self();
    }

    /** The channels of the images, default 3. */
    public final B channels(int channels) {
      this.channels = positive("channels", channels);
      return self();
    }

    /**
     * The frames T of the clips, for a network for video: default 8. From 32 on, those of ImageNet's form
     * halve time twice more at their start (table 1 of the paper).
     *
     * @throws IllegalArgumentException if the network takes images
     */
    public final B frames(int frames) {
      if (this.frames == 0) {
        throw new IllegalArgumentException(anatomy.backbone() + " takes images, it has no frames");
      }
      this.frames = positive("frames", frames);
      return self();
    }

    /** Whether the network takes clips of video. */
    public final boolean isVideo() {
      return frames > 0;
    }

    /** What the channels of all stages are multiplied by, default 1. */
    public final B width(double width) {
      if (!(width > 0 && width <= WIDEST)) {
        throw new SpecException(
            "the width multiplier must be above 0 and at most 64, got " + width);
      }
      this.width = width;
      return self();
    }

    /** Adds attention where its paper puts it. Default: none. */
    public final B attention(AttentionSpec attention) {
      return attention(attention, Placement.paper());
    }

    /** Adds attention at a place; several calls put in several. */
    public final B attention(AttentionSpec attention, Placement placement) {
      List<PlacedAttention> more = new ArrayList<>(this.attention);
      more.add(new PlacedAttention(attention, placement));
      return attention(more);
    }

    /** Replaces all attention. */
    public final B attention(List<PlacedAttention> attention) {
      this.attention = List.copyOf(attention);
      return self();
    }

    /** The backbone's name. */
    public final String backbone() {
      return anatomy.backbone();
    }

    /** The side of the images that the backbone is made for, in pixels: 32 or 224. */
    public final int imageSize() {
      return anatomy.imageSize();
    }

    /** The number of blocks of each stage. */
    public final List<Integer> blocks() {
      return anatomy.places().stream().map(List::size).toList();
    }

    /** The names of the placements that the backbone has; all have {@code paper} besides. */
    public final List<String> placements() {
      return anatomy.placements();
    }

    /** The attention that the published network comes with, if it comes with some. */
    public final Optional<AttentionSpec> ownAttention() {
      return anatomy.own();
    }

    final AttentionInserter places() {
      return new AttentionInserter(anatomy, attention, frames > 0 ? 3 : 2);
    }

    private static int positive(String what, int value) {
      if (value < 1) {
        throw new IllegalArgumentException(what + " must be at least 1, got " + value);
      }
      return value;
    }
  }
}
