package io.fovea.attention;

import static io.fovea.attention.Option.atLeast;

import io.fovea.attention.fast.BamEndKernels;
import io.fovea.attention.fast.BamKernels;
import io.fovea.nn.Activation;
import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import io.fovea.nn.Linear;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Module;

/**
 * The bottleneck attention module: a channel branch and a dilated spatial branch in parallel.
 *
 * <p>Park, Woo, Lee, Kweon: <a href="https://arxiv.org/abs/1807.06514">BAM</a>, section 3. The
 * reference implementation multiplies the branches ({@code combine=multiply}, the default); the
 * paper adds them ({@code combine=add}). With only one branch ({@code branches}), that branch is
 * the gate. Differences from the reference: global pooling works on any shape, not only on squares;
 * there may be any number of spatial dimensions; and the reduced width is at least 1.
 *
 * <p>In training mode the channel branch normalises over the batch, so it needs at least two images.
 *
 * <p>Parameters: {@code channel_att.gate_c.gate_c_fc_i}, {@code gate_c_bn_(i+1)}, {@code
 * gate_c_fc_final}; {@code spatial_att.gate_s.gate_s_conv_reduce0}, {@code gate_s_bn_reduce0}, {@code
 * gate_s_conv_di_i}, {@code gate_s_bn_di_i}, {@code gate_s_conv_final}.
 */
final class Bam extends Attention {
  private static final Option<Branches> BRANCHES =
      Option.choice("branches", Branches.BOTH, "the branches: channel, spatial or both");
  private static final Option<Integer> REDUCTION =
      atLeast(
          1,
          Option.integer("reduction", 16, "the factor by which both branches reduce the channels"));
  private static final Option<Integer> LAYERS =
      atLeast(0, Option.integer("layers", 1, "the number of hidden layers of the channel branch"))
          .onlyWith(BRANCHES, Branches::channel);
  private static final Option<Integer> DILATION =
      atLeast(1, Option.integer("dilation", 4, "the dilation of the spatial branch's convolutions"))
          .onlyWith(BRANCHES, Branches::spatial);
  private static final Option<Integer> CONVS =
      atLeast(0, Option.integer("convs", 2, "the number of dilated convolutions"))
          .onlyWith(BRANCHES, Branches::spatial);
  private static final Option<Combine> COMBINE =
      Option.choice("combine", Combine.MULTIPLY, "the combination of the branches to one gate")
          .onlyWith(BRANCHES, branches -> branches == Branches.BOTH);

  static final Mechanism MECHANISM =
      Mechanism.named("bam", "Bottleneck attention module")
          .paper("1807.06514")
          .summary("gates channels and positions in two parallel branches")
          .equation("y = x · (1 + σ(channel(mean(x)) ∘ spatial(x)))      ∘ is × or +")
          .cost(
              "3·C·d + C + 18·d² + 13·d + 1; d = max(1, C / reduction)",
              "2·C·d + N·(C·d + 18·d² + d); d = max(1, C / reduction)")
          .code("authors and reference", "Jongchan/attention-module", "459efad", "MODELS/bam.py")
          .variant(
              "bam:combine=add",
              "the sum of the branches, as in the paper; the authors' code multiplies them")
          .copy(
              "fightingcv d75848e",
              "pads its dilated convolutions by 1, so that maps shrink: on 7 x 7 its spatial"
                  + " gate has one value for all positions, and on 8 x 8 and 9 x 9 it fails")
          .options(REDUCTION, LAYERS, DILATION, CONVS, COMBINE, BRANCHES)
          .place(Mechanism.Place.STAGE_ENDS)
          .shows(Mechanism.Shows.CHANNEL_GATES, Mechanism.Shows.SPATIAL_GATES)
          .comparedByDefault()
          .written(
              Written.here(Bam::read),
              Written.refused(
                  "changzy00",
                  "its channel branch ends with a batch norm over the channels",
                  "channel_attn\\.(mlp|bn)\\..*",
                  "spatial_attn\\..*"),
              Written.refused(
                  "fightingcv",
                  "it multiplies x by 1 plus the gate of other hidden layers",
                  "ca\\.ca\\..*",
                  "sa\\.sa\\..*"))
          .madeBy(Bam::new);

  /** The options that names and shapes tell. */
  private static Stream<String> read(ModuleState s) {
    String channel = "channel_att.gate_c.gate_c_fc_";
    String spatial = "spatial_att.gate_s.gate_s_conv_";
    boolean both = s.has(channel + "final.weight") && s.has(spatial + "final.weight");
    String branches = both ? "both" : s.has(channel + "final.weight") ? "channel" : "spatial";
    long layers =
        Stream.iterate(0, i -> i + 1).takeWhile(i -> s.has(channel + i + ".weight")).count();
    long convs =
        Stream.iterate(0, i -> i + 1)
            .takeWhile(i -> s.has(spatial + "di_" + i + ".weight"))
            .count();
    return s.reductions(
            branches.equals("spatial") ? spatial + "reduce0.weight" : channel + "0.weight")
        .map(
            reduction ->
                "reduction="
                    + reduction
                    + ",branches="
                    + branches
                    + (branches.equals("spatial") ? "" : ",layers=" + layers)
                    + (branches.equals("channel") ? "" : ",convs=" + convs));
  }

  /**
   * The combination of the branches: the product as in the reference implementation, the sum as in
   * equation 2, or the maximum.
   */
  enum Combine {
    MULTIPLY,
    ADD,
    MAX
  }

  private final int layers;
  private final Combine combine;
  private final Branches branches;
  private final Module channelAtt = new Module("channel_att"); // gives the parameters their names
  private final Module spatialAtt = new Module("spatial_att");
  private Sequence channelGate;
  private Sequence spatialGate;

  private Bam(Settings settings) {
    super(settings);
    layers = settings.get(LAYERS);
    combine = settings.get(COMBINE);
    branches = settings.get(BRANCHES);
    long reduced = settings.reduced(REDUCTION);
    if (branches.channel()) {
      channelGate = channelBranch(reduced);
      channelAtt.register_module("gate_c", channelGate);
      register_module("channel_att", channelAtt);
    }
    if (branches.spatial()) {
      spatialGate = spatialBranch(settings, reduced);
      spatialAtt.register_module("gate_s", spatialGate);
      register_module("spatial_att", spatialAtt);
    }
    if (branches == Branches.BOTH && combine == Combine.MULTIPLY) {
      faster(new BamKernels(this, channelGate, spatialGate, reduced, settings.get(DILATION)));
      faster(new BamEndKernels(x -> channel(tensors(), x), x -> spatial(tensors(), x)));
    }
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T combined =
        switch (branches) {
          case CHANNEL -> ops.perChannel(channel(ops, x), x);
          case SPATIAL -> spatial(ops, x);
          case BOTH -> {
            T channel = ops.perChannel(channel(ops, x), x);
            T spatial = spatial(ops, x);
            yield switch (combine) {
              case MULTIPLY -> ops.mul(channel, spatial);
              case ADD -> ops.add(channel, spatial);
              case MAX -> ops.maximum(channel, spatial);
            };
          }
        };
    return ops.gate(x, ops.add(ops.sigmoid(combined), 1));
  }

  /** {@code [B, C, spatial...] -> [B, C]}. */
  <T> T channel(Ops<T> ops, T x) {
    return channelGate.apply(ops, ops.mean(x));
  }

  /** {@code [B, C, spatial...] -> [B, 1, spatial...]}. */
  <T> T spatial(Ops<T> ops, T x) {
    return spatialGate.apply(ops, x);
  }

  private Sequence channelBranch(long reduced) {
    Sequence gate = new Sequence();
    long width = channels();
    for (int i = 0; i < layers; i++) {
      gate.add("gate_c_fc_" + i, new Linear(width, reduced, true))
          .add("gate_c_bn_" + (i + 1), new BatchNorm(reduced))
          .add("gate_c_relu_" + (i + 1), Activation.RELU);
      width = reduced;
    }
    return gate.add("gate_c_fc_final", new Linear(width, channels(), true));
  }

  private Sequence spatialBranch(Settings settings, long reduced) {
    int dilation = settings.get(DILATION);
    Sequence gate =
        new Sequence()
            .add(
                "gate_s_conv_reduce0",
                Convolution.builder(dimensions(), channels(), reduced, 1).build())
            .add("gate_s_bn_reduce0", new BatchNorm(reduced))
            .add("gate_s_relu_reduce0", Activation.RELU);
    for (int i = 0; i < settings.get(CONVS); i++) {
      gate.add(
              "gate_s_conv_di_" + i,
              Convolution.builder(dimensions(), reduced, reduced, 3)
                  .padding(dilation)
                  .dilation(dilation)
                  .build())
          .add("gate_s_bn_di_" + i, new BatchNorm(reduced))
          .add("gate_s_relu_di_" + i, Activation.RELU);
    }
    return gate.add("gate_s_conv_final", Convolution.builder(dimensions(), reduced, 1, 1).build());
  }

  @Override
  protected void checkShape(long[] shape) {
    if (branches.channel() && layers > 0) {
      refuseSingleValue(shape[0], shape, "its channel branch normalises over the batch");
    }
    if (branches.spatial()) {
      refuseSingleValue(
          valuesPerChannel(shape), shape, "its spatial branch normalises over batch and positions");
    }
  }
}
