package io.fovea.attention;

import io.fovea.attention.fast.CustomGradient;
import io.fovea.attention.fast.KernelMaps;
import io.fovea.attention.fast.Kernels;
import io.fovea.nn.Activation;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.nn.Linear;
import io.fovea.nn.Pooling;
import io.fovea.nn.Sequence;
import io.fovea.tensor.Scopes;
import io.fovea.tensor.internal.ChannelsLast;
import io.fovea.tensor.internal.Gradients;
import io.fovea.tensor.internal.Macs;
import io.fovea.tensor.internal.Preconditions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Squeeze-and-excitation: each channel is scaled by a gate that two linear layers compute from the
 * channels' means.
 *
 * <pre>  y = x · σ(W₂ relu(W₁ mean(x)))</pre>
 *
 * <p>Hu, Shen, Sun: <a href="https://arxiv.org/abs/1709.01507">Squeeze-and-Excitation Networks</a>,
 * section 3. As in the reference code there are no biases; the authors' own networks have them ({@code
 * bias}). Differences: any number of spatial dimensions, and the reduced width is at least 1.
 *
 * <p>MobileNetV3's own blocks are {@code se:reduction=4,bias=true,excitation=hard_sigmoid,divisor=8}
 * (Howard and others: <a href="https://arxiv.org/abs/1905.02244">Searching for MobileNetV3</a>,
 * section 5.3).
 *
 * <p>Parameters: {@code fc.0.weight [C/r, C]}, {@code fc.2.weight [C, C/r]}, with {@code bias} also
 * {@code fc.0.bias}, {@code fc.2.bias}.
 */
public final class SqueezeExcitation extends Attention {
  private static final String NAME = "se";

  static final Mechanism<Builder> MECHANISM =
      new Mechanism<>(NAME, SqueezeExcitation::builder, Builder::build)
          .integer("reduction", Builder::reduction, b -> b.reduction)
          .flag("bias", Builder::bias, b -> b.bias)
          .choice("squeeze", Squeeze.class, Builder::squeeze, b -> b.squeeze)
          .choice("excitation", Excitation.class, Builder::excitation, b -> b.excitation)
          .integer("divisor", Builder::divisor, b -> b.divisor);

  /** How a channel becomes one number (the paper's table 11). */
  public enum Squeeze {
    /** Its mean. */
    AVG,
    /** Its maximum. */
    MAX,
    /** Half of its mean and half of its maximum. */
    AVGMAX
  }

  /** The function that makes the gate (the paper's table 12). */
  public enum Excitation {
    /** The logistic function, into 0..1. */
    SIGMOID,
    /** The positive part. */
    RELU,
    /** The hyperbolic tangent, into -1..1. */
    TANH,
    /** The logistic function in straight lines, {@code min(max(x + 3, 0), 6) / 6}, into 0..1. */
    HARD_SIGMOID
  }

  /** Measured in ResNet-50 with one image and with eight. */
  private static final long MAP_TO_WEIGHTS = 4;

  private static final long FEW_WEIGHTS = 1 << 13;

  private final int dimensions;
  private final Squeeze squeeze;
  private final Excitation excitation;
  private final Linear in;
  private final Linear out;
  private final Sequence fc;

  private SqueezeExcitation(Builder b) {
    super(MECHANISM.specOf(b), b.channels, b.dimensions);
    dimensions = b.dimensions;
    squeeze = b.squeeze;
    excitation = b.excitation;
    long reduced = Preconditions.rounded(Preconditions.reduced(b.channels, b.reduction), b.divisor);
    in = new Linear(b.channels, reduced, b.bias);
    out = new Linear(reduced, b.channels, b.bias);
    fc = new Sequence().add("0", in).add("1", Activation.RELU).add("2", out);
    register_module("fc", fc);
  }

  /**
   * Starts squeeze-and-excitation with the defaults.
   *
   * @param channels the channels {@code C} of the feature map
   * @param dimensions its spatial dimensions: 1, 2 or 3
   */
  public static Builder builder(long channels, int dimensions) {
    return new Builder(channels, dimensions);
  }

  @Override
  Tensor attend(Tensor x) {
    return kernelsSupport(x) ? byKernels(x, null, false) : plain(x);
  }

  @Override
  boolean takesChannelsLast(Tensor x) {
    return true;
  }

  /** By libtorch's operators: any squeeze, any excitation, any tensor. */
  Tensor plain(Tensor x) {
    return x.mul(Pooling.perChannel(gates(x), x));
  }

  @Override
  Tensor attendResidual(Tensor x, Tensor shortcut) {
    if (kernelsSupport(x, shortcut)) {
      return byKernels(x, shortcut, false);
    }
    return GradMode.is_enabled()
        ? super.attendResidual(x, shortcut)
        : torch.addcmul(shortcut, x, Pooling.perChannel(gates(x), x)).relu_();
  }

  @Override
  Tensor attendResidualOver(Tensor x, Tensor shortcut) {
    if (kernelsSupport(x, shortcut)) {
      return byKernels(x, shortcut, ChannelsLast.is(x));
    }
    torch.addcmul_out(x, shortcut, x, Pooling.perChannel(gates(x), x)).relu_();
    return new Tensor(x);
  }

  /**
   * The paper's own choice; but of a single image with its channels last, for which libtorch's operators
   * are as fast, and need not be compiled first.
   */
  private boolean kernelsSupport(Tensor... maps) {
    return squeeze == Squeeze.AVG
        && excitation == Excitation.SIGMOID
        && Kernels.inUse().isPresent()
        && KernelMaps.supportInOneOrder(maps)
        && !(ChannelsLast.is(maps[0]) && maps[0].size(0) == 1)
        && gains(maps[0]);
  }

  /**
   * Whether kernels gain anything: they copy the weights in each call, and compute their gradients by
   * themselves. Where those are many beside the map, libtorch's products of matrices take less.
   */
  private boolean gains(Tensor x) {
    long weights = in.weight().numel() + out.weight().numel();
    return weights <= FEW_WEIGHTS || x.numel() >= MAP_TO_WEIGHTS * weights;
  }

  private Tensor byKernels(Tensor x, Tensor shortcut, boolean over) {
    Kernels kernels = Kernels.inUse().orElseThrow();
    Kernels.Shape shape = KernelMaps.shape(x);
    Kernels.Perceptron weights =
        KernelMaps.perceptron(in.weight(), in.bias(), out.weight(), out.bias());
    Tensor y = over ? x.detach() : torch.empty_like(x.detach());
    Kernels.Saved saved =
        kernels.squeezeExcitation(
            shape,
            weights,
            KernelMaps.memory(x),
            KernelMaps.optionalMemory(shortcut),
            KernelMaps.memory(y));
    Macs.add(x.size(0) * (in.weight().numel() + out.weight().numel()));
    List<Tensor> inputs = KernelMaps.inputs(x, in.weight(), in.bias(), out.weight(), out.bias());
    if (shortcut != null) {
      inputs.add(shortcut);
    }
    if (Gradients.needed(inputs)) {
      Tensor input = x.detach();
      Tensor output = shortcut == null ? null : y.detach();
      CustomGradient.attach(
          y,
          inputs,
          output == null ? List.of(input) : List.of(input, output),
          dy -> gradients(kernels, shape, weights, saved, input, output, dy));
    }
    return y;
  }

  private List<Tensor> gradients(
      Kernels kernels,
      Kernels.Shape shape,
      Kernels.Perceptron weights,
      Kernels.Saved saved,
      Tensor x,
      Tensor y,
      Tensor dy) {
    Tensor dx = torch.empty_like(x);
    Tensor ofShortcut = y == null ? null : torch.empty_like(x);
    Kernels.PerceptronGradients computed =
        kernels.squeezeExcitationGradient(
            shape,
            weights,
            saved,
            KernelMaps.memory(x),
            KernelMaps.optionalMemory(y),
            KernelMaps.memory(dy),
            KernelMaps.memory(dx),
            KernelMaps.optionalMemory(ofShortcut));
    List<Tensor> gradients = new ArrayList<>(List.of(dx));
    gradients.addAll(
        KernelMaps.gradients(computed, in.weight(), in.bias(), out.weight(), out.bias()));
    if (y != null) {
      gradients.add(ofShortcut);
    }
    return gradients;
  }

  /** {@code [B, C, spatial...] -> [B, C]}. */
  private Tensor gates(Tensor x) {
    Tensor excited = fc.forward(squeezed(x));
    return switch (excitation) {
      case SIGMOID -> excited.sigmoid();
      case RELU -> excited.relu();
      case TANH -> excited.tanh();
      case HARD_SIGMOID -> torch.hardsigmoid(excited);
    };
  }

  private Tensor squeezed(Tensor x) {
    return switch (squeeze) {
      case AVG -> Pooling.average(x);
      case MAX -> Pooling.maximum(x);
      case AVGMAX -> Pooling.average(x).add(Pooling.maximum(x)).div(new Scalar(2.0));
    };
  }

  @Override
  Value nodes(Graph graph, Value x) {
    Value excited = fc.write(graph, graph.node("Flatten", squeezed(graph, x)));
    Value gates =
        switch (excitation) {
          case SIGMOID -> graph.node("Sigmoid", excited);
          case RELU -> graph.node("Relu", excited);
          case TANH -> graph.node("Tanh", excited);
          case HARD_SIGMOID ->
              graph.node("HardSigmoid", Map.of("alpha", 1 / 6.0, "beta", 0.5), excited);
        };
    return graph.node("Mul", x, Pooling.perChannel(graph, gates, dimensions));
  }

  private Value squeezed(Graph graph, Value x) {
    return switch (squeeze) {
      case AVG -> Pooling.average(graph, x);
      case MAX -> Pooling.maximum(graph, x);
      case AVGMAX ->
          graph.node(
              "Div",
              graph.node("Add", Pooling.average(graph, x), Pooling.maximum(graph, x)),
              graph.number(2));
    };
  }

  @Override
  AttentionMaps maps(Tensor x) {
    return AttentionMaps.ofGates(Scopes.compute(() -> gates(x)), null);
  }

  /** What squeeze-and-excitation can be told. */
  public static final class Builder {
    private final long channels;
    private final int dimensions;
    private int reduction = 16;
    private boolean bias;
    private Squeeze squeeze = Squeeze.AVG;
    private Excitation excitation = Excitation.SIGMOID;
    private int divisor = 1;

    private Builder(long channels, int dimensions) {
      this.channels = Preconditions.atLeast(1, NAME, "channels", channels);
      this.dimensions = Preconditions.dimensions(NAME, dimensions);
    }

    /** By how much the first layer reduces the channels, default 16, at least 1. */
    public Builder reduction(int reduction) {
      this.reduction = Preconditions.atLeast(1, NAME, "reduction", reduction);
      return this;
    }

    /** Whether the two layers have biases, as in the authors' networks; default false. */
    public Builder bias(boolean bias) {
      this.bias = bias;
      return this;
    }

    /** How a channel becomes one number, default the mean. */
    public Builder squeeze(Squeeze squeeze) {
      this.squeeze = Preconditions.notNull(NAME, "squeeze", squeeze);
      return this;
    }

    /** The function that makes the gate, default the logistic. */
    public Builder excitation(Excitation excitation) {
      this.excitation = Preconditions.notNull(NAME, "excitation", excitation);
      return this;
    }

    /**
     * What the reduced width is rounded to a multiple of, default 1. It is not rounded down by more
     * than a tenth, and is at least the divisor.
     */
    public Builder divisor(int divisor) {
      this.divisor = Preconditions.atLeast(1, NAME, "divisor", divisor);
      return this;
    }

    /** Makes the module, freshly initialised. */
    public SqueezeExcitation build() {
      return new SqueezeExcitation(this);
    }
  }
}
