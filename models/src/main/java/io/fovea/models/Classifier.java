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
import io.fovea.tensor.internal.InitialValues;
import io.fovea.tensor.internal.Scopes;
import io.fovea.tensor.internal.ThreadValue;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;

/** A network that classifies images or video clips. */
public abstract class Classifier extends Network {
  private static final ThreadValue<BiConsumer<String, Tensor>> OBSERVER = new ThreadValue<>();
  private static final ThreadValue<Consumer<Tensor>> EMBEDDING = new ThreadValue<>();

  private final int classes;

  Classifier(Builder<?> b) {
    super(b.anatomy.backbone(), b.channels, b.frames);
    classes = b.classes;
  }

  /**
   * Creates a builder for a backbone.
   *
   * @param backbone one of {@link #backbones}, or a small residual network of any depth 6n+2
   * @throws IllegalArgumentException if the backbone is unknown; the message suggests the nearest
   *     one
   */
  public static Builder<?> builder(String backbone) {
    return Backbones.builder(backbone);
  }

  /** The names of the backbones. Small residual networks exist for further depths in steps of 6. */
  public static List<String> backbones() {
    return Backbones.names();
  }

  /** The names of video backbones; {@link ResNet#builder} describes further ones. */
  public static List<String> videoBackbones() {
    return Video.NAMES;
  }

  /** The names of video backbones that published weights may be of; these and {@link #videoBackbones()}. */
  public static List<String> publishedVideoBackbones() {
    return Video.PUBLISHED;
  }

  /** Computes the network. {@code x} has been checked, and a scope is open. */
  abstract Tensor classify(Tensor x);

  @Override
  public final Tensor scores(Tensor images) {
    return forward(images);
  }

  /** The smallest height and width of images; below it, nothing would be left of them. */
  int smallestSide() {
    return 1;
  }

  /** The mean over all positions, {@code [B, C, H, W] -> [B, C]}. */
  static Value averaged(Graph graph, Value x) {
    return graph.node("Flatten", graph.node("GlobalAveragePool", x));
  }

  /** A max pool with square windows; {@code ceil} is libtorch's {@code ceil_mode}. */
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
   * @throws SpecException if the images are so small that the network would leave nothing of them
   */
  public final Tensor forward(Tensor x) {
    check(x);
    long side = Math.min(x.size(-2), x.size(-1));
    if (side < smallestSide()) {
      throw new SpecException(
          name().getString()
              + ": images must be at least "
              + smallestSide()
              + " x "
              + smallestSide()
              + ", got "
              + x.size(-2)
              + " x "
              + x.size(-1));
    }
    return Scopes.compute(() -> classify(prepared(x)));
  }

  @Override
  public final int classes() {
    return classes;
  }

  /**
   * Runs {@code body} and calls {@code observer} for each block and stage of a network that
   * computes on this thread, with its name and output: {@code layer1.0}, {@code layer1}, {@code
   * inception3a}, {@code features.4}, ... The observer may read the output but not keep it.
   */
  public static <T> T observing(BiConsumer<String, Tensor> observer, Supplier<T> body) {
    return OBSERVER.during(observer, body);
  }

  /**
   * Runs {@code body} and passes on the embedding of each batch that a network computes on this
   * thread: what its classifier takes, {@code [B, features]}, the mean of the last feature map over
   * all positions. Nothing else is computed than without it, and the scores have the same bits.
   *
   * @param embedding receives the embeddings, which it may read but not keep
   * @return what the body returned
   */
  public static <T> T embedding(Consumer<Tensor> embedding, Supplier<T> body) {
    return EMBEDDING.during(embedding, body);
  }

  /** Passes on what the classifier takes, and returns it. */
  static Tensor embedded(Tensor features) {
    Consumer<Tensor> embedding = EMBEDDING.get();
    if (embedding != null) {
      embedding.accept(features);
    }
    return features;
  }

  /** Whether an observer is active on this thread. */
  static boolean isObserved() {
    return OBSERVER.get() != null;
  }

  /** Passes the output of a part to the observer and returns it. */
  static Tensor observed(String name, Tensor output) {
    BiConsumer<String, Tensor> observer = OBSERVER.get();
    if (observer != null) {
      observer.accept(name, output);
    }
    return output;
  }

  /** He's initialisation for convolutions before a ReLU (fan out), as in torchvision's networks. */
  static Convolution initialised(Convolution convolution) {
    Tensor weight = convolution.weight();
    if (InitialValues.areSkipped()) {
      return convolution;
    }
    double fanOut = (double) weight.numel() / weight.size(1);
    try (NoGradGuard guard = new NoGradGuard()) {
      weight.normal_(0, Math.sqrt(2 / fanOut), null);
    }
    return convolution;
  }

  /**
   * Builds networks.
   *
   * @param <B> the type of the builder
   */
  public abstract static class Builder<B extends Builder<B>> {
    private static final double WIDEST = 64;
    private static final int SMALL_SIDE = 32;

    public final BackboneTopology anatomy;
    int classes = 1000;
    int channels = 3;
    double width = 1;
    int frames;
    VideoForm videoForm = VideoForm.FOVEA;
    private List<PlacedAttention> attention = List.of();

    Builder(BackboneTopology anatomy) {
      this.anatomy = anatomy;
    }

    /** Returns this builder with its own type. */
    abstract B self();

    /**
     * Creates the network, initialised by libtorch's random generator ({@code torch.manual_seed}).
     *
     * @throws IllegalArgumentException if the attention cannot be placed: the network lacks the
     *     place or the stage, the same mechanism stands twice in one place, or a reduction exceeds
     *     the channels there
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
     * The number of frames T of the clips of a video network; default 8. From 32 frames, networks
     * of the ImageNet form halve the time dimension twice more at their start (table 1 of the
     * paper).
     *
     * @throws IllegalArgumentException if the network takes images
     */
    public final B frames(int frames) {
      if (this.frames == 0) {
        throw new IllegalArgumentException(anatomy.backbone() + " is for images and has no frames");
      }
      this.frames = positive("frames", frames);
      return self();
    }

    /**
     * Whose code a video network follows where codes differ; default Fovea's.
     *
     * @throws IllegalArgumentException if the network takes images
     */
    public final B videoForm(VideoForm form) {
      if (frames == 0) {
        throw new IllegalArgumentException(
            anatomy.backbone() + " is for images and has one form only");
      }
      videoForm = form;
      return self();
    }

    /**
     * Whether the stem of this video network steps by two frames.
     *
     * @param frames the number of frames of a clip
     * @param form whose code is followed
     */
    public final boolean isHalvedAtStart(int frames, VideoForm form) {
      return imageSize() > SMALL_SIDE
          && Video.of(anatomy.backbone()).stemStep(form, frames >= Video.LONG) > 1;
    }

    /** Whether this is a video network. */
    public final boolean isVideo() {
      return frames > 0;
    }

    /** The width multiplier of all stages; default 1. */
    public final B width(double width) {
      if (!(width > 0 && width <= WIDEST)) {
        throw new SpecException(
            "the width multiplier must be above 0 and at most 64, got " + width);
      }
      this.width = width;
      return self();
    }

    /** Adds attention at the place of its paper. Default: no attention. */
    public final B attention(AttentionSpec attention) {
      return attention(attention, Placement.paper());
    }

    /** Adds attention at its place. Further calls add further attention. */
    public final B attention(PlacedAttention attention) {
      return attention(attention.attention(), attention.placement());
    }

    /** Adds attention at a place. Further calls add further attention. */
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

    /** The name of the backbone. */
    public final String backbone() {
      return anatomy.backbone();
    }

    /** The usual side of the backbone's images in pixels: 32 for CIFAR, about 224 for ImageNet. */
    public final int imageSize() {
      return anatomy.imageSize();
    }

    /** The number of blocks of each stage. */
    public final List<Integer> blocks() {
      return anatomy.places().stream().map(List::size).toList();
    }

    /**
     * The names of the placements that the backbone has, in addition to {@code paper}, which all
     * have.
     */
    public final List<String> placements() {
      return anatomy.placements();
    }

    /** The attention of the published network, if it has any. */
    public final Optional<PlacedAttention> ownAttention() {
      return anatomy.own();
    }

    /** The channels of this width multiplier for the published number of channels. */
    int scaled(int channels) {
      return Math.max(1, (int) Math.round(channels * width));
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
