package io.fovea.attention;

import io.fovea.attention.fast.Affines;
import io.fovea.attention.fast.CustomGradient;
import io.fovea.attention.fast.KernelMaps;
import io.fovea.attention.fast.Kernels;
import io.fovea.nn.Activation;
import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.nn.Linear;
import io.fovea.nn.Pooling;
import io.fovea.nn.Sequence;
import io.fovea.tensor.Scopes;
import io.fovea.tensor.internal.Gradients;
import io.fovea.tensor.internal.Macs;
import io.fovea.tensor.internal.Preconditions;
import java.util.List;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * The bottleneck attention module: a channel branch and a dilated spatial branch, side by side.
 *
 * <pre>  y = x · (1 + σ(channel(mean(x)) ∘ spatial(x)))      ∘ is × or +</pre>
 *
 * <p>Park, Woo, Lee, Kweon: <a href="https://arxiv.org/abs/1807.06514">BAM</a>, section 3. The
 * reference code multiplies the branches ({@code combine=multiply}, the default); the paper adds them
 * ({@code combine=add}). With one branch only ({@code branches}), that branch is the gate. Differences:
 * global pooling on any shape where the reference implementation's pooling needs a
 * square, any number of spatial dimensions, and the reduced width is at least 1.
 *
 * <p>In training mode the channel branch normalises over the batch, so it needs at least two images.
 *
 * <p>Parameters: {@code channel_att.gate_c.gate_c_fc_i}, {@code gate_c_bn_(i+1)}, {@code
 * gate_c_fc_final}; {@code spatial_att.gate_s.gate_s_conv_reduce0}, {@code gate_s_bn_reduce0}, {@code
 * gate_s_conv_di_i}, {@code gate_s_bn_di_i}, {@code gate_s_conv_final}.
 */
public final class Bam extends Attention {
  private static final String NAME = "bam";

  /** Reduced channels up to which kernels were as fast as libtorch's convolutions, or faster. */
  private static final long WIDEST = 32;

  /** Floats of an image's reduced maps up to which kernels keep them in Java's memory, for each thread. */
  private static final long LARGEST = 1 << 22;

  static final Mechanism<Builder> MECHANISM =
      new Mechanism<>(NAME, Bam::builder, Builder::build)
          .integer("reduction", Builder::reduction, b -> b.reduction)
          .integer("layers", Builder::layers, b -> b.layers)
          .integer("dilation", Builder::dilation, b -> b.dilation)
          .integer("convs", Builder::convs, b -> b.convs)
          .choice("combine", Combine.class, Builder::combine, b -> b.combine)
          .choice("branches", Branches.class, Builder::branches, b -> b.branches)
          .checked(Builder::check);

  /** How the two branches become one gate. */
  public enum Combine {
    /** Their product, as in the reference code. */
    MULTIPLY,
    /** Their sum, as in the paper's equation 2. */
    ADD,
    /** The larger at each channel and position. */
    MAX
  }

  private final int dimensions;
  private final long reduced;
  private final int layers;
  private final int dilation;
  private final Combine combine;
  private final Branches branches;
  private final Module channelAtt =
      new Module("channel_att"); // only there for the reference implementation's names
  private final Module spatialAtt = new Module("spatial_att");
  private final Sequence channelGate;
  private final Sequence spatialGate;

  private Bam(Builder b) {
    super(MECHANISM.specOf(b), b.channels, b.dimensions);
    dimensions = b.dimensions;
    reduced = Preconditions.reduced(b.channels, b.reduction);
    layers = b.layers;
    dilation = b.dilation;
    combine = b.combine;
    branches = b.branches;
    channelGate = branches.channel() ? channelBranch(b, reduced) : null;
    spatialGate = branches.spatial() ? spatialBranch(b, reduced) : null;
    if (branches.channel()) {
      channelAtt.register_module("gate_c", channelGate);
      register_module("channel_att", channelAtt);
    }
    if (branches.spatial()) {
      spatialAtt.register_module("gate_s", spatialGate);
      register_module("spatial_att", spatialAtt);
    }
  }

  private static Sequence channelBranch(Builder b, long reduced) {
    Sequence gate = new Sequence();
    long width = b.channels;
    for (int i = 0; i < b.layers; i++) {
      gate.add("gate_c_fc_" + i, new Linear(width, reduced, true))
          .add("gate_c_bn_" + (i + 1), new BatchNorm(reduced))
          .add("gate_c_relu_" + (i + 1), Activation.RELU);
      width = reduced;
    }
    return gate.add("gate_c_fc_final", new Linear(width, b.channels, true));
  }

  private static Sequence spatialBranch(Builder b, long reduced) {
    Sequence gate =
        new Sequence()
            .add(
                "gate_s_conv_reduce0",
                Convolution.builder(b.dimensions, b.channels, reduced, 1).build())
            .add("gate_s_bn_reduce0", new BatchNorm(reduced))
            .add("gate_s_relu_reduce0", Activation.RELU);
    for (int i = 0; i < b.convs; i++) {
      gate.add(
              "gate_s_conv_di_" + i,
              Convolution.builder(b.dimensions, reduced, reduced, 3)
                  .padding(b.dilation)
                  .dilation(b.dilation)
                  .build())
          .add("gate_s_bn_di_" + i, new BatchNorm(reduced))
          .add("gate_s_relu_di_" + i, Activation.RELU);
    }
    return gate.add("gate_s_conv_final", Convolution.builder(b.dimensions, reduced, 1, 1).build());
  }

  /**
   * Starts BAM with the defaults.
   *
   * @param channels the channels {@code C} of the feature map
   * @param dimensions its spatial dimensions: 1, 2 or 3
   */
  public static Builder builder(long channels, int dimensions) {
    return new Builder(channels, dimensions);
  }

  @Override
  Tensor attend(Tensor x) {
    return switch (branches) {
      case CHANNEL -> gated(x, Pooling.perChannel(channel(x), x));
      case SPATIAL -> gated(x, spatial(x));
      case BOTH -> {
        if (!kernelsSupport(x)) {
          yield plain(x, channel(x), spatial(x));
        }
        yield kernelsServeAll(x) ? byKernels(x) : endByKernels(x, channel(x), spatial(x));
      }
    };
  }

  private static Tensor gated(Tensor x, Tensor combined) {
    return combined.sigmoid().add(new Scalar(1.0)).mul(x);
  }

  /** By libtorch's operators: any way to combine, any tensor. */
  Tensor plain(Tensor x, Tensor channel, Tensor spatial) {
    Tensor perChannel = Pooling.perChannel(channel, x);
    return gated(
        x,
        switch (combine) {
          case MULTIPLY -> perChannel.mul(spatial);
          case ADD -> perChannel.add(spatial);
          case MAX -> torch.maximum(perChannel, spatial);
        });
  }

  /** The reference implementation's way to combine. */
  private boolean kernelsSupport(Tensor x) {
    return combine == Combine.MULTIPLY && Kernels.inUse().isPresent() && KernelMaps.supports(x);
  }

  /** Both branches on planes, in evaluation mode and without gradients. */
  private boolean kernelsServeAll(Tensor x) {
    return x.dim() == 4
        && reduced <= WIDEST
        && reduced * x.size(2) * x.size(3) <= LARGEST
        && !channelGate.normalisesByBatch()
        && !spatialGate.normalisesByBatch()
        && !Gradients.needed(this, x);
  }

  private Tensor byKernels(Tensor x) {
    List<Kernels.Affine> channel = Affines.of(channelGate);
    List<Kernels.Affine> spatial = Affines.of(spatialGate);
    int last = spatial.size() - 1;
    Kernels.BamWeights weights =
        new Kernels.BamWeights(
            channel, spatial.get(0), spatial.subList(1, last), dilation, spatial.get(last));
    Kernels.Shape shape = KernelMaps.shape(x);
    Tensor y = torch.empty_like(x);
    Kernels.inUse().orElseThrow().bam(shape, weights, KernelMaps.memory(x), KernelMaps.memory(y));
    Macs.add(shape.images() * (macs(channel) + (long) shape.positions() * macs(spatial)));
    return y;
  }

  private static long macs(List<Kernels.Affine> layers) {
    return layers.stream().mapToLong(layer -> layer.weights().length).sum();
  }

  private static Tensor endByKernels(Tensor x, Tensor channel, Tensor spatial) {
    Kernels kernels = Kernels.inUse().orElseThrow();
    Kernels.Shape shape = KernelMaps.shape(x);
    float[] ofChannels = KernelMaps.copy(channel);
    float[] ofPositions = KernelMaps.copy(spatial);
    Tensor y = torch.empty_like(x.detach());
    kernels.bamEnd(shape, ofChannels, ofPositions, KernelMaps.memory(x), KernelMaps.memory(y));
    List<Tensor> inputs = List.of(x, channel, spatial);
    if (Gradients.needed(inputs)) {
      Tensor input = x.detach();
      long[] channelShape = channel.shape(); // the tensors themselves are gone when it comes back
      long[] spatialShape = spatial.shape();
      CustomGradient.attach(
          y,
          inputs,
          List.of(input),
          dy -> {
            Tensor dx = torch.empty_like(input);
            Kernels.BamGradients computed =
                kernels.bamEndGradient(
                    shape,
                    ofChannels,
                    ofPositions,
                    KernelMaps.memory(input),
                    KernelMaps.memory(dy),
                    KernelMaps.memory(dx));
            return List.of(
                dx,
                Tensor.create(computed.channel()).view(channelShape),
                Tensor.create(computed.spatial()).view(spatialShape));
          });
    }
    return y;
  }

  /** {@code [B, C, spatial...] -> [B, C]}. */
  Tensor channel(Tensor x) {
    return channelGate.forward(Pooling.average(x));
  }

  /** {@code [B, C, spatial...] -> [B, 1, spatial...]}. */
  Tensor spatial(Tensor x) {
    return spatialGate.forward(x);
  }

  @Override
  Value nodes(Graph graph, Value x) {
    Value gates = graph.node("Sigmoid", combined(graph, x));
    return graph.node("Mul", graph.node("Add", gates, graph.number(1)), x);
  }

  private Value combined(Graph graph, Value x) {
    return switch (branches) {
      case CHANNEL -> channel(graph, x);
      case SPATIAL -> spatialGate.write(graph, x);
      case BOTH -> {
        String operator =
            switch (combine) {
              case MULTIPLY -> "Mul";
              case ADD -> "Add";
              case MAX -> "Max";
            };
        yield graph.node(operator, channel(graph, x), spatialGate.write(graph, x));
      }
    };
  }

  private Value channel(Graph graph, Value x) {
    Value means = graph.node("Flatten", Pooling.average(graph, x));
    return Pooling.perChannel(graph, channelGate.write(graph, means), dimensions);
  }

  @Override
  AttentionMaps maps(Tensor x) {
    return AttentionMaps.ofGates(
        branches.channel() ? Scopes.compute(() -> channel(x)) : null,
        branches.spatial() ? Scopes.compute(() -> spatial(x)) : null);
  }

  @Override
  void checkShape(long[] shape) {
    if (branches.channel() && layers > 0) {
      refuseSingleValue(shape[0], shape, "its channel branch normalises over the batch");
    }
    if (branches.spatial()) {
      refuseSingleValue(
          valuesPerChannel(shape), shape, "its spatial branch normalises over batch and positions");
    }
  }

  /** What BAM can be told. */
  public static final class Builder {
    private final long channels;
    private final int dimensions;
    private int reduction = 16;
    private int layers = 1;
    private int dilation = 4;
    private int convs = 2;
    private Combine combine = Combine.MULTIPLY;
    private Branches branches = Branches.BOTH;

    private Builder(long channels, int dimensions) {
      this.channels = Preconditions.atLeast(1, NAME, "channels", channels);
      this.dimensions = Preconditions.dimensions(NAME, dimensions);
    }

    /** By how much both branches reduce the channels, default 16, at least 1. */
    public Builder reduction(int reduction) {
      this.reduction = Preconditions.atLeast(1, NAME, "reduction", reduction);
      return this;
    }

    /** Hidden layers of the channel branch, default 1, at least 0. */
    public Builder layers(int layers) {
      this.layers = Preconditions.atLeast(0, NAME, "layers", layers);
      return this;
    }

    /** Dilation of the spatial branch's 3-wide convolutions, default 4, at least 1. */
    public Builder dilation(int dilation) {
      this.dilation = Preconditions.atLeast(1, NAME, "dilation", dilation);
      return this;
    }

    /** How many dilated convolutions the spatial branch has, default 2, at least 0. */
    public Builder convs(int convs) {
      this.convs = Preconditions.atLeast(0, NAME, "convs", convs);
      return this;
    }

    /** How the branches become one gate, default their product. */
    public Builder combine(Combine combine) {
      this.combine = Preconditions.notNull(NAME, "combine", combine);
      return this;
    }

    /** Which branches there are, default both. Options of a branch that is not there must be left alone. */
    public Builder branches(Branches branches) {
      this.branches = Preconditions.notNull(NAME, "branches", branches);
      return this;
    }

    private void check() {
      Builder defaults = new Builder(channels, dimensions);
      if (branches != Branches.BOTH) {
        branches.refuse("combine", combine != defaults.combine);
      }
      if (!branches.channel()) {
        branches.refuse("layers", layers != defaults.layers);
      }
      if (!branches.spatial()) {
        branches.refuse("dilation", dilation != defaults.dilation);
        branches.refuse("convs", convs != defaults.convs);
      }
    }

    /** Makes the module, freshly initialised. */
    public Bam build() {
      return new Bam(this);
    }
  }
}
