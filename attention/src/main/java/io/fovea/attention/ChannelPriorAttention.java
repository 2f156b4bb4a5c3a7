package io.fovea.attention;

import static io.fovea.attention.Option.atLeast;

import io.fovea.nn.Convolution;
import io.fovea.nn.Ops;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Module;

/**
 * Channel prior convolutional attention: a gate for each channel, then a factor for each value from
 * convolutions with strips of three lengths.
 *
 * <p>Huang, Chen, Zou, Lu, Chen, Song, Ge: <a href="https://arxiv.org/abs/2306.05196">CPCA</a>, section
 * 3; {@code RepBlock} in the authors' code. The gates of channels are between 0 and 2. There is no sigmoid
 * on the factor of a value. Both scale y, a projection of x, so {@code explain} shows them, but the output
 * is not a multiple of x.
 *
 * <p>Parameters: {@code ca.fc1 [C/r, C, 1, 1]}, {@code ca.fc2 [C, C/r, 1, 1]}, {@code dconv5_5 [C, 1, 5,
 * 5]}, {@code dconv1_k [C, 1, 1, k]} and {@code dconvk_1 [C, 1, k, 1]} for the three lengths, {@code conv
 * [C, C, 1, 1]}, each with a bias.
 */
final class ChannelPriorAttention extends Attention {
  private static final int[] LENGTHS = {7, 11, 21};

  private static final Option<Integer> REDUCTION =
      atLeast(1, Option.integer("reduction", 4, "by how much the channels are reduced"));

  static final Mechanism MECHANISM =
      Mechanism.named("cpca", "Channel prior convolutional attention")
          .paper("2306.05196")
          .summary("gates each channel, then multiplies each value by the output of strips")
          .equation(
              """
              y = gelu(W x);   y = y · (σ(F(mean(y))) + σ(F(max(y))))        F = W₂ relu(W₁ ·)
              i = depthwise₅ₓ₅(y);  s = i + Σ_k depthwise_kₓ₁(depthwise₁ₓ_k(i))        k = 7, 11, 21
              out = W(W s · y)                                               the same W three times
              """)
          .cost(
              "C² + 2·C·d + d + 112·C; d = C / reduction",
              "N·(3·C² + 103·C) + 4·C·d; d = C / reduction")
          .code(
              "authors and reference",
              "Cuthbert-Huang/CPCANet",
              "550b49a",
              "nnunet/network_architecture/CPCANet.py")
          .options(REDUCTION)
          .dimensions(2)
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES, Mechanism.Shows.SPATIAL_GATES)
          .written(Written.here(ChannelPriorAttention::read))
          .madeBy(ChannelPriorAttention::new);

  /** The options that names and shapes tell. */
  private static Stream<String> read(ModuleState s) {
    return s.reductions("ca.fc1.weight").map(reduction -> "reduction=" + reduction);
  }

  private final Module ca = new Module("ca"); // for the names of the parameters
  private final Convolution fc1;
  private final Convolution fc2;
  private final Convolution near;
  private final List<Convolution> alongRows = new ArrayList<>();
  private final List<Convolution> alongColumns = new ArrayList<>();
  private final Convolution conv;

  private ChannelPriorAttention(Settings settings) {
    super(settings);
    long reduced = settings.reduced(REDUCTION);
    fc1 = Convolution.builder(2, channels(), reduced, 1).build();
    fc2 = Convolution.builder(2, reduced, channels(), 1).build();
    ca.register_module("fc1", fc1);
    ca.register_module("fc2", fc2);
    register_module("ca", ca);
    near = register_module("dconv5_5", LargeKernelAttention.depthwise(settings, 5, 1));
    for (int k : LENGTHS) {
      alongRows.add(register_module("dconv1_" + k, strip().kernel(1, k).padding(0, k / 2).build()));
      alongColumns.add(
          register_module("dconv" + k + "_1", strip().kernel(k, 1).padding(k / 2, 0).build()));
    }
    conv = register_module("conv", Convolution.builder(2, channels(), channels(), 1).build());
  }

  private Convolution.Builder strip() {
    return Convolution.builder(2, channels(), channels(), 1).groups(channels());
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T y = ops.gelu(conv.apply(ops, x));
    T ofMean = gate(ops, ops.perChannel(ops.mean(y), y));
    T ofMaximum = gate(ops, ops.perChannel(ops.max(y), y));
    y = ops.innerGate(y, ops.add(ofMean, ofMaximum));
    T around = near.apply(ops, y);
    T sum = around;
    for (int i = 0; i < LENGTHS.length; i++) {
      T strip = alongRows.get(i).apply(ops, around);
      sum = ops.add(sum, alongColumns.get(i).apply(ops, strip));
    }
    return conv.apply(ops, ops.innerGate(y, conv.apply(ops, sum)));
  }

  private <T> T gate(Ops<T> ops, T pooled) {
    T hidden = ops.in(ca, () -> ops.relu(fc1.apply(ops, pooled)));
    return ops.in(ca, () -> ops.sigmoid(fc2.apply(ops, hidden)));
  }
}
