package io.fovea.models;

import io.fovea.attention.Attention;
import io.fovea.models.weights.StateDict;
import io.fovea.nn.Component;
import io.fovea.nn.Fusing;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.tensor.internal.ChannelsLast;
import io.fovea.tensor.internal.EvaluationMode;
import io.fovea.tensor.internal.Macs;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The base class of all networks, whatever their task.
 *
 * <p>In evaluation mode a network is thread-safe: several threads may compute with it, each in a
 * scope of its own. Training, loading of weights and changes of modes belong to one thread, while
 * no other one uses the network.
 */
public abstract class Network extends Component {
  private final int channels;
  private final int frames;
  private Map<String, Attention> attentions = Map.of();
  private volatile Precision precision = Precision.FLOAT32;

  /** Creates an image network. */
  Network(String name, int channels) {
    this(name, channels, 0);
  }

  /**
   * Creates a network.
   *
   * @param frames the number of frames of the clips, or 0 for images
   */
  Network(String name, int channels, int frames) {
    super(name);
    this.channels = channels;
    this.frames = frames;
  }

  /**
   * Computes the unnormalised scores for a batch of images or clips: {@code [B, classes]}, or for
   * each pixel {@code [B, classes, H, W]}. The result is differentiable.
   *
   * @param images {@code [B, C, H, W]} or clips {@code [B, C, T, H, W]}, normalised as in training
   * @throws IllegalArgumentException if the shape does not fit
   */
  public abstract Tensor scores(Tensor images);

  /** Runs a forward pass and discards the scores, for counting, observing or timing. */
  public final void forwardOnly(Tensor images) {
    scores(images).close();
  }

  /** Writes what {@link #scores} computes in evaluation mode as ONNX operators. */
  abstract Value nodes(Graph graph, Value x);

  /** Writes the network into a graph; {@code Onnx} writes the file. */
  public final Value write(Graph graph, Value x) {
    return graph.in(this, () -> nodes(graph, x));
  }

  /** The number of classes. */
  public abstract int classes();

  /**
   * Whether its scores are {@code [B, classes, H, W]}, those of each pixel, and not {@code [B,
   * classes]}.
   */
  public boolean scoresPixels() {
    return false;
  }

  /** The {@link #stageOf} of what follows the backbone: a classifier, or the head. */
  public static final int HEAD = Integer.MAX_VALUE;

  /**
   * The stage of the backbone to which a parameter belongs.
   *
   * @param parameter the name of a parameter or buffer
   * @return 0 for the stem, the number of the stage, a larger number for what else is in the
   *     backbone, {@link #HEAD} for what follows it
   */
  public abstract int stageOf(String parameter);

  /** The number of stages of the backbone. */
  public abstract int stages();

  /**
   * The state of the network's own random generator (dropout), so that an interrupted training can
   * go on; 0 if it has none. Networks that use libtorch's generator have none.
   */
  public long randomState() {
    return 0;
  }

  /** Sets the state of the network's own random generator to one that {@link #randomState} gave. */
  public void setRandomState(long state) {
    // most networks have no generator of their own
  }

  /**
   * Runs {@code body} in evaluation mode, and then restores the mode of the network and of each of
   * its parts, such as batch norms that keep their running statistics.
   *
   * @return what the body returned
   */
  public final <T> T inEvaluationMode(Supplier<T> body) {
    return EvaluationMode.in(this, body);
  }

  /** Adds the convolutions that are followed by a batch norm, except those of attention modules. */
  abstract void fuse(Fusing fusing);

  /**
   * Sets the precision of convolutions and batch norms for training and inference; default {@link
   * Precision#FLOAT32}.
   */
  public final void setPrecision(Precision precision) {
    this.precision = Objects.requireNonNull(precision, "precision");
  }

  /** The precision of convolutions and batch norms. */
  public final Precision precision() {
    return precision;
  }

  /**
   * Converts images to the type of the convolutions, and to the fastest memory order unless an
   * observer is active, so that observed values have the same bits whatever is observed.
   */
  final Tensor prepared(Tensor x) {
    Tensor y =
        precision == Precision.BF16 && x.scalar_type().intern() == ScalarType.Float
            ? x.to(ScalarType.BFloat16)
            : x;
    return Classifier.isObserved() || Attention.isObserved() ? y : ChannelsLast.where(y);
  }

  /**
   * Fuses the network for fast inference.
   *
   * @return the fused network with the current weights; the caller must close it
   * @throws IllegalStateException if the network is in training mode
   */
  public final FusedNetwork fuse() {
    return new FusedNetwork(this);
  }

  /**
   * The mean over all positions, {@code [B, C, spatial...] -> [B, C]}. For bfloat16 it is float32,
   * in which classifiers compute.
   */
  static Tensor averaged(Tensor x) {
    Tensor positions = x.flatten(2, -1);
    return x.scalar_type().intern() == ScalarType.BFloat16
        ? positions.mean(new long[] {2}, false, new ScalarTypeOptional(ScalarType.Float))
        : positions.mean(2);
  }

  /** Refuses tensors that are not images or clips for this network. */
  final void check(Tensor x) {
    String expected =
        frames > 0
            ? "expected clips [B, " + channels + ", T, H, W]"
            : "expected images [B, " + channels + ", H, W]";
    if (x == null || x.isNull() || !x.defined()) {
      throw new IllegalArgumentException(expected + ", got none");
    }
    long[] shape = x.shape();
    if (shape.length != (frames > 0 ? 5 : 4)
        || shape[1] != channels
        || Arrays.stream(shape).min().orElseThrow() < 1) {
      throw new IllegalArgumentException(
          expected + " with sides of at least 1, got " + Arrays.toString(shape));
    }
  }

  /** Refuses a tensor that is not one image for this network. */
  public final void requireOne(Tensor image) {
    check(image);
    if (image.size(0) != 1) {
      throw new IllegalArgumentException(
          "expected one image, [1, " + channels + ", H, W], got " + Arrays.toString(image.shape()));
    }
  }

  /** Sets the attention modules. It is called once, when the network is built. */
  final void attentions(Map<String, Attention> made) {
    attentions = Collections.unmodifiableMap(made);
  }

  /** The number of channels of its images: 1 for greyscale, 3 for RGB. */
  public final int channels() {
    return channels;
  }

  /**
   * The number of frames T of its clips, or 0 for images. Clips of other lengths are accepted, too.
   */
  public final int frames() {
    return frames;
  }

  /** The attention modules by the names of their places, in their order of computation. */
  public final Map<String, Attention> attentions() {
    return attentions;
  }

  /**
   * The parts whose gates and maps explanations show, by the names of their places: the attention modules
   * with their specs, and parts of a head with the name of the head.
   */
  public Map<String, String> attending() {
    Map<String, String> parts = new LinkedHashMap<>();
    attentions.forEach((name, attention) -> parts.put(name, attention.spec().toString()));
    return parts;
  }

  /**
   * What the network chose for attention options that were not given and whose defaults do not suit the
   * place: the options as text, such as {@code groups=4}, by the names of {@link #attentions}.
   */
  public final Map<String, String> chosen() {
    Map<String, String> chosen = new LinkedHashMap<>();
    attentions.forEach(
        (name, attention) -> {
          String options =
              attention.spec().chosen().entrySet().stream()
                  .map(option -> option.getKey() + "=" + option.getValue())
                  .collect(Collectors.joining(","));
          if (!options.isEmpty()) {
            chosen.put(name, options);
          }
        });
    return chosen;
  }

  /**
   * {@link #chosen} in one line, in which neighbours with equal options are together: {@code groups=4
   * (layer1.0.sge to layer1.2.sge), groups=8 (layer2.0.sge)}; empty if nothing was chosen.
   */
  public final String chosenText() {
    StringBuilder text = new StringBuilder();
    String options = "";
    String first = "";
    String last = "";
    Map<String, String> all = chosen();
    for (String name : attentions.keySet()) {
      String own = all.getOrDefault(name, "");
      if (!own.equals(options)) {
        append(text, options, first, last);
        first = name;
        options = own;
      }
      last = name;
    }
    append(text, options, first, last);
    return text.toString();
  }

  private static void append(StringBuilder text, String options, String first, String last) {
    if (!options.isEmpty()) {
      text.append(text.isEmpty() ? "" : ", ").append(options).append(" (").append(first);
      text.append(first.equals(last) ? "" : " to " + last).append(")");
    }
  }

  /** The number of trained values. */
  public final long parameterCount() {
    try (PointerScope scope = new PointerScope()) {
      return StateDict.parameters(this).values().stream().mapToLong(Tensor::numel).sum();
    }
  }

  /**
   * The multiply-accumulates for one image or clip, counted in a forward pass; see {@link Macs} for
   * what is counted.
   *
   * @param size the height and width of the image in pixels; for a clip the number of frames,
   *     height and width
   */
  public final long macs(int... size) {
    return inEvaluationMode(
        () -> {
          try (PointerScope scope = new PointerScope();
              NoGradGuard guard = new NoGradGuard()) {
            IntStream shape = IntStream.concat(IntStream.of(1, channels), IntStream.of(size));
            Tensor image =
                torch.zeros(shape.asLongStream().toArray()).to(parameters().get(0).scalar_type());
            return Macs.count(() -> forwardOnly(image));
          }
        });
  }
}
