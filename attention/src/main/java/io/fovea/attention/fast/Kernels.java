package io.fovea.attention.fast;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;

/**
 * Mechanisms as code for the processor's vector units, each in few passes over an image while it is in
 * cache. One provider is looked for when the first module computes; without one, or where it does not
 * serve (other devices, types or layouts, maps of more than 2 GB), libtorch's operators compute the same
 * numbers.
 *
 * <p>The property {@code fovea.kernels} says {@code off} to leave it alone, or {@code require} to fail
 * where it is missing.
 *
 * <p>Implementations are called by several threads at once. Feature maps are float32 in native order,
 * without gaps, in the order of memory that their {@link Shape} says, and come with their bounds; nothing
 * outside of them is read or written.
 */
public interface Kernels {
  /** What computes, for people: {@code "Vector API, 16 floats at once"}. */
  String describe();

  /**
   * The provider that computes in this process.
   *
   * @throws IllegalArgumentException if {@code fovea.kernels} requires one and there is none, or says
   *     something else
   */
  static Optional<Kernels> inUse() {
    return KernelsInUse.get();
  }

  /** Why no provider computes and what would bring it; empty if one does. */
  static Optional<String> whyNot() {
    return KernelsInUse.whyNot();
  }

  /** The kernel of a kind, one of the interfaces here, if the provider has it. */
  <K> Optional<K> kernel(Class<K> kind);

  /** The kernel of a kind that computes in this process. */
  static <K> Optional<K> inUse(Class<K> kind) {
    Optional<Kernels> kernels = inUse();
    return kernels.isEmpty() ? Optional.empty() : kernels.get().kernel(kind);
  }

  /**
   * The shape of feature maps; for other dimensions than 2, everything is in the width.
   *
   * @param channelsLast whether they lie in memory as {@code [images, height, width, channels]}: all maps
   *     of a call do
   */
  record Shape(int images, int channels, int height, int width, boolean channelsLast) {
    /** Of maps that lie in memory as {@code [images, channels, height, width]}. */
    public Shape(int images, int channels, int height, int width) {
      this(images, channels, height, width, false);
    }

    /** The positions of an image. */
    public int positions() {
      return height * width;
    }
  }

  /**
   * Two layers that make the gates of channels.
   *
   * @param hidden the width between them
   * @param in {@code [hidden, channels]}
   * @param inBias {@code [hidden]}, zeros if there are none
   * @param out {@code [channels, hidden]}
   * @param outBias {@code [channels]}, zeros if there are none
   */
  record Perceptron(int hidden, float[] in, float[] inBias, float[] out, float[] outBias) {}

  /**
   * CBAM's parameters.
   *
   * @param kernel the side of the spatial convolution, odd
   * @param conv its weights, {@code [2, kernel, kernel]}: for the mean and for the maximum
   */
  record CbamWeights(Perceptron perceptron, int kernel, float[] conv) {}

  /** What a gradient needs of its forward pass; for the provider that made it. */
  interface Saved {}

  /** Gradients of a {@link Perceptron}, part by part in the same order and shape. */
  record PerceptronGradients(float[] in, float[] inBias, float[] out, float[] outBias) {}

  /** Gradients of {@link CbamWeights}. */
  record CbamGradients(PerceptronGradients perceptron, float[] conv) {}

  /**
   * A linear layer or a convolution, the batch norm behind it folded in.
   *
   * @param weights {@code [outputs, inputs]}, of a convolution {@code [outputs, inputs, kernel...]}
   * @param bias {@code [outputs]}, zeros if there are none
   */
  record Affine(float[] weights, float[] bias) {
    /** How many values, or maps, it makes. */
    public int outputs() {
      return bias.length;
    }
  }

  /**
   * BAM's parameters as evaluation mode uses them.
   *
   * @param channel the layers of the channel branch; there is a ReLU behind all but the last
   * @param reduce the 1x1 convolution that reduces the channels; a ReLU is behind it
   * @param dilated the 3x3 convolutions of the reduced maps, each with a ReLU behind it
   * @param dilation the distance between their points; zeros of that width are around the maps
   * @param last the 1x1 convolution to one map
   */
  record BamWeights(
      List<Affine> channel, Affine reduce, List<Affine> dilated, int dilation, Affine last) {}

  /**
   * Gradients of BAM's branches.
   *
   * @param channel {@code [images, channels]}
   * @param spatial {@code [images, positions]}
   */
  record BamGradients(float[] channel, float[] spatial) {}

  /** CBAM. */
  interface Cbam {
    /**
     * CBAM with mean and maximum in both gates, channels first: {@code y = s · c · x}, or as the end of a
     * residual block {@code y = relu(s · c · x + shortcut)}.
     *
     * @param shortcut a map of the same shape, or null
     * @param y where the output goes; with channels last, this may be {@code x}
     * @return what {@link #cbamGradient} needs
     */
    Saved cbam(Shape shape, CbamWeights weights, ByteBuffer x, ByteBuffer shortcut, ByteBuffer y);

    /**
     * The gradient of {@link #cbam}. Of equal maxima the first one gets it.
     *
     * @param y the output, or null if there was no shortcut
     * @param dy the gradient of the output
     * @param dx where that of the input goes
     * @param ofShortcut where that of the shortcut goes, or null if there was none
     * @return those of the parameters; the same bits in every call and for any number of threads
     */
    CbamGradients cbamGradient(
        Shape shape,
        CbamWeights weights,
        Saved saved,
        ByteBuffer x,
        ByteBuffer y,
        ByteBuffer dy,
        ByteBuffer dx,
        ByteBuffer ofShortcut);
  }

  /** Squeeze-and-excitation. */
  interface SqueezeExcitation {
    /**
     * Squeeze-and-excitation by the mean with sigmoid gates: {@code y = c · x}, or as the end of a residual
     * block {@code y = relu(c · x + shortcut)}.
     *
     * @param shortcut a map of the same shape, or null
     * @param y where the output goes; with channels last, this may be {@code x}
     * @return what {@link #squeezeExcitationGradient} needs
     */
    Saved squeezeExcitation(
        Shape shape, Perceptron perceptron, ByteBuffer x, ByteBuffer shortcut, ByteBuffer y);

    /**
     * The gradient of {@link #squeezeExcitation}.
     *
     * @param y the output, or null if there was no shortcut
     * @param dy the gradient of the output
     * @param dx where that of the input goes
     * @param ofShortcut where that of the shortcut goes, or null if there was none
     * @return those of the parameters; the same bits in every call and for any number of threads
     */
    PerceptronGradients squeezeExcitationGradient(
        Shape shape,
        Perceptron perceptron,
        Saved saved,
        ByteBuffer x,
        ByteBuffer y,
        ByteBuffer dy,
        ByteBuffer dx,
        ByteBuffer ofShortcut);
  }

  /** BAM. */
  interface Bam {
    /**
     * BAM in evaluation mode with its branches multiplied: {@code y = (1 + σ(channel(x) · spatial(x))) · x}, not with
     * channels last.
     */
    void bam(Shape shape, BamWeights weights, ByteBuffer x, ByteBuffer y);

    /**
     * What BAM ends with: {@code y = (1 + σ(c · s)) · x}, not with channels last.
     *
     * @param channel {@code [images, channels]}
     * @param spatial {@code [images, positions]}
     */
    void bamEnd(Shape shape, float[] channel, float[] spatial, ByteBuffer x, ByteBuffer y);

    /**
     * The gradient of {@link #bamEnd}.
     *
     * @param dy the gradient of the output
     * @param dx where that of the input goes
     */
    BamGradients bamEndGradient(
        Shape shape, float[] channel, float[] spatial, ByteBuffer x, ByteBuffer dy, ByteBuffer dx);
  }
}
