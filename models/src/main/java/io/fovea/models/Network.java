package io.fovea.models;

import io.fovea.attention.Attention;
import io.fovea.models.weights.StateDict;
import io.fovea.nn.Fusing;
import io.fovea.tensor.EvaluationMode;
import io.fovea.tensor.internal.ChannelsLast;
import io.fovea.tensor.internal.Macs;
import java.util.Arrays;
import java.util.Collections;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** What all networks have in common, whatever they make of images. */
public abstract class Network extends Module {
  private final int channels;
  private final int frames;
  private Map<String, Attention> attentions = Map.of();
  private volatile Precision precision = Precision.FLOAT32;

  /** A network for images. */
  Network(String name, int channels) {
    this(name, channels, 0);
  }

  /**
   * A network.
   *
   * @param frames of the clips it is made for, 0 for images
   */
  Network(String name, int channels, int frames) {
    super(name);
    this.channels = channels;
    this.frames = frames;
  }

  /**
   * What the network is for, of a batch of images (or clips): unnormalised scores of the classes, {@code
   * [B, classes]}, or of each pixel, {@code [B, classes, H, W]}. Differentiable.
   *
   * @param images {@code [B, C, H, W]} or clips {@code [B, C, T, H, W]}, normalised as in training
   * @throws IllegalArgumentException if the shape does not fit
   */
  public abstract Tensor scores(Tensor images);

  /** Computes for the sake of what is counted, observed or timed on the way; drops the scores. */
  public final void forwardOnly(Tensor images) {
    scores(images).close();
  }

  /** The number of classes it tells apart. */
  public abstract int classes();

  /**
   * Runs {@code body} in evaluation mode, and then puts the network and each of its parts back into the
   * mode that it was in: batch norms that keep their statistics go on to do so.
   *
   * @return what the body returned
   */
  public final <T> T inEvaluationMode(Supplier<T> body) {
    return EvaluationMode.in(this, body);
  }

  /** Adds the convolutions that have a batch norm behind them, but those of attention modules. */
  abstract void fuse(Fusing fusing);

  /**
   * Says what convolutions and batch norms compute in from now on, training and inference; default {@link
   * Precision#FLOAT32}.
   */
  public final void setPrecision(Precision precision) {
    this.precision = Objects.requireNonNull(precision, "precision");
  }

  /** What convolutions and batch norms compute in. */
  public final Precision precision() {
    return precision;
  }

  /**
   * Images in the type that convolutions compute in, and in the order that they are fastest in, unless
   * somebody observes: whoever does sees the same bits, whatever is observed.
   */
  final Tensor prepared(Tensor x) {
    Tensor y =
        precision == Precision.BF16 && x.scalar_type().intern() == ScalarType.Float
            ? x.to(ScalarType.BFloat16)
            : x;
    return Classifier.isObserved() || Attention.isObserved() ? y : ChannelsLast.where(y);
  }

  /**
   * Prepares fast inference.
   *
   * @return the network as it is now; to be closed
   * @throws IllegalStateException if it is in training mode
   */
  public final FusedNetwork fuse() {
    return new FusedNetwork(this);
  }

  /**
   * The mean over all positions, {@code [B, C, spatial...] -> [B, C]}; of bfloat16 in float32, which
   * classifiers compute in.
   */
  static Tensor averaged(Tensor x) {
    Tensor positions = x.flatten(2, -1);
    return x.scalar_type().intern() == ScalarType.BFloat16
        ? positions.mean(new long[] {2}, false, new ScalarTypeOptional(ScalarType.Float))
        : positions.mean(2);
  }

  /** Refuses what are no images, or clips, of this network. */
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

  /** Refuses what is not one image of this network. */
  public final void requireOne(Tensor image) {
    check(image);
    if (image.size(0) != 1) {
      throw new IllegalArgumentException(
          "expected one image, [1, " + channels + ", H, W], got " + Arrays.toString(image.shape()));
    }
  }

  /** Tells which attention modules there are; called once, when the network is built. */
  final void attentions(Map<String, Attention> made) {
    attentions = Collections.unmodifiableMap(made);
  }

  /** The channels of the images it takes: 1 for grey, 3 for RGB. */
  public final int channels() {
    return channels;
  }

  /**
   * The frames T of the clips that it is made for; 0 if it takes images. It takes clips of other lengths,
   * too.
   */
  public final int frames() {
    return frames;
  }

  /** The attention modules by the name of the place they stand in, in the order they compute. */
  public final Map<String, Attention> attentions() {
    return attentions;
  }

  /** The number of trained values. */
  public final long parameterCount() {
    try (PointerScope scope = new PointerScope()) {
      return StateDict.parameters(this).values().stream().mapToLong(Tensor::numel).sum();
    }
  }

  /**
   * The multiply-accumulates for one image (or clip), counted while one goes through; see {@link Macs} for what
   * counts.
   *
   * @param size of the image in pixels: height and width; of a clip: frames, height and width
   */
  public final long macs(int... size) {
    return inEvaluationMode(
        () -> {
          try (PointerScope scope = new PointerScope();
              NoGradGuard guard = new NoGradGuard()) {
            IntStream shape = IntStream.concat(IntStream.of(1, channels), IntStream.of(size));
            Tensor image = torch.zeros(shape.asLongStream().toArray());
            return Macs.count(() -> forwardOnly(image));
          }
        });
  }
}
