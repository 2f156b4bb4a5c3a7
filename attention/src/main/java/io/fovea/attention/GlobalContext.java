package io.fovea.attention;

import static io.fovea.attention.Option.atLeast;

import io.fovea.attention.fast.PlaneGates;
import io.fovea.nn.Activation;
import io.fovea.nn.Convolution;
import io.fovea.nn.GroupNorm;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import io.fovea.nn.TensorOps;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;

/**
 * The global context block: all positions attend to the same positions, and what they attend to is
 * transformed and added to each of them. It is a non-local block whose attention does not depend on
 * the query.
 *
 * <p>Cao, Xu, Lin, Wei, Hu: <a href="https://arxiv.org/abs/1904.11492">GCNet</a>, section 3.3. With
 * {@code pool=average}, c is the mean of all positions. With {@code fusion=both}, the input is
 * scaled first; each fusion has its own transform. In a new module t is 0, so it starts as the
 * identity, and a scaling one halves its input. timm's {@code gca} is {@code gc:reduction=8,eps=1e-6}
 * and its {@code gc} is {@code gc:reduction=8,fusion=multiply,eps=1e-6}.
 *
 * <p>Parameters: {@code conv_mask [1, C, 1...]} with {@code pool=attention}; {@code
 * channel_add_conv} and {@code channel_mul_conv}, each with the convolutions {@code .0 [c, C, 1...]}
 * and {@code .3 [C, c, 1...]} and the layer norm {@code .1 [c, 1...]}. All have biases.
 */
final class GlobalContext extends Attention {
  private static final Option<Integer> REDUCTION =
      atLeast(
          1,
          Option.integer(
              "reduction", 16, "the factor by which the transform reduces the channels"));
  private static final Option<Pool> POOL =
      Option.choice("pool", Pool.ATTENTION, "how the positions are pooled to one vector");
  private static final Option<Fusion> FUSION =
      Option.choice("fusion", Fusion.ADD, "what is done with the vector at each position");
  private static final Option<Double> EPS =
      Option.number("eps", GroupNorm.EPSILON, "added to the variance in the layer norm")
          .samples(List.of(GroupNorm.EPSILON, 1e-6));

  static final Mechanism MECHANISM =
      Mechanism.named("gc", "Global context block")
          .paper("1904.11492")
          .summary("adds the same context to each position: all positions attend to the same ones")
          .equation(
              """
              c = Σ_j softmax_j(w x_j + b) x_j
              t = W₂ relu(LN(W₁ c))
              y = x + t    fusion=multiply: x · σ(t);  both: x · σ(t') + t
              """)
          .cost(
              "2·C·d + 3·d + 2·C + 1; d = max(1, C / reduction)",
              "2·N·C + 2·C·d; d = max(1, C / reduction)")
          .code(
              "authors and reference",
              "xvjiarui/GCNet",
              "029db54",
              "mmdet/ops/gcb/context_block.py")
          .variant("gc:reduction=8,eps=1e-6", "timm's gca")
          .variant("gc:reduction=8,fusion=multiply,eps=1e-6", "timm's gc")
          .copy(
              "changzy00 8ce59da",
              "makes a softmax and does not apply it: adding 1 to the bias of its mask,"
                  + " which a softmax ignores, changes the context by up to 9.8")
          .copy(
              "timm 1.0.31",
              "a new gca differs from the identity by up to 0.7, because the bias of its"
                  + " last layer does not start at 0")
          .options(REDUCTION, POOL, FUSION, EPS)
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.AFFINITY, Mechanism.Shows.CHANNEL_GATES)
          .written(
              Written.here(s -> read(s, "")),
              Written.by(
                      "timm",
                      s -> read(s, ",eps=0.000001"),
                      "^conv_attn\\.",
                      "conv_mask.",
                      "^mlp_add\\.",
                      "channel_add_conv.",
                      "^mlp_scale\\.",
                      "channel_mul_conv.",
                      "\\.fc1\\.",
                      ".0.",
                      "\\.norm\\.",
                      ".1.",
                      "\\.fc2\\.",
                      ".3.")
                  .reshaped(),
              Written.refused(
                  "changzy00",
                  "it makes a softmax and does not apply it: its context is x times the raw mask",
                  "conv\\.(weight|bias)",
                  "transform\\.[013]\\.(weight|bias)"))
          .madeBy(GlobalContext::new);

  /** The options that names and shapes tell. */
  private static Stream<String> read(ModuleState s, String eps) {
    boolean add = s.has("channel_add_conv.0.weight");
    boolean multiply = s.has("channel_mul_conv.0.weight");
    String kind =
        ",pool="
            + (s.has("conv_mask.weight") ? "attention" : "average")
            + ",fusion="
            + (add && multiply ? "both" : add ? "add" : "multiply")
            + eps;
    return s.reductions(add ? "channel_add_conv.0.weight" : "channel_mul_conv.0.weight")
        .map(reduction -> "reduction=" + reduction + kind);
  }

  /** The weighted mean of the positions, with a softmax of one convolution, or their mean. */
  enum Pool {
    ATTENTION,
    AVERAGE
  }

  /** The context is added, or its sigmoid is a gate for each channel, or first this and then that. */
  enum Fusion {
    ADD,
    MULTIPLY,
    BOTH
  }

  private final Convolution convMask; // null if positions are averaged
  private final Sequence channelAdd; // null if nothing is added
  private final Sequence channelMul; // null if nothing is multiplied

  private GlobalContext(Settings settings) {
    super(settings);
    Fusion fusion = settings.get(FUSION);
    convMask =
        settings.get(POOL) == Pool.AVERAGE
            ? null
            : register_module(
                "conv_mask",
                Convolution.builder(dimensions(), channels(), 1, 1).build().startingNormal());
    channelAdd =
        fusion == Fusion.MULTIPLY ? null : register_module("channel_add_conv", transform(settings));
    channelMul =
        fusion == Fusion.ADD ? null : register_module("channel_mul_conv", transform(settings));
    if (convMask == null) {
      faster(new PlaneGates(PlaneGates.Pool.MEAN, this::change));
    }
  }

  private PlaneGates.Change change(Tensor means, Tensor like) {
    TensorOps ops = tensors();
    Tensor context = ops.perChannel(means, like);
    return new PlaneGates.Change(
        channelMul == null ? null : gates(ops, context),
        channelAdd == null ? null : channelAdd.apply(ops, context));
  }

  private Sequence transform(Settings settings) {
    long hidden = settings.reduced(REDUCTION);
    Convolution in = Convolution.builder(dimensions(), channels(), hidden, 1).build();
    Convolution out = Convolution.builder(dimensions(), hidden, channels(), 1).build();
    return new Sequence()
        .add("0", in)
        .add("1", GroupNorm.ofVector(hidden, dimensions(), settings.get(EPS)))
        .add("2", Activation.RELU)
        .add("3", out.startingAtZero());
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T context = ops.perChannel(convMask == null ? ops.mean(x) : attended(ops, x), x);
    T y = channelMul == null ? x : ops.gate(x, gates(ops, context));
    return channelAdd == null ? y : ops.add(y, channelAdd.apply(ops, context));
  }

  private <T> T gates(Ops<T> ops, T context) {
    return ops.sigmoid(channelMul.apply(ops, context));
  }

  /** The weighted mean of the positions, {@code [B, C]}. */
  private <T> T attended(Ops<T> ops, T x) {
    T scores = ops.flatten(convMask.apply(ops, x)); // [B, 1, N]
    T weights = ops.sharedAffinity(ops.softmax(scores, -1));
    return ops.reshape(ops.matmul(ops.flatten(x), ops.transpose(weights)), 0, -1);
  }
}
