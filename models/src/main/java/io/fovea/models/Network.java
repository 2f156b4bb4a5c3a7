package io.fovea.models;

import io.fovea.attention.Attention;
import io.fovea.attention.Macs;
import java.util.Arrays;
import java.util.Collections;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** What all networks have in common, whatever they make of images. */
abstract class Network extends Module {
  private final int channels;
  private Map<String, Attention> attentions = Map.of();

  Network(String name, int channels) {
    super(name);
    this.channels = channels;
  }

  /** Computes for the sake of what is counted on the way. */
  abstract void pass(Tensor images);

  /** Refuses what are no images of this network. */
  final void check(Tensor x) {
    if (x == null || x.isNull() || !x.defined()) {
      throw new IllegalArgumentException("expected images [B, " + channels + ", H, W], got none");
    }
    long[] shape = x.shape();
    if (shape.length != 4
        || shape[0] < 1
        || shape[1] != channels
        || Math.min(shape[2], shape[3]) < 1) {
      throw new IllegalArgumentException(
          "expected images [B, "
              + channels
              + ", H, W] with sides of at least 1, got "
              + Arrays.toString(shape));
    }
  }

  /** Refuses what is not one image of this network. */
  final void requireOne(Tensor image) {
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

  /** The attention modules by the name of the place they stand in, in the order they compute. */
  public final Map<String, Attention> attentions() {
    return attentions;
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
      return Macs.count(() -> pass(image));
    } finally {
      train(training);
    }
  }
}
