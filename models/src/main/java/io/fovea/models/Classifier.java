package io.fovea.models;

import io.fovea.attention.Attention;
import io.fovea.attention.Layer;
import io.fovea.attention.Macs;
import io.fovea.attention.Scopes;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** A network that classifies images. */
public abstract class Classifier extends Module {
  private final int channels;
  private final int smallestSide;
  private final Map<String, Attention> attentions = new LinkedHashMap<>();

  Classifier(String name, int channels, int smallestSide) {
    super(name);
    this.channels = channels;
    this.smallestSide = smallestSide;
  }

  /** The network; {@code x} has been checked and a scope is open. */
  abstract Tensor classify(Tensor x);

  /**
   * Classifies a batch of images.
   *
   * @param x images {@code [B, C, H, W]}, normalised as in training
   * @return unnormalised scores {@code [B, classes]}, differentiable
   * @throws IllegalArgumentException if the shape does not fit
   */
  public final Tensor forward(Tensor x) {
    if (x == null || x.isNull() || !x.defined()) {
      throw new IllegalArgumentException("expected images [B, " + channels + ", H, W], got none");
    }
    long[] shape = x.shape();
    if (shape.length != 4
        || shape[0] < 1
        || shape[1] != channels
        || Math.min(shape[2], shape[3]) < smallestSide) {
      throw new IllegalArgumentException(
          "expected images [B, "
              + channels
              + ", H, W] with sides of at least "
              + smallestSide
              + ", got "
              + Arrays.toString(shape));
    }
    return Scopes.compute(() -> classify(x));
  }

  /** The channels of the images it takes: 1 for grey, 3 for RGB. */
  public final int channels() {
    return channels;
  }

  /** The attention modules by the name of the place they stand in, in the order they compute. */
  public final Map<String, Attention> attentions() {
    return Collections.unmodifiableMap(attentions);
  }

  /** The number of trained values. */
  public final long parameterCount() {
    try (PointerScope scope = new PointerScope()) {
      return State.parameters(this).values().stream().mapToLong(Tensor::numel).sum();
    }
  }

  /**
   * The multiply-accumulates for one image, counted while one goes through; see {@link Macs} for what
   * counts.
   *
   * @param height the image's height in pixels
   * @param width its width
   */
  public final long macs(int height, int width) {
    boolean training = is_training();
    eval();
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Tensor image = torch.zeros(1, channels, height, width);
      return Macs.count(() -> forward(image));
    } finally {
      train(training);
    }
  }

  final Attention place(String name, Attention attention) {
    attentions.put(name, attention);
    return attention;
  }

  /** He's initialisation for convolutions before a ReLU (fan out), as torchvision's networks have. */
  static Layer.Convolution initialised(Layer.Convolution convolution) {
    Tensor weight = convolution.weight();
    double fanOut = (double) weight.numel() / weight.size(1);
    try (NoGradGuard guard = new NoGradGuard()) {
      weight.normal_(0, Math.sqrt(2 / fanOut), null);
    }
    return convolution;
  }
}
