package io.fovea.attention;

import static io.fovea.attention.Option.atLeast;

import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.pytorch.NoGradGuard;

/**
 * External attention: each position attends to a memory of learned units, which all images share.
 *
 * <p>Guo, Liu, Mu, Hu: <a href="https://arxiv.org/abs/2105.02358">Beyond Self-attention</a>, section
 * 3.2. ε is 1e-9. Copies have the memory alone, {@code y = M₁ a} with ε = 0 and without W₁ ({@code
 * block=false}; they call M₀ and M₁ {@code mk} and {@code mv}). In a new module M₁ is the transpose of
 * M₀, and both are trained separately; in the authors' code they share their memory until the module is
 * moved or converted. On a map with one position, every unit has the same weight.
 *
 * <p>{@code explain} shows which positions use the same units: position i attends to position j with
 * the weight {@code Σ a_i s_j} over the units.
 *
 * <p>Parameters: {@code linear_0.weight [S, C, 1]} (M₀), {@code linear_1.weight [C, S, 1]} (M₁); with
 * {@code block}, {@code conv1 [C, C, 1...]} with a bias, {@code conv2.0 [C, C, 1...]} and the batch norm
 * {@code conv2.1}.
 */
final class ExternalAttention extends Attention {
  private static final double EPSILON = 1e-9;

  private static final Option<Integer> SIZE =
      atLeast(1, Option.integer("size", 64, "the number of units of the memory"));
  private static final Option<Boolean> BLOCK =
      Option.flag(
          "block",
          true,
          "convolutions around the memory, a batch norm, the addition of x and a ReLU");

  static final Mechanism MECHANISM =
      Mechanism.named("external", "External attention")
          .paper("2105.02358")
          .summary("each position attends to a learned memory")
          .equation(
              """
              s = softmax(M₀ (W₁ x))           of each unit, over the positions
              a = s / (ε + Σ s)                of each position, over the units
              y = relu(x + BN(W₂ M₁ a))
              """)
          .cost("2·C² + 3·C + 2·C·size", "N·(2·C² + 2·C·size)")
          .code("authors and reference", "MenghaoGuo/EANet", "59c03cb", "model_torch.py")
          .variant("external:block=false", "the memory alone, as in fightingcv")
          .copy(
              "fightingcv d75848e",
              "has the memory alone (mk.weight [8, 16], mv.weight [16, 8] for 16 channels"
                  + " and 8 units)")
          .options(SIZE, BLOCK)
          .place(Mechanism.Place.LAST_STAGE_BUT_ONE)
          .shows(Mechanism.Shows.AFFINITY)
          .written(
              Written.here(
                  s ->
                      s.has("linear_0.weight")
                          ? Stream.of(
                              "size="
                                  + s.size("linear_0.weight", 0)
                                  + ",block="
                                  + s.has("conv1.weight"))
                          : Stream.empty()),
              Written.by(
                  "fightingcv",
                  s ->
                      s.has("linear_0.weight")
                          ? Stream.of("size=" + s.size("linear_0.weight", 0) + ",block=false")
                          : Stream.empty(),
                  "^mk\\.",
                  "linear_0.",
                  "^mv\\.",
                  "linear_1."))
          .madeBy(ExternalAttention::new);

  private final Convolution conv1; // null without the block, like conv2
  private final Convolution linear0;
  private final Convolution linear1;
  private final Sequence conv2;

  private ExternalAttention(Settings settings) {
    super(settings);
    long size = settings.get(SIZE);
    boolean block = settings.get(BLOCK);
    conv1 = block ? register_module("conv1", pointwise(true)) : null;
    linear0 =
        register_module(
            "linear_0", Convolution.builder(1, channels(), size, 1).bias(false).build());
    linear1 =
        register_module(
            "linear_1", Convolution.builder(1, size, channels(), 1).bias(false).build());
    conv2 =
        block
            ? register_module(
                "conv2",
                new Sequence().add("0", pointwise(false)).add("1", new BatchNorm(channels())))
            : null;
    try (NoGradGuard guard = new NoGradGuard()) {
      normal(linear1);
      linear0.weight().copy_(linear1.weight().transpose(0, 1));
    }
  }

  private Convolution pointwise(boolean bias) {
    Convolution convolution =
        Convolution.builder(dimensions(), channels(), channels(), 1).bias(bias).build();
    normal(convolution);
    return convolution;
  }

  /** The authors' initial values. */
  private static void normal(Convolution convolution) {
    try (NoGradGuard guard = new NoGradGuard()) {
      convolution.weight().normal_(0, Math.sqrt(2.0 / convolution.weight().size(0)), null);
    }
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    boolean block = conv1 != null;
    T scores = linear0.apply(ops, ops.flatten(block ? conv1.apply(ops, x) : x)); // [B, S, N]
    T maps = ops.softmax(scores, 2);
    T total = ops.sum(maps, 1); // [B, 1, N]
    T weights = ops.div(maps, block ? ops.add(total, EPSILON) : total);
    ops.affinity(x, List.of(weights, maps), Factored.ROWS);
    T y = ops.unflatten(linear1.apply(ops, weights), x);
    return block ? ops.relu(ops.add(x, conv2.apply(ops, y))) : y;
  }

  @Override
  protected void checkShape(long[] shape) {
    if (conv2 != null) {
      refuseSingleValue(
          valuesPerChannel(shape), shape, "use block=false, or more images or positions");
    }
  }
}
