package io.fovea.attention;

import static io.fovea.attention.Option.atLeast;

import io.fovea.attention.fast.Context;
import io.fovea.attention.fast.PositionContext;
import io.fovea.nn.Convolution;
import io.fovea.nn.Ops;
import io.fovea.nn.Ops.Similarity;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * DANet's position attention module: each position attends to all positions by similarity.
 *
 * <p>Fu, Liu, Tian, Li, Bao, Fang, Lu: <a href="https://arxiv.org/abs/1809.02983">Dual Attention
 * Network for Scene Segmentation</a>, section 3.2. The energies are not divided by the square root
 * of the width. Differences from the reference: there may be any number of spatial dimensions, and
 * the reduced width is at least 1.
 *
 * <p>Parameters: {@code query_conv}, {@code key_conv} {@code [C/r, C, 1, 1]}, {@code value_conv [C, C,
 * 1, 1]}, each with a bias, and {@code gamma [1]}.
 */
final class PositionAttention extends Attention {
  static final Option<Integer> REDUCTION =
      atLeast(
          1,
          Option.integer(
              "reduction", 8, "the factor by which queries and keys reduce the channels"));

  static final Mechanism MECHANISM =
      Mechanism.named("pam", "Position attention")
          .paper("1809.02983")
          .summary("each position attends to all positions")
          .equation("y = γ · V softmax(Qᵀ K)ᵀ + x      softmax over the keys, γ = 0 until trained")
          .cost(
              "C² + 2·C·d + C + 2·d + 1; d = max(1, C / reduction)",
              "N·(C² + 2·C·d) + N²·(C + d); d = max(1, C / reduction)")
          .code("authors and reference", "junfu1115/DANet", "b0a0fa0", "encoding/nn/da_att.py")
          .variant("pam:reduction=1", "changzy00, whose queries and keys have C channels")
          .copy(
              "changzy00 8ce59da",
              "queries and keys have all C channels (b.weight [16, 16, 1, 1] for 16 channels)")
          .options(REDUCTION)
          .place(Mechanism.Place.LAST_STAGE_BUT_ONE)
          .partName("sa")
          .shows(Mechanism.Shows.AFFINITY)
          .comparedByDefault()
          .written(
              Written.here(PositionAttention::read),
              Written.by(
                  "MMSegmentation",
                  PositionAttention::read,
                  "^(query|key|value)_project\\.",
                  "$1_conv.",
                  "^gamma\\.scale$",
                  "gamma"))
          .madeBy(PositionAttention::new);

  /** The options that names and shapes tell. */
  private static Stream<String> read(ModuleState s) {
    return s.reductions("query_conv.weight").map(reduction -> "reduction=" + reduction);
  }

  private final Convolution query;
  private final Convolution key;
  private final Convolution value;
  private final Tensor gamma = torch.zeros(1);
  private final PositionContext fast;

  PositionAttention(Settings settings) {
    super(settings);
    long reduced = settings.reduced(REDUCTION);
    query = register_module("query_conv", Convolution.builder(2, channels(), reduced, 1).build());
    key = register_module("key_conv", Convolution.builder(2, channels(), reduced, 1).build());
    value =
        register_module("value_conv", Convolution.builder(2, channels(), channels(), 1).build());
    register_parameter("gamma", gamma);
    fast = new PositionContext(query, key, value, gamma);
    faster(new Context.Path(fast, x -> context(tensors(), x)));
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    return ops.residual(x, context(ops, x));
  }

  /** The term that the module adds to its input. */
  <T> T context(Ops<T> ops, T x) {
    return ops.in(
        this,
        () -> {
          // the convolutions are two-dimensional for any number of dimensions
          T image = ops.plane(x);
          T attended =
              ops.attention(
                  Similarity.SOFTMAX,
                  query.apply(ops, image),
                  key.apply(ops, image),
                  value.apply(ops, image));
          return ops.mul(ops.unflatten(attended, x), ops.parameter("gamma", gamma));
        });
  }

  /** The same with less memory, if this is possible. */
  PositionContext fast() {
    return fast;
  }

  @Override
  protected boolean takesAnyDimensions() {
    return true;
  }
}
