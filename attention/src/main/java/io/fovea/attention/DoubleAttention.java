package io.fovea.attention;

import static io.fovea.attention.Option.atLeast;

import io.fovea.nn.Convolution;
import io.fovea.nn.Ops;
import java.util.List;
import java.util.stream.Stream;

/**
 * Double attention: features are gathered from all positions into a few global descriptors, and each
 * position attends to these descriptors.
 *
 * <p>Chen, Kalantidis, Li, Yan, Feng: <a href="https://arxiv.org/abs/1810.11579">A²-Nets</a>, section
 * 3. A, B and V are 1x1 convolutions of x to C / reduction channels, W is one back to C. Public code does
 * not add x to the result; {@code residual=true} does. Some copies take both softmaxes over the batch,
 * so that the output of an image depends on the other images. Their weights have the same names and
 * shapes, but give other results here.
 *
 * <p>Parameters: {@code convA}, {@code convB}, {@code convV} {@code [C/r, C, 1...]} and {@code
 * conv_reconstruct [C, C/r, 1...]}, each with a bias. changzy00 calls the last one {@code proj}.
 */
final class DoubleAttention extends Attention {
  private static final Option<Integer> REDUCTION =
      atLeast(1, Option.integer("reduction", 4, "by how much the channels are reduced"));
  private static final Option<Boolean> RESIDUAL =
      Option.flag("residual", false, "x is added to the result");

  static final Mechanism MECHANISM =
      Mechanism.named("a2", "Double attention")
          .paper("1810.11579")
          .summary("each position attends to descriptors that are gathered from all positions")
          .equation(
              """
              Z = A softmax(B)ᵀ             softmax of each descriptor, over the positions
              y = W (Z softmax(V))          softmax of each position, over the descriptors
              """)
          .cost("4·C·m + 3·m + C; m = C / reduction", "4·N·C·m + 2·N·m²; m = C / reduction")
          .code(
              "reference",
              "nguyenvo09/Double-Attention-Network",
              "c378693",
              "double_attention_layer.py")
          .copy(
              "fightingcv d75848e",
              "takes both softmaxes over the batch: other neighbours in the batch change an"
                  + " image's output by up to 25, and with one image the output is the same at all"
                  + " positions")
          .copy("YOLO cb1b621", "the same fault as fightingcv, with the same numbers")
          .copy(
              "changzy00 8ce59da",
              "without it: the batch changes nothing (0); its last layer has the name proj")
          .options(REDUCTION, RESIDUAL)
          .place(Mechanism.Place.LAST_STAGE_BUT_ONE)
          .shows(Mechanism.Shows.AFFINITY)
          .written(
              Written.here(DoubleAttention::read)
                  .doubt(
                      "a2: the copies of fightingcv and of YOLO have the same names, but normalise over the"
                          + " batch instead of over positions; Fovea's results are others"),
              Written.by("changzy00", DoubleAttention::read, "^proj\\.", "conv_reconstruct."))
          .madeBy(DoubleAttention::new);

  /** The options that names and shapes tell. */
  private static Stream<String> read(ModuleState s) {
    return s.reductions("convA.weight").map(reduction -> "reduction=" + reduction);
  }

  private final boolean residual;
  private final Convolution convA;
  private final Convolution convB;
  private final Convolution convV;
  private final Convolution reconstruct;

  private DoubleAttention(Settings settings) {
    super(settings);
    residual = settings.get(RESIDUAL);
    long inner = settings.reduced(REDUCTION);
    convA = register_module("convA", pointwise(channels(), inner));
    convB = register_module("convB", pointwise(channels(), inner));
    convV = register_module("convV", pointwise(channels(), inner));
    reconstruct = register_module("conv_reconstruct", pointwise(inner, channels()));
  }

  private Convolution pointwise(long in, long out) {
    return Convolution.builder(dimensions(), in, out, 1).build();
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T a = ops.flatten(convA.apply(ops, x)); // [B, c, N]
    T maps = ops.softmax(ops.flatten(convB.apply(ops, x)), 2);
    T weights = ops.softmax(ops.flatten(convV.apply(ops, x)), 1);
    ops.affinity(x, List.of(weights, maps), Factored.ROWS);
    T descriptors = ops.matmul(a, ops.transpose(maps)); // [B, c, c]
    T y = reconstruct.apply(ops, ops.unflatten(ops.matmul(descriptors, weights), x));
    return residual ? ops.residual(x, y) : y;
  }
}
