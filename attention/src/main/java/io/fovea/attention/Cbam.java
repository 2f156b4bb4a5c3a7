package io.fovea.attention;

import static io.fovea.attention.Option.atLeast;
import static io.fovea.attention.Option.odd;

import io.fovea.attention.fast.CbamKernels;
import io.fovea.attention.fast.GatesInPlace;
import io.fovea.nn.Activation;
import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;

/**
 * The convolutional block attention module: a gate for each channel, then one for each position.
 *
 * <p>Woo, Park, Lee, Kweon: <a href="https://arxiv.org/abs/1807.06521">CBAM</a>, section 3. As in
 * the reference implementation, there are no biases and no batch norm after the spatial
 * convolution; the authors' networks have both ({@code bias}, {@code norm}). Differences from the
 * reference: there may be any number of spatial dimensions and any odd kernel, and the reduced
 * width is at least 1. The variants that the paper compares in section 4.1 are options: {@code
 * pool}, {@code spatial_pool}, {@code order}, {@code branches}. Two copies are options as well: {@code
 * kernel=49,spatial_bias=true,residual=true} is fightingcv's, which adds x, and {@code
 * spatial_bias=true} that of YOLO forks. Both have the maximum first in {@code sa.conv}. {@code explain}
 * shows c and s, to which a residual adds 1.
 *
 * <p>Parameters: {@code ca.sharedMLP.0.weight [C/r, C, 1...]}, {@code ca.sharedMLP.2.weight [C, C/r,
 * 1...]}, {@code sa.conv.weight [1, 2, k...]}, with {@code bias} also {@code ca.sharedMLP.0.bias},
 * {@code ca.sharedMLP.2.bias}, with {@code norm} also {@code sa.bn}, with {@code spatial_bias} {@code
 * sa.conv.bias}. With one pool, or none, {@code
 * sa.conv.weight} is {@code [1, 1, k...]}; with {@code spatial_pool=conv} there is also {@code
 * sa.reduce.weight [1, C, 1...]}.
 */
final class Cbam extends Attention {
  private static final double NORM_MOMENTUM = 0.01; // as in the authors' code

  private static final Option<Branches> BRANCHES =
      Option.choice("branches", Branches.BOTH, "the gates: channel, spatial or both");
  private static final Option<Integer> REDUCTION =
      atLeast(
              1,
              Option.integer(
                  "reduction", 16, "the factor by which the shared MLP reduces the channels"))
          .onlyWith(BRANCHES, Branches::channel);
  private static final Option<Boolean> BIAS =
      Option.flag("bias", false, "whether the shared MLP has biases, as in the authors' networks")
          .onlyWith(BRANCHES, Branches::channel);
  private static final Option<Integer> KERNEL =
      odd(Option.integer("kernel", 7, "the kernel size of the spatial convolution"))
          .onlyWith(BRANCHES, Branches::spatial);
  private static final Option<Boolean> NORM =
      Option.flag("norm", false, "whether a batch norm follows it, as in the authors' networks")
          .onlyWith(BRANCHES, Branches::spatial);
  private static final Option<Boolean> SPATIAL_BIAS =
      Option.flag("spatial_bias", false, "whether that convolution has a bias, as in copies")
          .onlyWith(BRANCHES, Branches::spatial);
  private static final Option<Boolean> RESIDUAL =
      Option.flag("residual", false, "whether x is added, as in fightingcv's copy");
  private static final Option<Pool> POOL =
      Option.choice("pool", Pool.AVGMAX, "the pooling of both gates (table 1)");
  private static final Option<SpatialPool> SPATIAL_POOL =
      Option.choice("spatial_pool", SpatialPool.AVGMAX, "the pooling of the spatial gate (table 2)")
          .byDefault(settings -> SpatialPool.valueOf(settings.get(POOL).name()))
          .onlyWith(BRANCHES, Branches::spatial);
  private static final Option<Order> ORDER =
      Option.choice("order", Order.CHANNEL_FIRST, "the order of the gates (table 3)")
          .onlyWith(BRANCHES, branches -> branches == Branches.BOTH);

  static final Mechanism MECHANISM =
      Mechanism.named("cbam", "Convolutional block attention module")
          .paper("1807.06521")
          .summary("gates each channel, then each position")
          .equation(
              """
              c = σ(MLP(mean(x)) + MLP(max(x)))               over positions
              s = σ(conv([mean(c·x), max(c·x)]))               over channels
              y = s · c · x
              """)
          .cost(
              "2·C·d + 2·kernel²; d = max(1, C / reduction)",
              "4·C·d + 2·kernel²·N; d = max(1, C / reduction)")
          .code("authors", "Jongchan/attention-module", "459efad", "MODELS/cbam.py")
          .code(
              "reference",
              "pprp/awesome-attention-mechanism-in-cv",
              "59997fe",
              "AttentionModule/CBAM/cbam.py")
          .variant(
              "cbam:bias=true,norm=true",
              "the authors' networks; they have the maximum first in sa.conv, so the two"
                  + " channels are swapped")
          .variant(
              "cbam:kernel=49,spatial_bias=true,residual=true",
              "fightingcv, with the two channels of sa.conv swapped")
          .variant("cbam:spatial_bias=true", "YOLO, with the two channels of sa.conv swapped")
          .copy(
              "fightingcv d75848e",
              "adds x: the output minus s · c · x is x (difference 4.4e-16). Its spatial"
                  + " convolution is 49 x 49 unless told otherwise, has a bias, and takes the"
                  + " maximum first")
          .copy(
              "YOLO cb1b621",
              "does not add x (difference 0), but its spatial convolution has a bias, and"
                  + " takes the maximum first")
          .options(
              REDUCTION,
              BIAS,
              KERNEL,
              NORM,
              SPATIAL_BIAS,
              POOL,
              SPATIAL_POOL,
              ORDER,
              BRANCHES,
              RESIDUAL)
          .place(Mechanism.Place.BLOCK)
          .registeredInTheBlock()
          .shows(Mechanism.Shows.CHANNEL_GATES, Mechanism.Shows.SPATIAL_GATES)
          .comparedByDefault()
          .written(
              Written.here(Cbam::read),
              Written.by(
                      "the authors",
                      Cbam::read,
                      "^ChannelGate\\.mlp\\.1\\.",
                      "ca.sharedMLP.0.",
                      "^ChannelGate\\.mlp\\.3\\.",
                      "ca.sharedMLP.2.",
                      "^SpatialGate\\.spatial\\.",
                      "sa.")
                  .reversed("sa.conv.weight"),
              Written.by(
                  "timm",
                  Cbam::read,
                  "^channel\\.fc1\\.",
                  "ca.sharedMLP.0.",
                  "^channel\\.fc2\\.",
                  "ca.sharedMLP.2.",
                  "^spatial\\.conv\\.",
                  "sa."),
              Written.by(
                  "luuuyi and changzy00",
                  Cbam::read,
                  "^ca\\.fc\\.",
                  "ca.sharedMLP.",
                  "^ca\\.fc1\\.",
                  "ca.sharedMLP.0.",
                  "^ca\\.fc2\\.",
                  "ca.sharedMLP.2.",
                  "^sa\\.conv1\\.",
                  "sa.conv."),
              Written.refused(
                  "fightingcv",
                  "it adds x to its result and its spatial convolution has a bias",
                  "ca\\.se\\.[02]\\.weight",
                  "sa\\.conv\\.(weight|bias)"))
          .madeBy(Cbam::new);

  /** The options that names and shapes tell. */
  private static Stream<String> read(ModuleState s) {
    String first = "ca.sharedMLP.0.";
    String branches =
        !s.has(first + "weight") ? "spatial" : s.has("sa.conv.weight") ? "both" : "channel";
    String pool =
        s.has("sa.reduce.weight") ? "conv" : s.size("sa.conv.weight", 1) == 1 ? "avg" : "avgmax";
    String spatial =
        ",kernel="
            + s.size("sa.conv.weight", 2)
            + ",norm="
            + s.has("sa.bn.weight")
            + ",spatial_pool="
            + pool;
    String kind = "branches=" + branches + (branches.equals("channel") ? "" : spatial);
    return branches.equals("spatial")
        ? Stream.of(kind)
        : s.reductions(first + "weight")
            .map(reduction -> kind + ",reduction=" + reduction + ",bias=" + s.has(first + "bias"));
  }

  /** The pooling for the channel gates. */
  enum Pool {
    AVGMAX,
    AVG,
    MAX
  }

  /** The pooling for the spatial gate; CONV is a learnt sum of the channels. */
  enum SpatialPool {
    AVGMAX,
    AVG,
    MAX,
    CONV
  }

  /**
   * The order of the gates: the later gate is computed from the scaled feature map; in parallel,
   * both are computed from the input.
   */
  enum Order {
    CHANNEL_FIRST,
    SPATIAL_FIRST,
    PARALLEL
  }

  private final Pool pool;
  private final SpatialPool spatialPool;
  private final Order order;
  private final Branches branches;
  private final boolean residual;
  private final Module ca = new Module("ca"); // gives the parameters their names
  private final Module sa = new Module("sa");
  private Sequence sharedMlp;
  private Convolution reduce;
  private Convolution conv;
  private BatchNorm norm;

  private Cbam(Settings settings) {
    super(settings);
    pool = settings.get(POOL);
    spatialPool = settings.get(SPATIAL_POOL);
    order = settings.get(ORDER);
    branches = settings.get(BRANCHES);
    residual = settings.get(RESIDUAL);
    if (branches.channel()) {
      long reduced = settings.reduced(REDUCTION);
      sharedMlp =
          new Sequence()
              .add("0", pointwise(channels(), reduced, settings.get(BIAS)))
              .add("1", Activation.RELU)
              .add("2", pointwise(reduced, channels(), settings.get(BIAS)));
      ca.register_module("sharedMLP", sharedMlp);
      register_module("ca", ca);
    }
    if (branches.spatial()) {
      if (spatialPool == SpatialPool.CONV) {
        reduce = pointwise(channels(), 1, false);
        sa.register_module("reduce", reduce);
      }
      int kernel = settings.get(KERNEL);
      conv =
          Convolution.builder(dimensions(), spatialPool == SpatialPool.AVGMAX ? 2 : 1, 1, kernel)
              .padding(kernel / 2)
              .bias(settings.get(SPATIAL_BIAS))
              .build();
      sa.register_module("conv", conv);
      if (settings.get(NORM)) {
        norm = new BatchNorm(1, BatchNorm.EPSILON, NORM_MOMENTUM);
        sa.register_module("bn", norm);
      }
      register_module("sa", sa);
    }
    addFastPaths();
  }

  private Convolution pointwise(long in, long out, boolean bias) {
    return Convolution.builder(dimensions(), in, out, 1).bias(bias).build();
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T y = gated(ops, x);
    return residual ? ops.residual(x, y) : y;
  }

  private <T> T gated(Ops<T> ops, T x) {
    return switch (order) {
      case CHANNEL_FIRST -> spatially(ops, channelwise(ops, x));
      case SPATIAL_FIRST -> channelwise(ops, spatially(ops, x));
      case PARALLEL -> ops.gate(channelwise(ops, x), spatialGates(ops, x));
    };
  }

  private <T> T channelwise(Ops<T> ops, T x) {
    return branches.channel() ? ops.gate(x, channelGates(ops, x)) : x;
  }

  private <T> T spatially(Ops<T> ops, T x) {
    return branches.spatial() ? ops.gate(x, spatialGates(ops, x)) : x;
  }

  /** {@code [B, C, spatial...] -> [B, C, 1...]}. */
  <T> T channelGates(Ops<T> ops, T x) {
    return ops.sigmoid(
        switch (pool) {
          case AVGMAX -> ops.add(mlp(ops, ops.mean(x), x), mlp(ops, ops.max(x), x));
          case AVG -> mlp(ops, ops.mean(x), x);
          case MAX -> mlp(ops, ops.max(x), x);
        });
  }

  private <T> T mlp(Ops<T> ops, T pooled, T x) {
    return sharedMlp.apply(ops, ops.perChannel(pooled, x));
  }

  /** {@code [B, C, spatial...] -> [B, 1, spatial...]}. */
  <T> T spatialGates(Ops<T> ops, T x) {
    T descriptor =
        switch (spatialPool) {
          case AVGMAX -> ops.concat(1, ops.mean(x, 1), ops.max(x, 1));
          case AVG -> ops.mean(x, 1);
          case MAX -> ops.max(x, 1);
          case CONV -> reduce.apply(ops, x);
        };
    T scores = conv.apply(ops, descriptor);
    return ops.sigmoid(norm == null ? scores : norm.apply(ops, scores));
  }

  @Override
  protected void checkShape(long[] shape) {
    if (norm != null) {
      refuseSingleValue(
          valuesPerChannel(shape), shape, "its spatial gate normalises over batch and positions");
    }
  }

  private void addFastPaths() {
    if (order == Order.PARALLEL || residual) {
      return;
    }
    boolean asInTheReference =
        branches == Branches.BOTH
            && norm == null
            && conv.bias().isEmpty()
            && pool == Pool.AVGMAX
            && spatialPool == SpatialPool.AVGMAX
            && order == Order.CHANNEL_FIRST;
    if (asInTheReference) {
      faster(new CbamKernels(sharedMlp, conv));
    }
    List<UnaryOperator<Tensor>> gates = new ArrayList<>();
    if (branches.channel()) {
      gates.add(x -> channelGates(tensors(), x));
    }
    if (branches.spatial()) {
      gates.add(order == Order.SPATIAL_FIRST ? 0 : gates.size(), x -> spatialGates(tensors(), x));
    }
    faster(new GatesInPlace(this, gates, () -> norm == null || !norm.is_training()));
  }
}
