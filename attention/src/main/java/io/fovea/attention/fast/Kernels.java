package io.fovea.attention.fast;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;

/**
 * Mechanisms as vector code, which makes few passes over an image while it is in the cache. A
 * provider is looked up when the first module computes. Without a provider, and for tensors that it
 * does not support (other devices, types or layouts, feature maps of more than 2 GB), libtorch's
 * operators compute the same results.
 *
 * <p>The property {@code fovea.kernels} can be {@code off} to disable kernels, or {@code require}
 * to fail if they are missing.
 *
 * <p>Implementations must be thread-safe. Feature maps are float32 in native byte order, dense, in
 * the memory order of their {@link Shape}. Implementations read and write only within the bounds of
 * the buffers.
 */
public interface Kernels {
  /** A description for users: {@code "Vector API, 16 floats at once"}. */
  String describe();

  /**
   * The provider of this process.
   *
   * @throws IllegalArgumentException if {@code fovea.kernels} requires a provider and there is
   *     none, or if its value is invalid
   */
  static Optional<Kernels> inUse() {
    return KernelsInUse.get();
  }

  /** The reason why there is no provider, and how to get one; empty if there is one. */
  static Optional<String> whyNot() {
    return KernelsInUse.whyNot();
  }

  /** The kernel of a kind, which is one of the interfaces here, if the provider has it. */
  <K> Optional<K> kernel(Class<K> kind);

  /** The kernel of a kind in this process, if there is one. */
  static <K> Optional<K> inUse(Class<K> kind) {
    Optional<Kernels> kernels = inUse();
    return kernels.isEmpty() ? Optional.empty() : kernels.get().kernel(kind);
  }

  /**
   * The shape of feature maps. For other than two dimensions, the width holds all positions.
   *
   * @param channelsLast whether the memory order is {@code [images, height, width, channels]}, for
   *     all feature maps of a call
   */
  record Shape(int images, int channels, int height, int width, boolean channelsLast) {
    /**
     * The shape of feature maps with the memory order {@code [images, channels, height, width]}.
     */
    public Shape(int images, int channels, int height, int width) {
      this(images, channels, height, width, false);
    }

    /** The positions of an image. */
    public int positions() {
      return height * width;
    }
  }

  /**
   * Two layers that compute the channel gates.
   *
   * @param hidden the number of hidden units
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

  /**
   * The data of a forward pass that its gradient needs. Only the provider that created it can use
   * it.
   */
  interface Saved {}

  /** Gradients of a {@link Perceptron}, with the same order and shapes. */
  record PerceptronGradients(float[] in, float[] inBias, float[] out, float[] outBias) {}

  /** Gradients of {@link CbamWeights}. */
  record CbamGradients(PerceptronGradients perceptron, float[] conv) {}

  /**
   * A linear layer or a convolution with a fused batch norm.
   *
   * @param weights {@code [outputs, inputs]}, for a convolution {@code [outputs, inputs,
   *     kernel...]}
   * @param bias {@code [outputs]}, zeros if there are none
   */
  record Affine(float[] weights, float[] bias) {
    /** The number of output values or feature maps. */
    public int outputs() {
      return bias.length;
    }
  }

  /**
   * BAM's parameters for evaluation mode.
   *
   * @param channel the layers of the channel branch; a ReLU follows all but the last
   * @param reduce the 1x1 convolution that reduces the channels, followed by a ReLU
   * @param dilated the 3x3 convolutions of the reduced feature maps, each followed by a ReLU
   * @param dilation the dilation, which is also the width of the zero padding
   * @param last the 1x1 convolution to one channel
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
     * Computes CBAM with mean and maximum in both gates, channels first: {@code y = s · c · x}, or
     * at the end of a residual block {@code y = relu(s · c · x + shortcut)}.
     *
     * @param shortcut a feature map of the same shape, or null
     * @param y receives the output; with channels last, it may be {@code x}
     * @return the data for {@link #cbamGradient}
     */
    Saved cbam(Shape shape, CbamWeights weights, ByteBuffer x, ByteBuffer shortcut, ByteBuffer y);

    /**
     * Computes the gradient of {@link #cbam}. If several values equal a maximum, the first one
     * receives the gradient.
     *
     * @param y the output, or null if there was no shortcut
     * @param dy the gradient of the output
     * @param dx receives the gradient of the input
     * @param ofShortcut receives the gradient of the shortcut, or is null if there was none
     * @return the gradients of the parameters, with the same bits in every call and for any number
     *     of threads
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
     * Computes squeeze-and-excitation with the mean and sigmoid gates: {@code y = c · x}, or at the
     * end of a residual block {@code y = relu(c · x + shortcut)}.
     *
     * @param shortcut a feature map of the same shape, or null
     * @param y receives the output; with channels last, it may be {@code x}
     * @return the data for {@link #squeezeExcitationGradient}
     */
    Saved squeezeExcitation(
        Shape shape, Perceptron perceptron, ByteBuffer x, ByteBuffer shortcut, ByteBuffer y);

    /**
     * Computes the gradient of {@link #squeezeExcitation}.
     *
     * @param y the output, or null if there was no shortcut
     * @param dy the gradient of the output
     * @param dx receives the gradient of the input
     * @param ofShortcut receives the gradient of the shortcut, or is null if there was none
     * @return the gradients of the parameters, with the same bits in every call and for any number
     *     of threads
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
     * Computes BAM in evaluation mode with multiplied branches: {@code y = (1 + σ(channel(x) ·
     * spatial(x))) · x}. Channels last is not supported.
     */
    void bam(Shape shape, BamWeights weights, ByteBuffer x, ByteBuffer y);

    /**
     * Computes the last step of BAM: {@code y = (1 + σ(c · s)) · x}. Channels last is not
     * supported.
     *
     * @param channel {@code [images, channels]}
     * @param spatial {@code [images, positions]}
     */
    void bamEnd(Shape shape, float[] channel, float[] spatial, ByteBuffer x, ByteBuffer y);

    /**
     * Computes the gradient of {@link #bamEnd}.
     *
     * @param dy the gradient of the output
     * @param dx receives the gradient of the input
     */
    BamGradients bamEndGradient(
        Shape shape, float[] channel, float[] spatial, ByteBuffer x, ByteBuffer dy, ByteBuffer dx);
  }

  /** SimAM. */
  interface Simam {
    /**
     * Computes SimAM: with {@code d = (x - mean(x))²}, {@code y = x · σ(d / (4 (Σ d / (N - 1) + λ)) +
     * 1/2)}. Channels last is not supported.
     */
    void simam(Shape shape, float lambda, ByteBuffer x, ByteBuffer y);

    /**
     * Computes the gradient of {@link #simam}, with the same bits in every call and for any number of
     * threads.
     *
     * @param dy the gradient of the output
     * @param dx receives the gradient of the input
     */
    void simamGradient(Shape shape, float lambda, ByteBuffer x, ByteBuffer dy, ByteBuffer dx);
  }

  /**
   * The parameters of spatial group-wise enhance.
   *
   * @param weight {@code [groups]}
   * @param bias {@code [groups]}
   * @param epsilon is added to the deviation
   */
  record GroupEnhanceWeights(float[] weight, float[] bias, float epsilon) {}

  /** Gradients of {@link GroupEnhanceWeights}. */
  record GroupEnhanceGradients(float[] weight, float[] bias) {}

  /** Spatial group-wise enhance. */
  interface GroupEnhance {
    /** Computes spatial group-wise enhance. Channels last is not supported. */
    void groupEnhance(Shape shape, GroupEnhanceWeights weights, ByteBuffer x, ByteBuffer y);

    /**
     * Computes the gradient of {@link #groupEnhance}, with the same bits in every call and for any
     * number of threads. The gradient of the deviation of a constant map is 0.
     *
     * @param dy the gradient of the output
     * @param dx receives the gradient of the input
     */
    GroupEnhanceGradients groupEnhanceGradient(
        Shape shape, GroupEnhanceWeights weights, ByteBuffer x, ByteBuffer dy, ByteBuffer dx);
  }

  /** What {@link Planes} computes of each plane. */
  enum PlaneStatistic {
    /** The mean. */
    MEAN,
    /** The sum of the squares. */
    SQUARES,
    /** The means of all planes, then the sums of the squared distances from them. */
    DISTANCES
  }

  /**
   * The parts of mechanisms that describe each plane (a channel of an image) by a number, and change
   * each plane by numbers that follow from them. Arrays have a value for each plane, {@code [images,
   * channels]}. Channels last is not supported.
   */
  interface Planes {
    /** Computes a statistic of each plane, {@code [images, channels]} or twice as many values. */
    float[] statistics(Shape shape, PlaneStatistic statistic, ByteBuffer x);

    /**
     * Computes {@code y = factors · x + shifts}.
     *
     * @param factors null for ones
     * @param shifts null for zeros
     */
    void scale(Shape shape, float[] factors, float[] shifts, ByteBuffer x, ByteBuffer y);

    /**
     * Computes the gradients of the factors, {@code Σ x · dy}, and of the shifts, {@code Σ dy}.
     *
     * @param products receives the former, or is null
     * @param sums receives the latter, or is null
     */
    void products(Shape shape, ByteBuffer x, ByteBuffer dy, float[] products, float[] sums);

    /**
     * Computes the gradient of the input, {@code dx = factors · dy + slopes · (x - centres) + shifts}.
     *
     * @param factors null for ones
     * @param centres null for zeros; is not used without slopes
     * @param slopes null for zeros
     * @param shifts null for zeros
     */
    void gradient(
        Shape shape,
        float[] factors,
        float[] centres,
        float[] slopes,
        float[] shifts,
        ByteBuffer x,
        ByteBuffer dy,
        ByteBuffer dx);
  }
}
