package io.fovea.attention;

import static io.fovea.attention.Option.atLeast;

import io.fovea.nn.Activation;
import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import io.fovea.nn.Ops;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/**
 * Split attention: a convolution makes several splits of the channels, among which each channel chooses.
 * It takes the place of a 3x3 convolution with its batch norm and ReLU.
 *
 * <p>Zhang, Wu, Zhang, Zhu, Lin, Zhang, Sun, He, Mueller, Manmatha, Li, Smola: <a
 * href="https://arxiv.org/abs/2004.08955">ResNeSt</a>, section 3; {@code SplAtConv2d} in the authors' code.
 * With {@code radix=1} a is a sigmoid. The hidden width is C radix / reduction, at least 32. In place of a
 * convolution with a stride, an average of 3 x 3 positions follows with that stride, as in the authors'
 * networks ({@code avd}).
 *
 * <p>{@code explain} shows the weights of the last split. They weigh a feature map that is computed from
 * x, so the output is not a multiple of x.
 *
 * <p>Parameters: {@code conv [radix C, C / (cardinality radix), 3...]} without a bias, {@code bn0}, {@code
 * fc1 [d, C / cardinality, 1...]}, {@code bn1}, {@code fc2 [radix C, d / cardinality, 1...]}, the last two
 * convolutions with biases.
 */
final class SplitAttention extends Attention {
  private static final long NARROWEST = 32;

  private static final Option<Integer> RADIX =
      atLeast(1, Option.integer("radix", 2, "the number of splits"));
  private static final Option<Integer> CARDINALITY =
      atLeast(1, Option.integer("cardinality", 1, "groups that choose by themselves"));
  private static final Option<Integer> REDUCTION =
      atLeast(1, Option.integer("reduction", 4, "by how much the splits' channels are reduced"));

  static final Mechanism MECHANISM =
      Mechanism.named("splat", "Split attention")
          .paper("2004.08955")
          .summary("each channel chooses between the splits of a convolution")
          .equation(
              """
              U = relu(BN(conv₃(x)))                          radix splits of C channels
              a = softmax_r(W₂ relu(BN(W₁ mean(Σ U_r))))      of each channel, over the splits
              y = Σ a_r U_r
              """)
          .cost(
              "9·C² + 3·radix·C + C·d + 3·d + radix·C·d; d = max(32, C·radix / reduction)",
              "9·N·C² + C·d + radix·C·d; d = max(32, C·radix / reduction)")
          .code(
              "authors and reference",
              "zhanghang1989/ResNeSt",
              "1dfb3e8",
              "resnest/torch/models/splat.py")
          .copy(
              "timm 1.0.31",
              "SplitAttn rounds the width inside to a multiple of 8: for 88 channels it is 48, where the"
                  + " authors' text has 44; on the same weights there is no difference")
          .shown("the weights of the last split")
          .options(RADIX, CARDINALITY, REDUCTION)
          .place(Mechanism.Place.CONVOLUTION)
          .replacesNorm()
          .narrowest(NARROWEST)
          .shows(Mechanism.Shows.CHANNEL_GATES)
          .written(Written.here(SplitAttention::read))
          .madeBy(SplitAttention::new);

  /** The options that names and shapes tell. */
  private static Stream<String> read(ModuleState s) {
    long cardinality = s.size("fc1.weight", 1) == 0 ? 0 : s.channels() / s.size("fc1.weight", 1);
    return ModuleState.quotient(s.size("conv.weight", 0), s.channels())
        .flatMap(
            radix ->
                Stream.of(4, 2, 8, 1, 16)
                    .map(
                        reduction ->
                            "radix="
                                + radix
                                + ",cardinality="
                                + cardinality
                                + ",reduction="
                                + reduction));
  }

  private final int radix;
  private final int cardinality;
  private final int stride;
  private final Convolution conv;
  private final BatchNorm bn0;
  private final Convolution fc1;
  private final BatchNorm bn1;
  private final Convolution fc2;

  private SplitAttention(Settings settings) {
    super(settings);
    radix = settings.get(RADIX);
    cardinality = settings.get(CARDINALITY);
    stride = settings.stride();
    long groups = (long) radix * cardinality;
    long hidden = Math.max(NARROWEST, channels() * radix / settings.get(REDUCTION));
    checkGroups(groups, channels(), "radix x cardinality", "channels");
    checkGroups(cardinality, hidden, "cardinality", "hidden channels");
    int dilation = settings.dilation();
    conv =
        register_module(
            "conv",
            Convolution.builder(dimensions(), channels(), radix * channels(), 3)
                .padding(dilation)
                .dilation(dilation)
                .groups(groups)
                .bias(false)
                .build());
    bn0 = register_module("bn0", new BatchNorm(radix * channels()));
    fc1 = register_module("fc1", pointwise(channels(), hidden));
    bn1 = register_module("bn1", new BatchNorm(hidden));
    fc2 = register_module("fc2", pointwise(hidden, radix * channels()));
  }

  private Convolution pointwise(long in, long out) {
    return Convolution.builder(dimensions(), in, out, 1).groups(cardinality).build();
  }

  private void checkGroups(long groups, long channels, String what, String of) {
    if (channels % groups != 0) {
      String fitting =
          LongStream.rangeClosed(1, channels)
              .filter(divisor -> channels % divisor == 0)
              .mapToObj(Long::toString)
              .collect(Collectors.joining(", "));
      throw refuse(
          what
              + "="
              + groups
              + " does not divide the "
              + channels
              + " "
              + of
              + "; "
              + fitting
              + " do");
    }
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T all = ops.convolution(conv, bn0, Activation.RELU, x); // [B, radix C, spatial...]
    List<T> splits =
        LongStream.range(0, radix)
            .mapToObj(r -> radix == 1 ? all : ops.narrow(all, 1, r * channels(), channels()))
            .toList();
    T sum = splits.stream().reduce(ops::add).orElseThrow();
    T pooled = ops.perChannel(ops.mean(sum), sum);
    T scores = fc2.apply(ops, ops.convolution(fc1, bn1, Activation.RELU, pooled));
    T weights = weights(ops, scores); // [B, radix, C]
    int last = radix - 1;
    T y = ops.innerGate(splits.get(last), SelectiveKernel.weight(ops, weights, last, sum));
    for (int r = 0; r < last; r++) {
      y = ops.add(y, ops.mul(splits.get(r), SelectiveKernel.weight(ops, weights, r, sum)));
    }
    return stride == 1 ? y : ops.averagePool(y, 3, stride, 1, true);
  }

  /** The scores are sorted by cardinality, then by split. */
  private <T> T weights(Ops<T> ops, T scores) {
    if (radix == 1) {
      return ops.sigmoid(ops.reshape(scores, 0, 1, -1));
    }
    T sorted = ops.permute(ops.reshape(scores, 0, cardinality, radix, -1), 0, 2, 1, 3);
    return ops.reshape(ops.softmax(sorted, 1), 0, radix, -1);
  }

  @Override
  protected void checkShape(long[] shape) {
    refuseSingleValue(shape[0], shape, "it normalises the choice over the batch");
  }
}
