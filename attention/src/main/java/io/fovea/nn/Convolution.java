package io.fovea.nn;

import io.fovea.nn.Graph.Value;
import io.fovea.tensor.internal.ChannelsLast;
import io.fovea.tensor.internal.Gradients;
import io.fovea.tensor.internal.Macs;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** A convolution {@code [B, in, spatial...] -> [B, out, spatial'...]}. */
public final class Convolution extends Layer {
  /** The number of weights up to which a plain product was faster. */
  private static final long SMALL = 2048;

  /** The ratio of weights to feature map above which reordering the weights took longer. */
  private static final long MAPS_IN_WEIGHTS = 8;

  private final Tensor weight;
  private final TensorOptional bias;
  private final long[] stride;
  private final long[] padding;
  private final long[] dilation;
  private final long groups;
  private final int repeatedFrames;
  private final boolean pointwise;
  private final boolean smallPlane;

  private Convolution(Builder b) {
    super("Convolution");
    long[] shape = new long[2 + b.kernel.length];
    shape[0] = b.out;
    shape[1] = b.in / b.groups;
    System.arraycopy(b.kernel, 0, shape, 2, b.kernel.length);
    long fanIn = shape[1] * Arrays.stream(b.kernel).reduce(1, (x, y) -> x * y);
    weight = uniform(fanIn, shape);
    register_parameter("weight", weight);
    if (b.bias) {
      Tensor values = uniform(fanIn, b.out);
      register_parameter("bias", values);
      bias = new TensorOptional(values);
    } else {
      bias = new TensorOptional();
    }
    stride = b.stride;
    padding = b.padding;
    dilation = filled(stride.length, b.dilation);
    groups = b.groups;
    repeatedFrames = b.repeatedFrames;
    pointwise = all(b.kernel, 1) && all(stride, 1) && all(padding, 0) && groups == 1;
    smallPlane =
        stride.length == 2
            && groups == 1
            && b.dilation == 1
            && weight.numel() <= SMALL
            && (pointwise || b.out == 1);
  }

  /**
   * Starts a convolution with a kernel of equal sides, stride 1, no padding, dilation 1, one group and
   * a bias.
   */
  public static Builder builder(int dimensions, long in, long out, int kernel) {
    return new Builder(dimensions, in, out, kernel);
  }

  /** The kernels, {@code [out, in / groups, kernel...]}. */
  public Tensor weight() {
    return weight;
  }

  /** The biases, {@code [out]}, if the layer has any. */
  public Optional<Tensor> bias() {
    return bias.has_value() ? Optional.of(bias.get()) : Optional.empty();
  }

  @Override
  public <T> T apply(Ops<T> ops, T x) {
    return ops.convolution(this, x);
  }

  /** Sets all parameters to zero, so that a residual branch starts as the identity. */
  public Convolution startingAtZero() {
    try (NoGradGuard guard = new NoGradGuard()) {
      weight.zero_();
      bias().ifPresent(Tensor::zero_);
    }
    return this;
  }

  /**
   * Draws the weights from a normal distribution with the variance {@code 2 / fan in} (He's, for a
   * ReLU), and sets the biases to zero.
   */
  public Convolution startingNormal() {
    try (NoGradGuard guard = new NoGradGuard()) {
      double fanIn = (double) weight.numel() / weight.size(0);
      weight.normal_(0, Math.sqrt(2 / fanIn), null);
      bias().ifPresent(Tensor::zero_);
    }
    return this;
  }

  Tensor compute(Tensor x) {
    computes();
    // a count needs shapes, not values
    Tensor y = Macs.isCounting() ? x.new_zeros(outputShape(x.shape())) : convolve(padded(x));
    Macs.add(y.numel() * (weight.numel() / weight.size(0)));
    return y;
  }

  /**
   * Applies the convolution, a batch norm and an activation, as one fused operation if a {@link
   * Fusing} has them.
   *
   * @param function the activation, or null if there is none
   */
  public Tensor forward(Tensor x, BatchNorm norm, Activation function) {
    FusedConvolution fused = Fusing.of(this);
    if (fused != null) {
      return fused.forward(x, function);
    }
    Tensor y = norm.compute(compute(x));
    return function == null ? y : function.apply(TensorOps.PLAIN, y);
  }

  /** The shape of the output for a shape of the input. */
  long[] outputShape(long[] x) {
    long[] y = x.clone();
    y[1] = weight.size(0);
    for (int i = 0; i < stride.length; i++) {
      long size = x[2 + i] + (i == 0 ? 2L * repeatedFrames : 0) + 2 * padding[i];
      y[2 + i] = (size - dilation[i] * (weight.size(2 + i) - 1) - 1) / stride[i] + 1;
    }
    return y;
  }

  long[] stride() {
    return stride;
  }

  long[] padding() {
    return padding;
  }

  long[] dilation() {
    return dilation;
  }

  long groups() {
    return groups;
  }

  /** The input with its first and last frame repeated as configured. */
  Tensor padded(Tensor x) {
    return repeatedFrames == 0
        ? x
        : torch.replication_pad3d(x, 0, 0, 0, 0, repeatedFrames, repeatedFrames);
  }

  Value nodes(Graph graph, Value x) {
    Map<String, ?> attributes =
        Map.of(
            "kernel_shape",
            Arrays.copyOfRange(weight.shape(), 2, 2 + stride.length),
            "strides",
            stride,
            "pads",
            LongStream.concat(LongStream.of(padding), LongStream.of(padding)).toArray(),
            "dilations",
            dilation,
            "group",
            groups);
    Value weights = graph.weights("weight", weight);
    Value in = x;
    if (repeatedFrames > 0) {
      Value pads = graph.integers(0, 0, repeatedFrames, 0, 0, 0, 0, repeatedFrames, 0, 0);
      in = graph.node("Pad", Map.of("mode", "edge"), x, pads);
    }
    return bias.has_value()
        ? graph.node("Conv", attributes, in, weights, graph.weights("bias", bias.get()))
        : graph.node("Conv", attributes, in, weights);
  }

  /**
   * Attention modules convolve small tensors, for which libtorch's default (oneDNN, with blocks of
   * 16 channels) takes 2 to 6 times as long as a plain product.
   */
  private Tensor convolve(Tensor x) {
    if (turnsMore(x)) {
      return ChannelsLast.of(convolve(ChannelsLast.undone(x)));
    }
    if (isHalved(x, weight)) {
      TensorOptional halfBias =
          bias.has_value() ? new TensorOptional(bias.get().to(ScalarType.BFloat16)) : bias;
      return convolve(x, weight.to(ScalarType.BFloat16), halfBias);
    }
    if (pointwise && x.numel() == x.size(0) * x.size(1)) {
      Tensor vector = torch.linear(x.flatten(1, -1), weight.flatten(1, -1), bias);
      return vector.view(withChannels(x.shape(), vector.size(1)));
    }
    if (smallPlane && isFloatOrDouble(x) && !ChannelsLast.is(x)) {
      return torch.thnn_conv2d( // its backward pass treats every input as contiguous
          x.contiguous(),
          weight,
          new long[] {weight.size(2), weight.size(3)},
          bias,
          stride,
          padding);
    }
    return convolve(x, weight, bias);
  }

  /**
   * Whether converting the small feature map to contiguous order is cheaper in training than
   * reordering the weights. With channels last, the gradient of the weights arrives in the order of
   * the feature map and must be converted to the order of the weights.
   */
  private boolean turnsMore(Tensor x) {
    return !pointwise
        && weight.numel() >= MAPS_IN_WEIGHTS * x.numel()
        && ChannelsLast.is(x)
        && Gradients.needed(weight);
  }

  /** Applies the convolution with other weights of the same shape. */
  Tensor convolve(Tensor x, Tensor weight, TensorOptional bias) {
    return torch.convolution(
        x, weight, bias, stride, padding, dilation, false, new long[stride.length], groups);
  }

  private static boolean isFloatOrDouble(Tensor x) {
    ScalarType type = x.scalar_type().intern();
    return type == ScalarType.Float || type == ScalarType.Double;
  }

  private static long[] withChannels(long[] shape, long channels) {
    long[] changed = shape.clone();
    changed[1] = channels;
    return changed;
  }

  private static boolean all(long[] values, long value) {
    return Arrays.stream(values).allMatch(each -> each == value);
  }

  private static long[] filled(int length, long value) {
    long[] values = new long[length];
    Arrays.fill(values, value);
    return values;
  }

  /** Builds convolutions. */
  public static final class Builder {
    private final long in;
    private final long out;
    private long[] kernel;
    private long[] stride;
    private long[] padding;
    private int dilation = 1;
    private long groups = 1;
    private int repeatedFrames;
    private boolean bias = true;

    private Builder(int dimensions, long in, long out, int kernel) {
      this.in = in;
      this.out = out;
      this.kernel = filled(dimensions, kernel);
      stride = filled(dimensions, 1);
      padding = filled(dimensions, 0);
    }

    /**
     * A kernel with a size for each dimension; for three dimensions {@code time, height, width}.
     */
    public Builder kernel(long... sides) {
      kernel = perDimension("kernel", sides);
      return this;
    }

    /** The step between outputs, default 1. */
    public Builder stride(int stride) {
      this.stride = filled(kernel.length, stride);
      return this;
    }

    /** The step between outputs in each dimension. */
    public Builder stride(long... strides) {
      stride = perDimension("stride", strides);
      return this;
    }

    /** Zeros around the input on each side, default 0. */
    public Builder padding(int padding) {
      this.padding = filled(kernel.length, padding);
      return this;
    }

    /** Zeros around the input at both ends of each dimension. */
    public Builder padding(long... paddings) {
      padding = perDimension("padding", paddings);
      return this;
    }

    /**
     * For three dimensions: how often the first and the last frame are repeated before and after
     * the clip; default 0. Zero padding would add an event that a still clip does not have.
     */
    public Builder repeatFrames(int times) {
      repeatedFrames = times;
      return this;
    }

    private long[] perDimension(String what, long[] values) {
      if (values.length != kernel.length) {
        throw new IllegalArgumentException(
            "convolution: expected "
                + kernel.length
                + " values for "
                + what
                + ", got "
                + Arrays.toString(values));
      }
      return values.clone();
    }

    /** The distance between the kernel's points, default 1. */
    public Builder dilation(int dilation) {
      this.dilation = dilation;
      return this;
    }

    /** The number of groups of channels; default 1. */
    public Builder groups(long groups) {
      this.groups = groups;
      return this;
    }

    /** Whether the convolution has a bias; default true. */
    public Builder bias(boolean bias) {
      this.bias = bias;
      return this;
    }

    /** Creates the convolution with new weights. */
    public Convolution build() {
      return new Convolution(this);
    }
  }
}
