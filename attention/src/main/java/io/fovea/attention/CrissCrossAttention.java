package io.fovea.attention;

import static io.fovea.attention.Option.atLeast;

import io.fovea.nn.Convolution;
import io.fovea.nn.Ops;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Criss-cross attention: each position attends to the positions in its row and its column. After two
 * passes every position has received something from every other one.
 *
 * <p>Huang, Wang, Wei, Huang, Shi, Liu, Huang: <a href="https://arxiv.org/abs/1811.11721">CCNet</a>,
 * section 3.2. All passes have the same weights ({@code recurrence}, section 3.3). A position is once in
 * its own cross. The energies are not divided by the square root of the width.
 *
 * <p>{@code explain} shows the crosses of the last pass.
 *
 * <p>Parameters: {@code query_conv}, {@code key_conv} {@code [C/r, C, 1, 1]}, {@code value_conv [C, C,
 * 1, 1]}, each with a bias, and {@code gamma [1]}.
 */
final class CrissCrossAttention extends Attention {
  private static final Option<Integer> REDUCTION =
      atLeast(
          1, Option.integer("reduction", 8, "by how much queries and keys reduce the channels"));
  private static final Option<Integer> RECURRENCE =
      atLeast(1, Option.integer("recurrence", 2, "the number of passes"));

  static final Mechanism MECHANISM =
      Mechanism.named("crisscross", "Criss-cross attention")
          .paper("1811.11721")
          .summary("each position attends to its row and its column")
          .equation(
              """
              y = γ · Σ_j softmax_j(q_i · k_j) v_j + x      j in the cross of i, γ = 0 until trained
              """)
          .cost(
              "C² + 2·C·d + C + 2·d + 1; d = C / reduction",
              "recurrence·N·(C² + 2·C·d + (H + W)·(C + d)); d = C / reduction")
          .code(
              "authors and reference", "speedinghzl/CCNet", "1fae6c6", "cc_attention/functions.py")
          .copy("pprp 59997fe", "runs on CUDA only: on a processor the name _ext is not defined")
          .shown("what a position attends to: the positions of its row and its column")
          .options(REDUCTION, RECURRENCE)
          .dimensions(2)
          .place(Mechanism.Place.LAST_STAGE_BUT_ONE)
          .partName("cca")
          .shows(Mechanism.Shows.AFFINITY)
          .written(
              Written.here(CrissCrossAttention::read),
              Written.by("MMCV", CrissCrossAttention::read, "^gamma\\.scale$", "gamma"))
          .madeBy(CrissCrossAttention::new);

  /** The options that names and shapes tell. */
  private static Stream<String> read(ModuleState s) {
    return s.reductions("query_conv.weight").map(reduction -> "reduction=" + reduction);
  }

  private final int recurrence;
  private final Convolution query;
  private final Convolution key;
  private final Convolution value;
  private final Tensor gamma = torch.zeros(1);

  private CrissCrossAttention(Settings settings) {
    super(settings);
    recurrence = settings.get(RECURRENCE);
    long reduced = settings.reduced(REDUCTION);
    query = register_module("query_conv", Convolution.builder(2, channels(), reduced, 1).build());
    key = register_module("key_conv", Convolution.builder(2, channels(), reduced, 1).build());
    value =
        register_module("value_conv", Convolution.builder(2, channels(), channels(), 1).build());
    register_parameter("gamma", gamma);
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T y = x;
    for (int i = 0; i < recurrence; i++) {
      y = ops.residual(y, ops.mul(attended(ops, y), ops.parameter("gamma", gamma)));
    }
    return y;
  }

  private <T> T attended(Ops<T> ops, T x) {
    T q = query.apply(ops, x);
    T k = key.apply(ops, x);
    T v = value.apply(ops, x);
    ops.affinity(x, List.of(q, k), CrissCrossAttention::rows);
    T inColumn = // [B, W, H, H]
        ops.matmul(ops.permute(q, 0, 3, 2, 1), ops.permute(k, 0, 3, 1, 2));
    T inRow = // [B, H, W, W]
        ops.matmul(ops.permute(q, 0, 2, 3, 1), ops.permute(k, 0, 2, 1, 3));
    // a position is in its row already
    T column = ops.permute(ops.sub(inColumn, infinityOnDiagonal(ops, x)), 0, 2, 1, 3);
    T weights = ops.softmax(ops.concat(3, column, inRow), 3); // [B, H, W, H + W]
    T ofColumn = ops.permute(ops.first(weights, 3, column), 0, 2, 1, 3); // [B, W, H, H]
    T ofRow = ops.last(weights, 3, inRow); // [B, H, W, W]
    T fromColumn = ops.matmul(ofColumn, ops.permute(v, 0, 3, 2, 1)); // [B, W, H, C]
    T fromRow = ops.matmul(ofRow, ops.permute(v, 0, 2, 3, 1)); // [B, H, W, C]
    return ops.add(ops.permute(fromColumn, 0, 3, 2, 1), ops.permute(fromRow, 0, 3, 1, 2));
  }

  /** {@code [H, H]}: infinity on the diagonal, and 0 elsewhere. */
  private static <T> T infinityOnDiagonal(Ops<T> ops, T x) {
    T rows = ops.indices(x, 2);
    T distance = ops.abs(ops.sub(ops.reshape(rows, -1, 1), ops.reshape(rows, 1, -1)));
    T same = ops.relu(ops.sub(ops.number(1), distance)); // 1 on the diagonal
    return ops.div(same, ops.sub(ops.number(1), same));
  }

  /** The crosses of some positions, from queries and keys {@code [B, C/r, H, W]}. */
  private static Tensor rows(List<Tensor> sources, Tensor positions) {
    Tensor q = sources.get(0).flatten(2, -1).index_select(2, positions); // [B, C/r, P]
    Tensor k = sources.get(1).flatten(2, -1); // [B, C/r, N]
    Scalar width = new Scalar(sources.get(1).size(3));
    Tensor all = torch.arange(new Scalar(k.size(2)), new TensorOptions(ScalarType.Long));
    Tensor some = positions.unsqueeze(1);
    Tensor sameRow = floor(some, width).eq(floor(all, width));
    Tensor sameColumn = some.remainder(width).eq(all.remainder(width));
    Tensor outside = sameRow.logical_or(sameColumn).logical_not();
    return q.transpose(1, 2)
        .bmm(k)
        .masked_fill(outside, new Scalar(Double.NEGATIVE_INFINITY))
        .softmax(2);
  }

  private static Tensor floor(Tensor positions, Scalar width) {
    return positions.sub(positions.remainder(width)).div(width);
  }
}
