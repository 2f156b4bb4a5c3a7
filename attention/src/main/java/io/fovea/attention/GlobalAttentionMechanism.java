package io.fovea.attention;

import static io.fovea.attention.Option.atLeast;

import io.fovea.nn.Activation;
import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import io.fovea.nn.Linear;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/**
 * The global attention mechanism: a factor for each value from an MLP over its position's channels,
 * then a gate for each value from two wide convolutions.
 *
 * <p>Liu, Shao, Hoffmann: <a href="https://arxiv.org/abs/2112.05561">Global attention mechanism</a>,
 * section 3. There is no code of the authors. The paper has a sigmoid in both halves; most copies have
 * none in the first ({@code sigmoid=false}), so that these factors can have any sign. With {@code
 * groups}, the convolutions have groups, and their output is shuffled between them, as the paper
 * proposes against the number of parameters.
 *
 * <p>Parameters, with c = C / reduction: {@code channel_attention.0.weight [c, C]}, {@code
 * channel_attention.2.weight [C, c]}, {@code spatial_attention.0 [c, C / groups, 7...]}, {@code
 * spatial_attention.1}, {@code spatial_attention.3 [C, c / groups, 7...]}, {@code
 * spatial_attention.4}; linear layers and convolutions have biases.
 */
final class GlobalAttentionMechanism extends Attention {
  private static final int KERNEL = 7;

  private static final Option<Integer> REDUCTION =
      atLeast(
          1, Option.integer("reduction", 4, "the factor by which both halves reduce the channels"));
  private static final Option<Boolean> SIGMOID =
      Option.flag("sigmoid", false, "whether the first half has a sigmoid");
  private static final Option<Integer> GROUPS =
      atLeast(
              1,
              Option.integer("groups", 1, "groups of both convolutions; must divide C / reduction"))
          .samples(List.of(1, 2));

  static final Mechanism MECHANISM =
      Mechanism.named("gam", "Global attention mechanism")
          .paper("2112.05561")
          .summary("gates each value, from its position and then from its surroundings")
          .equation(
              """
              z = x · (W₂ relu(W₁ x))                       sigmoid=true: x · σ(W₂ relu(W₁ x))
              y = z · σ(BN(conv₇(relu(BN(conv₇(z))))))
              """)
          .cost("100·C·d + 4·d + 4·C; d = C / reduction", "100·N·C·d; d = C / reduction")
          .code("reference", "northBeggar/Plug-and-Play", "96c81b4", "00-GAM/GAM attention.py")
          .variant("gam:sigmoid=true", "YOLO")
          .variant("gam:groups=4", "yoloair")
          .copy(
              "YOLO cb1b621",
              "has a sigmoid in the first half (difference 0 to the equation with it)")
          .options(REDUCTION, SIGMOID, GROUPS)
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES, Mechanism.Shows.SPATIAL_GATES)
          .written(
              Written.here(GlobalAttentionMechanism::read)
                  .doubt(
                      "gam: yoloair's copy also shuffles the channels of the spatial gate; its results differ"
                          + " from Fovea's"))
          .madeBy(GlobalAttentionMechanism::new);

  /** The options that names and shapes tell. */
  private static Stream<String> read(ModuleState s) {
    return ModuleState.quotient(s.channels(), s.size("spatial_attention.0.weight", 1))
        .flatMap(
            groups ->
                s.reductions("channel_attention.0.weight")
                    .map(reduction -> "reduction=" + reduction + ",groups=" + groups));
  }

  private final boolean sigmoid;
  private final long groups;
  private final Sequence channelAttention = new Sequence();
  private final Linear in;
  private final Linear out;
  private final Sequence spatialAttention = new Sequence();

  private GlobalAttentionMechanism(Settings settings) {
    super(settings);
    sigmoid = settings.get(SIGMOID);
    long hidden = settings.reduced(REDUCTION);
    groups = settings.get(GROUPS);
    if (hidden % groups != 0 || channels() % groups != 0) {
      throw refuse(
          "groups="
              + groups
              + " does not divide the "
              + channels()
              + " channels and the "
              + hidden
              + " reduced ones; "
              + LongStream.rangeClosed(1, hidden)
                  .filter(divisor -> hidden % divisor == 0 && channels() % divisor == 0)
                  .mapToObj(Long::toString)
                  .collect(Collectors.joining(", "))
              + " do");
    }
    in = new Linear(channels(), hidden, true);
    out = new Linear(hidden, channels(), true);
    channelAttention.add("0", in).add("1", Activation.RELU).add("2", out);
    register_module("channel_attention", channelAttention);
    spatialAttention
        .add("0", wide(channels(), hidden))
        .add("1", new BatchNorm(hidden))
        .add("2", Activation.RELU)
        .add("3", wide(hidden, channels()))
        .add("4", new BatchNorm(channels()));
    register_module("spatial_attention", spatialAttention);
  }

  private Convolution wide(long from, long to) {
    return Convolution.builder(dimensions(), from, to, KERNEL)
        .padding(KERNEL / 2)
        .groups(groups)
        .build();
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T factors = ops.in(channelAttention, () -> ofPositions(ops, x));
    T z = ops.gate(x, sigmoid ? ops.sigmoid(factors) : factors);
    T scores = spatialAttention.apply(ops, z);
    if (groups > 1) {
      scores = ops.unflatten(ops.interleave(ops.flatten(scores), channels(), groups), x);
    }
    return ops.gate(z, ops.sigmoid(scores));
  }

  /** The MLP, for each position by itself. */
  private <T> T ofPositions(Ops<T> ops, T x) {
    T hidden = ops.relu(times(ops, in, ops.flatten(x)));
    return ops.unflatten(times(ops, out, hidden), x);
  }

  /** A linear layer of the channels, {@code [B, in, N] -> [B, out, N]}. */
  private static <T> T times(Ops<T> ops, Linear linear, T x) {
    return ops.in(
        linear,
        () -> {
          T product = ops.matmul(ops.parameter("weight", linear.weight()), x);
          T bias = ops.parameter("bias", linear.bias().orElseThrow());
          return ops.add(product, ops.reshape(bias, 1, -1, 1));
        });
  }

  @Override
  protected void checkShape(long[] shape) {
    refuseSingleValue(valuesPerChannel(shape), shape, "it normalises over batch and positions");
  }
}
