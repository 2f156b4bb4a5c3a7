package io.fovea.attention;

import io.fovea.attention.Graph.Value;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The few layers that attention modules and backbones are made of, the same class for 1, 2 and 3
 * spatial dimensions. Names of parameters, initial values and defaults are PyTorch's; the computing is
 * libtorch's. A layer knows its own attributes, so that a network can be walked in Java.
 */
public abstract class Layer extends Module {
  private Layer(String name) {
    super(name);
  }

  /** Applies the layer; shapes are as in PyTorch's layer of the same name. */
  public abstract Tensor forward(Tensor x);

  /** What {@link #forward} computes in evaluation mode, as ONNX operators. */
  abstract Value nodes(Graph graph, Value x);

  /** Writes the layer into a graph, under its name in the network. */
  public final Value write(Graph graph, Value x) {
    return graph.in(this, () -> nodes(graph, x));
  }

  /**
   * A function without parameters, as a step of a {@link Sequence}.
   *
   * @param forward what it computes
   * @param nodes the same as ONNX operators
   */
  public record Function(UnaryOperator<Tensor> forward, BiFunction<Graph, Value, Value> nodes) {
    /** The positive part. */
    public static final Function RELU =
        new Function(torch::relu, (graph, x) -> graph.node("Relu", x));

    /** The positive part, in place of what it is taken of. */
    public static final Function RELU_IN_PLACE = new Function(Tensor::relu_, RELU.nodes);

    /** {@code x · min(max(x + 3, 0), 6) / 6}. */
    public static final Function HARD_SWISH =
        new Function(torch::hardswish, (graph, x) -> graph.node("HardSwish", x));
  }

  /** Whether bfloat16 meets float32 parameters: the layer computes in the former, and trains the latter. */
  private static boolean isHalved(Tensor x, Tensor weight) {
    return x.scalar_type().intern() == ScalarType.BFloat16
        && weight.scalar_type().intern() == ScalarType.Float;
  }

  /** PyTorch's initial values of convolutions and linear layers: uniform in ±1/sqrt(fan in). */
  private static Tensor uniform(long fanIn, long... shape) {
    double bound = 1 / Math.sqrt((double) fanIn);
    Tensor tensor = torch.empty(shape);
    try (NoGradGuard guard = new NoGradGuard()) {
      tensor.uniform_(-bound, bound, null);
    }
    return tensor;
  }

  /** A convolution {@code [B, in, spatial...] -> [B, out, spatial'...]}. */
  public static final class Convolution extends Layer {
    /** Weights up to which a plain product was faster. */
    private static final long SMALL = 2048;

    /** How many maps are in weights where turning those around took longer. */
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

    /** The offsets, {@code [out]}, if there are some. */
    public Optional<Tensor> bias() {
      return bias.has_value() ? Optional.of(bias.get()) : Optional.empty();
    }

    @Override
    public Tensor forward(Tensor x) {
      Tensor y = convolve(padded(x));
      Macs.add(y.numel() * (weight.numel() / weight.size(0)));
      return y;
    }

    /**
     * Applies the convolution, a batch norm and a function behind it: in one go where a {@link Folding}
     * has them.
     *
     * @param function the last, or null if there is none
     */
    public Tensor forward(Tensor x, BatchNorm norm, Function function) {
      FoldedConvolution folded = Folding.of(this);
      if (folded != null) {
        return folded.forward(x, function);
      }
      Tensor y = norm.forward(forward(x));
      return function == null ? y : function.forward.apply(y);
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

    /** The input with the frames repeated that are to be. */
    Tensor padded(Tensor x) {
      return repeatedFrames == 0
          ? x
          : torch.replication_pad3d(x, 0, 0, 0, 0, repeatedFrames, repeatedFrames);
    }

    @Override
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
     * What attention modules convolve is small, and libtorch's usual choice for that (oneDNN, which
     * works in blocks of 16 channels) takes 2 to 6 times as long as a plain product.
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
        return torch.thnn_conv2d( // its backward takes every input for contiguous
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
     * Whether a step of training would turn weights around to spare a map, with its channels last, that is
     * far smaller: the weights' gradient comes in the map's order, and is kept in theirs.
     */
    private boolean turnsMore(Tensor x) {
      return !pointwise
          && weight.numel() >= MAPS_IN_WEIGHTS * x.numel()
          && ChannelsLast.is(x)
          && KernelMaps.differentiated(weight);
    }

    /** With other weights of the same shape. */
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

    /** What a convolution can be told. */
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

      /** A kernel with a side for each dimension, of three {@code time, height, width}. */
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
       * In three dimensions: how often the first and the last frame are repeated before and behind the
       * clip, default 0. Zeros there would be an event that a still clip does not have.
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

      /** Groups of channels that do not see each other, default 1. */
      public Builder groups(long groups) {
        this.groups = groups;
        return this;
      }

      /** Whether an offset is learnt for each output channel, default true. */
      public Builder bias(boolean bias) {
        this.bias = bias;
        return this;
      }

      /** Makes the convolution, freshly initialised. */
      public Convolution build() {
        return new Convolution(this);
      }
    }
  }

  /** Batch normalisation of {@code [B, C]} or {@code [B, C, spatial...]}. */
  public static final class BatchNorm extends Layer {
    private static final double EPSILON = 1e-5;
    private static final double MOMENTUM = 0.1;

    private final double epsilon;
    private final double momentum;
    private final Tensor weight;
    private final Tensor bias;
    private final Tensor batches;
    private final TensorOptional[] arguments;

    /**
     * Scale 1, offset 0, and PyTorch's defaults: 1e-5 and 0.1.
     *
     * @param channels the channels {@code C}
     */
    public BatchNorm(long channels) {
      this(channels, EPSILON, MOMENTUM);
    }

    /**
     * Scale 1, offset 0.
     *
     * @param channels the channels {@code C}
     * @param epsilon what is added to the variance
     * @param momentum the share of a batch in the running statistics
     */
    public BatchNorm(long channels, double epsilon, double momentum) {
      super("BatchNorm");
      this.epsilon = epsilon;
      this.momentum = momentum;
      weight = torch.ones(channels);
      bias = torch.zeros(channels);
      Tensor mean = torch.zeros(channels);
      Tensor variance = torch.ones(channels);
      batches = torch.zeros(new long[0], new TensorOptions(ScalarType.Long));
      register_parameter("weight", weight);
      register_parameter("bias", bias);
      register_buffer("running_mean", mean);
      register_buffer("running_var", variance);
      register_buffer("num_batches_tracked", batches);
      arguments =
          new TensorOptional[] {
            new TensorOptional(weight),
            new TensorOptional(bias),
            new TensorOptional(mean),
            new TensorOptional(variance)
          };
    }

    /** The scale, {@code [C]}. */
    public Tensor weight() {
      return weight;
    }

    /** Sets scale and offset to zero, so that what follows a residual addition starts as the identity. */
    public BatchNorm startingAtZero() {
      try (NoGradGuard guard = new NoGradGuard()) {
        weight.zero_();
        bias.zero_();
      }
      return this;
    }

    @Override
    public Tensor forward(Tensor x) {
      boolean training = is_training();
      if (training) {
        batches.add_(new Scalar(1L));
      }
      return torch.batch_norm(
          x,
          arguments[0],
          arguments[1],
          arguments[2],
          arguments[3],
          training,
          momentum,
          epsilon,
          true);
    }

    /** What evaluation mode multiplies by, {@code [C]}, in float64. */
    Tensor scale() {
      Tensor variance = arguments[3].get().to(ScalarType.Double);
      return weight.to(ScalarType.Double).div(variance.add(new Scalar(epsilon)).sqrt());
    }

    /** What evaluation mode adds after that, {@code [C]}, in float64. */
    Tensor shift() {
      Tensor mean = arguments[2].get().to(ScalarType.Double);
      return bias.to(ScalarType.Double).sub(mean.mul(scale()));
    }

    /** A layer with this batch norm behind it, as evaluation mode computes both; computed in float64. */
    private Kernels.Affine folded(Kernels.Affine layer) {
      float[] gain = KernelMaps.copy(weight);
      float[] offset = KernelMaps.copy(bias);
      float[] mean = KernelMaps.copy(arguments[2].get());
      float[] variance = KernelMaps.copy(arguments[3].get());
      float[] weights = layer.weights().clone();
      float[] biases = new float[layer.outputs()];
      int inputs = weights.length / biases.length;
      for (int o = 0; o < biases.length; o++) {
        double scale = gain[o] / Math.sqrt(variance[o] + epsilon);
        biases[o] = (float) (offset[o] + scale * (layer.bias()[o] - mean[o]));
        for (int i = o * inputs; i < (o + 1) * inputs; i++) {
          weights[i] = (float) (scale * weights[i]);
        }
      }
      return new Kernels.Affine(weights, biases);
    }

    /** As {@link #scale}, in the type of the parameters, and differentiable. */
    Tensor factor() {
      return weight.mul(arguments[3].get().add(new Scalar(epsilon)).rsqrt());
    }

    /** What evaluation mode adds behind {@link #factor} to what has an offset already, {@code [C]}. */
    Tensor offset(Tensor factor, Tensor before) {
      return torch.addcmul(bias, before.sub(arguments[2].get()), factor);
    }

    /** One operator of its own, which the file's writer folds into a convolution before it. */
    @Override
    Value nodes(Graph graph, Value x) {
      return graph.node(
          "BatchNormalization",
          Map.of("epsilon", epsilon),
          x,
          graph.weights("weight", weight),
          graph.weights("bias", bias),
          graph.weights("running_mean", arguments[2].get()),
          graph.weights("running_var", arguments[3].get()));
    }
  }

  /** A linear layer {@code [B, in] -> [B, out]}. */
  public static final class Linear extends Layer {
    private final Tensor weight;
    private final TensorOptional bias;

    /** A linear layer, freshly initialised. */
    public Linear(long in, long out, boolean withBias) {
      super("Linear");
      weight = uniform(in, out, in);
      register_parameter("weight", weight);
      if (withBias) {
        Tensor values = uniform(in, out);
        register_parameter("bias", values);
        bias = new TensorOptional(values);
      } else {
        bias = new TensorOptional();
      }
    }

    /** The weights, {@code [out, in]}. */
    public Tensor weight() {
      return weight;
    }

    /** The offsets, {@code [out]}, if there are some. */
    public Optional<Tensor> bias() {
      return bias.has_value() ? Optional.of(bias.get()) : Optional.empty();
    }

    @Override
    public Tensor forward(Tensor x) {
      Macs.add(x.size(0) * weight.numel());
      Tensor in = isHalved(x, weight) ? x.to(ScalarType.Float) : x;
      if (in.size(0) == 1 && !GradMode.is_enabled()) { // up to nine times as fast for one image
        Tensor vector = in.flatten(0, -1);
        Tensor y = bias.has_value() ? torch.addmv(bias.get(), weight, vector) : weight.mv(vector);
        return y.unsqueeze(0);
      }
      return torch.linear(in, weight, bias);
    }

    @Override
    Value nodes(Graph graph, Value x) {
      Map<String, ?> attributes = Map.of("transB", 1);
      Value weights = graph.weights("weight", weight);
      return bias.has_value()
          ? graph.node("Gemm", attributes, x, weights, graph.weights("bias", bias.get()))
          : graph.node("Gemm", attributes, x, weights);
    }
  }

  /** Layers one after the other under names of their own; functions without parameters have none. */
  public static final class Sequence extends Layer {
    /** What it does; the layer is null if it has no parameters. */
    private record Step(Layer layer, Function function) {}

    private final List<Step> steps = new ArrayList<>();

    /** An empty sequence. */
    public Sequence() {
      super("Sequence");
    }

    /** Appends a layer, registered under {@code name}. */
    public Sequence add(String name, Layer layer) {
      register_module(name, layer);
      steps.add(new Step(layer, new Function(layer::forward, layer::write)));
      return this;
    }

    /** Appends a function without parameters, named for the reader. */
    public Sequence add(String name, Function function) {
      steps.add(new Step(null, function));
      return this;
    }

    @Override
    public Tensor forward(Tensor x) {
      Tensor y = x;
      for (int i = 0; i < steps.size(); i++) {
        if (steps.get(i).layer instanceof Convolution convolution
            && layer(i + 1) instanceof BatchNorm norm) {
          i++;
          Function behind = null;
          if (i + 1 < steps.size() && layer(i + 1) == null) {
            behind = steps.get(++i).function;
          }
          y = convolution.forward(y, norm, behind);
        } else {
          y = steps.get(i).function.forward.apply(y);
        }
      }
      return y;
    }

    /** Of a step, null if there is none. */
    private Layer layer(int index) {
      return index < steps.size() ? steps.get(index).layer : null;
    }

    /** Whether some batch norm takes the statistics of what it is given, not those it has. */
    boolean normalisesByBatch() {
      return steps.stream()
          .anyMatch(step -> step.layer instanceof BatchNorm && step.layer.is_training());
    }

    /**
     * What {@link Kernels} compute of it in evaluation mode: each convolution or linear layer with the
     * batch norm behind it. Parameters are float32.
     */
    List<Kernels.Affine> affines() {
      List<Kernels.Affine> affines = new ArrayList<>();
      for (int i = 0; i < steps.size(); i++) {
        BatchNorm norm = layer(i + 1) instanceof BatchNorm behind ? behind : null;
        if (layer(i) instanceof Convolution convolution) {
          affines.add(affine(convolution.weight(), convolution.bias(), norm));
        } else if (layer(i) instanceof Linear linear) {
          affines.add(affine(linear.weight(), linear.bias(), norm));
        }
      }
      return affines;
    }

    private static Kernels.Affine affine(Tensor weight, Optional<Tensor> bias, BatchNorm norm) {
      Kernels.Affine layer =
          new Kernels.Affine(
              KernelMaps.copy(weight),
              bias.map(KernelMaps::copy).orElseGet(() -> new float[(int) weight.size(0)]));
      return norm == null ? layer : norm.folded(layer);
    }

    void fold(Folding folding) {
      for (int i = 0; i < steps.size(); i++) {
        Layer layer = layer(i);
        if (layer instanceof Convolution convolution && layer(i + 1) instanceof BatchNorm norm) {
          folding.add(convolution, norm);
        } else if (layer != null) {
          folding.add(layer);
        }
      }
    }

    @Override
    Value nodes(Graph graph, Value x) {
      Value y = x;
      for (Step step : steps) {
        y = step.function.nodes.apply(graph, y);
      }
      return y;
    }
  }
}
