package io.fovea.attention;

import static io.fovea.attention.Option.atLeast;

import io.fovea.nn.Convolution;
import io.fovea.nn.Ops;
import io.fovea.nn.Ops.Similarity;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Disentangled non-local block: the attention of pairs without what all positions have in common, and
 * one map for all positions besides.
 *
 * <p>Yin, Yao, Cao, Li, Zhang, Lin, Hu: <a href="https://arxiv.org/abs/2006.06668">Disentangled
 * Non-local Neural Networks</a>, section 4. c is C / reduction. The authors take the temperature T = 0.05
 * for Cityscapes and 0.1 for ADE20K. A new module is not the identity, because only the pairs have γ.
 * {@code unary=false} is without u, and {@code subsample} halves the map that is attended to by max pools,
 * the default of the authors' class but not of their networks. On a map with one position, both maps
 * are 1. The authors' class can subtract something else or nothing ({@code whiten_type}) under the same
 * names, and has forms with an output convolution or batch norms, which cannot be loaded. Nor can
 * mmsegmentation's, which has values of c channels and an output convolution for each of the two maps.
 *
 * <p>{@code explain} shows p.
 *
 * <p>Parameters: {@code conv_query}, {@code conv_key} {@code [C/r, C, 1...]} with biases, {@code
 * conv_value [C, C, 1...]} without, {@code conv_mask [1, C, 1...]} with a bias, {@code gamma [1]}.
 */
final class DisentangledNonLocal extends Attention {
  private static final double DEVIATION = 0.01; // of the authors' initial values

  /** The names of the authors' class with any arguments, beside {@code gamma}. */
  private static final String NAMES =
      "(conv_(query|key|value|mask|out)|out_bn|(key|query)_bn(_affine)?)\\..*";

  private static final Option<Double> TEMPERATURE =
      Option.number("temperature", 0.05, "the energies of pairs are divided by it")
          .samples(List.of(0.05, 1.0));
  private static final Option<Integer> REDUCTION =
      atLeast(
          1, Option.integer("reduction", 2, "by how much queries and keys reduce the channels"));
  private static final Option<Boolean> UNARY =
      Option.flag("unary", true, "the map that is the same for all positions");
  private static final Option<Boolean> SUBSAMPLE =
      Option.flag("subsample", false, "keys and values are max-pooled by 2 (not in time)");

  static final Mechanism MECHANISM =
      Mechanism.named("dnl", "Disentangled non-local block")
          .paper("2006.06668")
          .summary("each position attends to all positions, by pairs and by one map for all")
          .equation(
              """
              q, k    projections of x, minus their means over the positions
              p_ij    = softmax_j(q_i · k_j / (√c T))
              u_j     = softmax_j(w · x_j)
              y_i     = x_i + γ Σ_j p_ij v_j + Σ_j u_j v_j               γ = 0 until trained
              """)
          .cost(
              "C² + 2·C·c + C + 2·c + 2; c = C / reduction",
              "N·(C² + 2·C·c + 2·C) + N²·(C + c); c = C / reduction")
          .code(
              "authors and reference",
              "yinmh17/DNL-Semantic-Segmentation",
              "594a359",
              "model/seg/ops/nonlocal_block.py")
          .variant("dnl:temperature=0.1", "the authors' configuration for ADE20K")
          .variant(
              "dnl:temperature=1,unary=false,subsample=true", "the defaults of the authors' class")
          .copy(
              "yinmh17 594a359",
              "with another whiten_type ([] and ln_nostd in some of the authors' configurations) it has the"
                  + " same names and another result: up to 1.1 apart where the largest value is 4.6; with"
                  + " with_unary up to 2.5")
          .options(TEMPERATURE, REDUCTION, UNARY, SUBSAMPLE)
          .place(Mechanism.Place.LAST_STAGE_BUT_ONE)
          .shows(Mechanism.Shows.AFFINITY)
          .written(
              Written.here(DisentangledNonLocal::read)
                  .doubt(
                      "dnl: the authors' class has the same names whatever it subtracts from queries and keys"
                          + " (whiten_type), and with with_unary; Fovea subtracts their means over the"
                          + " positions, as whiten_type=['channel'] does, and has no with_unary"),
              Written.refused(
                  "the authors' class with use_out=True",
                  "its values have fewer channels and its result passes an output convolution",
                  "conv_out\\.weight",
                  "gamma",
                  NAMES),
              Written.refused(
                  "the authors' class with out_bn=True",
                  "its result passes a batch norm",
                  "out_bn\\..*",
                  "gamma",
                  NAMES),
              Written.refused(
                  "the authors' class with a batch norm in whiten_type",
                  "it normalises queries and keys instead of subtracting their means",
                  "(key|query)_bn(_affine)?\\..*",
                  "gamma",
                  NAMES),
              Written.refused(
                  "MMSegmentation",
                  "its output convolution projects each of the two maps by itself, so that the shift of its"
                      + " batch norm counts twice, and it has no gamma",
                  "(theta|phi|g|conv_out)\\.conv\\.(weight|bias)",
                  "conv_out\\.bn\\..*|conv_mask\\.(weight|bias)",
                  "conv_mask\\.weight"))
          .madeBy(DisentangledNonLocal::new);

  /** The options that names and shapes tell. */
  private static Stream<String> read(ModuleState s) {
    return s.reductions("conv_query.weight")
        .map(reduction -> "reduction=" + reduction + ",unary=" + s.has("conv_mask.weight"));
  }

  private final double divisor;
  private final boolean subsample;
  private final Convolution query;
  private final Convolution key;
  private final Convolution value;
  private final Convolution mask; // null without the unary map
  private final Tensor gamma = torch.zeros(1);

  private DisentangledNonLocal(Settings settings) {
    super(settings);
    long reduced = settings.reduced(REDUCTION);
    divisor = Math.sqrt((double) reduced) * settings.get(TEMPERATURE);
    subsample = settings.get(SUBSAMPLE);
    query = register_module("conv_query", pointwise(reduced, true));
    key = register_module("conv_key", pointwise(reduced, true));
    value = register_module("conv_value", pointwise(channels(), false));
    mask = settings.get(UNARY) ? register_module("conv_mask", pointwise(1, true)) : null;
    register_parameter("gamma", gamma);
  }

  private Convolution pointwise(long out, boolean bias) {
    Convolution convolution =
        Convolution.builder(dimensions(), channels(), out, 1).bias(bias).build();
    try (NoGradGuard guard = new NoGradGuard()) {
      convolution.weight().normal_(0, DEVIATION, null);
      convolution.bias().ifPresent(Tensor::zero_);
    }
    return convolution;
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T attended = subsample ? Subsampling.halved(ops, x, dimensions()) : x;
    T values = value.apply(ops, attended);
    T queries = ops.div(centred(ops, query.apply(ops, x)), divisor);
    T keys = centred(ops, key.apply(ops, attended));
    T pairs = ops.attention(Similarity.SOFTMAX, queries, keys, values);
    T change = ops.mul(pairs, ops.parameter("gamma", gamma));
    if (mask != null) {
      T map = ops.softmax(ops.flatten(mask.apply(ops, attended)), 2); // [B, 1, N']
      T unary = ops.matmul(ops.flatten(values), ops.transpose(map)); // [B, C, 1]
      change = ops.add(change, ops.perChannel(ops.reshape(unary, 0, -1), x));
    }
    return ops.residual(x, change);
  }

  /** Subtracts the mean over the positions. */
  private static <T> T centred(Ops<T> ops, T x) {
    return ops.sub(x, ops.perChannel(ops.mean(x), x));
  }

  @Override
  protected void checkShape(long[] shape) {
    if (subsample) {
      Subsampling.check(shape, this::refuse);
    }
  }
}
