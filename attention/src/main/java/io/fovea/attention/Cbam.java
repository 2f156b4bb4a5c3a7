package io.fovea.attention;

import io.fovea.attention.fast.CbamKernels;
import io.fovea.nn.Activation;
import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.nn.Pooling;
import io.fovea.nn.Sequence;
import io.fovea.tensor.Scopes;
import io.fovea.tensor.internal.ChannelsLast;
import io.fovea.tensor.internal.Gradients;
import io.fovea.tensor.internal.Preconditions;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * The convolutional block attention module: a gate for each channel, then one for each position.
 *
 * <pre>
 *   c = σ(MLP(mean(x)) + MLP(max(x)))               over positions
 *   s = σ(conv([mean(c·x), max(c·x)]))               over channels
 *   y = s · c · x
 * </pre>
 *
 * <p>Woo, Park, Lee, Kweon: <a href="https://arxiv.org/abs/1807.06521">CBAM</a>, section 3. As in the
 * reference code there are no biases and no batch norm after the spatial convolution; the authors'
 * networks have both ({@code bias}, {@code norm}). Differences: any number of spatial dimensions,
 * any odd kernel, and the reduced width is at least 1. The variants that the paper compares in its
 * section 4.1 are options: {@code pool}, {@code spatial_pool}, {@code order}, {@code branches}.
 *
 * <p>Parameters: {@code ca.sharedMLP.0.weight [C/r, C, 1...]}, {@code ca.sharedMLP.2.weight [C, C/r,
 * 1...]}, {@code sa.conv.weight [1, 2, k...]}, with {@code bias} also {@code ca.sharedMLP.0.bias},
 * {@code ca.sharedMLP.2.bias}, with {@code norm} also {@code sa.bn}. With one pool, or none, {@code sa.conv.weight} is {@code [1, 1, k...]}; with
 * {@code spatial_pool=conv} there is also {@code sa.reduce.weight [1, C, 1...]}.
 */
public final class Cbam extends Attention {
  private static final String NAME = "cbam";
  private static final double NORM_EPSILON = 1e-5; // both as in the authors' code
  private static final double NORM_MOMENTUM = 0.01;

  static final Mechanism<Builder> MECHANISM =
      new Mechanism<>(NAME, Cbam::builder, Builder::build)
          .integer("reduction", Builder::reduction, b -> b.reduction)
          .flag("bias", Builder::bias, b -> b.bias)
          .integer("kernel", Builder::kernel, b -> b.kernel)
          .flag("norm", Builder::norm, b -> b.norm)
          .choice("pool", Pool.class, Builder::pool, b -> b.pool)
          .choice("spatial_pool", SpatialPool.class, Builder::spatialPool, Builder::ofSpatialPool)
          .choice("order", Order.class, Builder::order, b -> b.order)
          .choice("branches", Branches.class, Builder::branches, b -> b.branches)
          .checked(Builder::check);

  /** What the gate of a channel is computed from (the paper's table 1). */
  public enum Pool {
    /** Its mean and its maximum. */
    AVGMAX,
    /** Its mean. */
    AVG,
    /** Its maximum. */
    MAX
  }

  /** What the gate of a position is computed from (the paper's table 2). */
  public enum SpatialPool {
    /** The mean and the maximum over its channels. */
    AVGMAX,
    /** The mean over its channels. */
    AVG,
    /** The maximum over its channels. */
    MAX,
    /** A learnt sum of its channels: a 1x1 convolution to one channel. */
    CONV
  }

  /** How the two gates follow one another (the paper's table 3). */
  public enum Order {
    /** The gates of the positions see the map with its channels gated. */
    CHANNEL_FIRST,
    /** The gates of the channels see the map with its positions gated. */
    SPATIAL_FIRST,
    /** Both see the input, {@code y = s(x) · c(x) · x}. */
    PARALLEL
  }

  /** From how many values on images are computed one by one: six passes over what is in a cache. */
  private static final long LARGE = 1 << 19;

  private final Pool pool;
  private final SpatialPool spatialPool;
  private final Order order;
  private final Branches branches;
  private final Module ca = new Module("ca"); // only there for the reference implementation's names
  private final Module sa = new Module("sa");
  private final Sequence sharedMlp;
  private final Convolution reduce;
  private final Convolution conv;
  private final BatchNorm norm;
  private final CbamKernels byKernels;

  private Cbam(Builder b) {
    super(MECHANISM.specOf(b), b.channels, b.dimensions);
    pool = b.pool;
    spatialPool = b.ofSpatialPool();
    order = b.order;
    branches = b.branches;
    long reduced = Preconditions.reduced(b.channels, b.reduction);
    Convolution in = branches.channel() ? pointwise(b, b.channels, reduced) : null;
    Convolution out = branches.channel() ? pointwise(b, reduced, b.channels) : null;
    sharedMlp =
        branches.channel()
            ? new Sequence().add("0", in).add("1", Activation.RELU).add("2", out)
            : null;
    reduce =
        branches.spatial() && spatialPool == SpatialPool.CONV
            ? Convolution.builder(b.dimensions, b.channels, 1, 1).bias(false).build()
            : null;
    conv = branches.spatial() ? spatialConvolution(b, spatialPool) : null;
    norm = b.norm ? new BatchNorm(1, NORM_EPSILON, NORM_MOMENTUM) : null;
    boolean asTheReference =
        branches == Branches.BOTH
            && norm == null
            && pool == Pool.AVGMAX
            && spatialPool == SpatialPool.AVGMAX
            && order == Order.CHANNEL_FIRST;
    byKernels = asTheReference ? new CbamKernels(in, out, conv) : null;
    if (branches.channel()) {
      ca.register_module("sharedMLP", sharedMlp);
      register_module("ca", ca);
    }
    if (branches.spatial()) {
      if (reduce != null) {
        sa.register_module("reduce", reduce);
      }
      sa.register_module("conv", conv);
      if (norm != null) {
        sa.register_module("bn", norm);
      }
      register_module("sa", sa);
    }
  }

  private static Convolution pointwise(Builder b, long in, long out) {
    return Convolution.builder(b.dimensions, in, out, 1).bias(b.bias).build();
  }

  private static Convolution spatialConvolution(Builder b, SpatialPool pool) {
    return Convolution.builder(b.dimensions, pool == SpatialPool.AVGMAX ? 2 : 1, 1, b.kernel)
        .padding(b.kernel / 2)
        .bias(false)
        .build();
  }

  /**
   * Starts CBAM with the defaults.
   *
   * @param channels the channels {@code C} of the feature map
   * @param dimensions its spatial dimensions: 1, 2 or 3
   */
  public static Builder builder(long channels, int dimensions) {
    return new Builder(channels, dimensions);
  }

  @Override
  Tensor attend(Tensor x) {
    return kernelsSupport(x) ? byKernels.attend(x, null, false) : plain(x);
  }

  private boolean kernelsSupport(Tensor... maps) {
    return byKernels != null && byKernels.supports(maps);
  }

  @Override
  boolean takesChannelsLast(Tensor x) {
    return kernelsSupport(x);
  }

  @Override
  Tensor attendResidual(Tensor x, Tensor shortcut) {
    return kernelsSupport(x, shortcut)
        ? byKernels.attend(x, shortcut, false)
        : super.attendResidual(x, shortcut);
  }

  @Override
  Tensor attendResidualOver(Tensor x, Tensor shortcut) {
    return kernelsSupport(x, shortcut)
        ? byKernels.attend(x, shortcut, ChannelsLast.is(x))
        : super.attendResidualOver(x, shortcut);
  }

  /** By libtorch's operators: any order, any pools, any tensor. */
  Tensor plain(Tensor x) {
    if (Gradients.needed(this, x)) {
      return gated(x, null);
    }
    Tensor y = torch.empty_like(x);
    boolean apart = norm == null || !norm.is_training(); // else it needs all images at once
    if (apart && x.numel() / x.size(0) >= LARGE) {
      for (long i = 0; i < x.size(0); i++) {
        try (PointerScope scope = new PointerScope()) {
          gated(x.narrow(0, i, 1), y.narrow(0, i, 1));
        }
      }
    } else {
      gated(x, y);
    }
    return y;
  }

  /** The module, in the memory of {@code y}; in that of its results where that is null. */
  private Tensor gated(Tensor x, Tensor y) {
    return switch (order) {
      case CHANNEL_FIRST -> spatially(channelwise(x, y), y);
      case SPATIAL_FIRST -> channelwise(spatially(x, y), y);
      case PARALLEL -> scaled(channelwise(x, y), spatialGates(x), y);
    };
  }

  private Tensor channelwise(Tensor x, Tensor y) {
    return branches.channel() ? scaled(x, channelGates(x), y) : x;
  }

  private Tensor spatially(Tensor x, Tensor y) {
    return branches.spatial() ? scaled(x, spatialGates(x), y) : x;
  }

  private static Tensor scaled(Tensor x, Tensor gates, Tensor y) {
    return y == null ? gates.mul(x) : torch.mul_out(y, gates, x);
  }

  /** {@code [B, C, spatial...] -> [B, C, 1...]}. */
  Tensor channelGates(Tensor x) {
    return switch (pool) {
      case AVGMAX -> mlp(Pooling.average(x), x).add(mlp(Pooling.maximum(x), x)).sigmoid();
      case AVG -> mlp(Pooling.average(x), x).sigmoid();
      case MAX -> mlp(Pooling.maximum(x), x).sigmoid();
    };
  }

  private Tensor mlp(Tensor pooled, Tensor like) {
    return sharedMlp.forward(Pooling.perChannel(pooled, like));
  }

  /** {@code [B, C, spatial...] -> [B, 1, spatial...]}. */
  Tensor spatialGates(Tensor x) {
    Tensor scores = conv.forward(descriptor(x));
    return (norm == null ? scores : norm.forward(scores)).sigmoid();
  }

  private Tensor descriptor(Tensor x) {
    return switch (spatialPool) {
      case AVGMAX ->
          torch.cat(new TensorVector(Pooling.channelAverage(x), Pooling.channelMaximum(x)), 1);
      case AVG -> Pooling.channelAverage(x);
      case MAX -> Pooling.channelMaximum(x);
      case CONV -> reduce.forward(x);
    };
  }

  @Override
  Value nodes(Graph graph, Value x) {
    return switch (order) {
      case CHANNEL_FIRST -> spatially(graph, channelwise(graph, x));
      case SPATIAL_FIRST -> channelwise(graph, spatially(graph, x));
      case PARALLEL -> graph.node("Mul", spatialGates(graph, x), channelwise(graph, x));
    };
  }

  private Value channelwise(Graph graph, Value x) {
    return branches.channel() ? graph.node("Mul", channelGates(graph, x), x) : x;
  }

  private Value spatially(Graph graph, Value x) {
    return branches.spatial() ? graph.node("Mul", spatialGates(graph, x), x) : x;
  }

  private Value channelGates(Graph graph, Value x) {
    Value scores =
        switch (pool) {
          case AVGMAX ->
              graph.node(
                  "Add",
                  sharedMlp.write(graph, Pooling.average(graph, x)),
                  sharedMlp.write(graph, Pooling.maximum(graph, x)));
          case AVG -> sharedMlp.write(graph, Pooling.average(graph, x));
          case MAX -> sharedMlp.write(graph, Pooling.maximum(graph, x));
        };
    return graph.node("Sigmoid", scores);
  }

  private Value spatialGates(Graph graph, Value x) {
    Value descriptor =
        switch (spatialPool) {
          case AVGMAX ->
              graph.node(
                  "Concat",
                  Map.of("axis", 1),
                  Pooling.channelAverage(graph, x),
                  Pooling.channelMaximum(graph, x));
          case AVG -> Pooling.channelAverage(graph, x);
          case MAX -> Pooling.channelMaximum(graph, x);
          case CONV -> reduce.write(graph, x);
        };
    Value scores = conv.write(graph, descriptor);
    return graph.node("Sigmoid", norm == null ? scores : norm.write(graph, scores));
  }

  @Override
  AttentionMaps maps(Tensor x) {
    Tensor channel =
        branches.channel()
            ? Scopes.compute(
                () ->
                    channelGates(order == Order.SPATIAL_FIRST ? spatially(x, null) : x)
                        .flatten(1, -1))
            : null;
    Tensor spatial =
        branches.spatial()
            ? Scopes.compute(
                () -> spatialGates(order == Order.CHANNEL_FIRST ? channelwise(x, null) : x))
            : null;
    return AttentionMaps.ofGates(channel, spatial);
  }

  @Override
  void checkShape(long[] shape) {
    if (norm != null) {
      refuseSingleValue(
          valuesPerChannel(shape), shape, "its spatial gate normalises over batch and positions");
    }
  }

  /** What CBAM can be told. */
  public static final class Builder {
    private final long channels;
    private final int dimensions;
    private int reduction = 16;
    private boolean bias;
    private int kernel = 7;
    private boolean norm;
    private Pool pool = Pool.AVGMAX;
    private SpatialPool spatialPool;
    private Order order = Order.CHANNEL_FIRST;
    private Branches branches = Branches.BOTH;

    private Builder(long channels, int dimensions) {
      this.channels = Preconditions.atLeast(1, NAME, "channels", channels);
      this.dimensions = Preconditions.dimensions(NAME, dimensions);
    }

    /** By how much the shared MLP reduces the channels, default 16, at least 1. */
    public Builder reduction(int reduction) {
      this.reduction = Preconditions.atLeast(1, NAME, "reduction", reduction);
      return this;
    }

    /** Whether the shared MLP has biases, as in the authors' networks; default false. */
    public Builder bias(boolean bias) {
      this.bias = bias;
      return this;
    }

    /** The side of the spatial convolution, default 7, odd. */
    public Builder kernel(int kernel) {
      this.kernel = Preconditions.odd(NAME, "kernel", kernel);
      return this;
    }

    /**
     * Whether a batch norm follows the spatial convolution, as in the authors' networks; default false.
     */
    public Builder norm(boolean norm) {
      this.norm = norm;
      return this;
    }

    /** What both gates are computed from, default mean and maximum. */
    public Builder pool(Pool pool) {
      this.pool = Preconditions.notNull(NAME, "pool", pool);
      return this;
    }

    /** What the gates of the positions are computed from, default the same as {@link #pool}. */
    public Builder spatialPool(SpatialPool spatialPool) {
      this.spatialPool = Preconditions.notNull(NAME, "spatial_pool", spatialPool);
      return this;
    }

    private SpatialPool ofSpatialPool() {
      return spatialPool != null ? spatialPool : SpatialPool.valueOf(pool.name());
    }

    /** How the gates follow one another, default channels first. */
    public Builder order(Order order) {
      this.order = Preconditions.notNull(NAME, "order", order);
      return this;
    }

    /** Which gates there are, default both. Options of one that is not there must be left alone. */
    public Builder branches(Branches branches) {
      this.branches = Preconditions.notNull(NAME, "branches", branches);
      return this;
    }

    private void check() {
      Builder defaults = new Builder(channels, dimensions);
      if (branches != Branches.BOTH) {
        branches.refuse("order", order != defaults.order);
      }
      if (!branches.channel()) {
        branches.refuse("reduction", reduction != defaults.reduction);
        branches.refuse("bias", bias != defaults.bias);
      }
      if (!branches.spatial()) {
        branches.refuse("kernel", kernel != defaults.kernel);
        branches.refuse("norm", norm != defaults.norm);
        branches.refuse("spatial_pool", !ofSpatialPool().name().equals(pool.name()));
      }
    }

    /** Makes the module, freshly initialised. */
    public Cbam build() {
      return new Cbam(this);
    }
  }
}
