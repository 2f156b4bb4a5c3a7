package io.fovea.attention;

import static io.fovea.attention.Option.atLeast;
import static io.fovea.attention.Option.dividing;

import io.fovea.nn.GroupNorm;
import io.fovea.nn.Ops;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Shuffle attention: in each group of channels, one half is gated by its means and the other half by
 * its normalised values; then the channels of both halves of the map are interleaved.
 *
 * <p>Zhang, Yang: <a href="https://arxiv.org/abs/2102.00240">SA-Net</a>, section 3. GN normalises
 * each channel by itself. The weights are shared by all groups. In a new module every gate is σ(1) =
 * 0.73, and the channels are interleaved from the start. {@code explain} shows the gates in the order
 * of the input's channels. Some copies have 8 groups.
 *
 * <p>Parameters: {@code cweight}, {@code cbias}, {@code sweight}, {@code sbias}, {@code [1, C/2G, 1,
 * 1]}; {@code gn [C/2G]}.
 */
final class ShuffleAttention extends Attention {
  private static final int NARROWEST = 4; // channels of a group in the first stage of ResNet-50

  private static final Option<Integer> GROUPS =
      dividing(
          2,
          NARROWEST,
          atLeast(
                  1,
                  Option.integer(
                      "groups", 64, "number of groups; twice as many must divide the channels"))
              .samples(List.of(64, 1, 4)));

  static final Mechanism MECHANISM =
      Mechanism.named("shuffle", "Shuffle attention")
          .paper("2102.00240")
          .summary("gates half of the channels, and the positions of the other half, in groups")
          .equation(
              """
              a = x₁ · σ(w_c mean(x₁) + b_c)        s = x₂ · σ(w_s GN(x₂) + b_s)
              y = shuffled([a, s] of all groups)
                  channel 2i is channel i, channel 2i + 1 is channel C/2 + i
              """)
          .cost("6·h; h = C / (2·groups)", "0")
          .code("authors and reference", "wofmanaf/SA-Net", "00a6760", "models/sa_resnet.py")
          .variant("shuffle:groups=8", "fightingcv and YOLO")
          .copy("fightingcv d75848e", "has 8 groups (gn.weight [4] for 64 channels)")
          .copy("YOLO cb1b621", "has 8 groups (gn.weight [4] for 64 channels)")
          .options(GROUPS)
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES, Mechanism.Shows.SPATIAL_GATES)
          .written(
              Written.here(
                  s ->
                      ModuleState.quotient(s.channels(), 2 * s.size("cweight", 1))
                          .map(groups -> "groups=" + groups)))
          .madeBy(ShuffleAttention::new);

  private final long half; // channels of half a group
  private final Tensor cweight;
  private final Tensor cbias;
  private final Tensor sweight;
  private final Tensor sbias;
  private final GroupNorm gn;

  private ShuffleAttention(Settings settings) {
    super(settings);
    half = channels() / (2 * settings.dividing(GROUPS, 2));
    cweight = torch.zeros(1, half, 1, 1);
    cbias = torch.ones(1, half, 1, 1);
    sweight = torch.zeros(1, half, 1, 1);
    sbias = torch.ones(1, half, 1, 1);
    register_parameter("cweight", cweight);
    register_parameter("cbias", cbias);
    register_parameter("sweight", sweight);
    register_parameter("sbias", sbias);
    gn = register_module("gn", new GroupNorm(half, half));
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T groups = ops.reshape(ops.flatten(x), -1, 2 * half, 0); // [B · G, C/G, N]
    T first = ops.narrow(groups, 1, 0, half);
    T second = ops.narrow(groups, 1, half, half);
    T means = ops.perChannel(ops.mean(first), first);
    T ofChannels =
        affine(ops, means, ops.parameter("cweight", cweight), ops.parameter("cbias", cbias));
    T ofPositions =
        affine(
            ops,
            gn.apply(ops, second),
            ops.parameter("sweight", sweight),
            ops.parameter("sbias", sbias));
    T gates = ops.sigmoid(ops.concat(1, ops.expand(ofChannels, first), ofPositions));
    T gated = ops.reshape(ops.gate(groups, gates), -1, channels(), 0); // [B, C, N]
    return ops.unflatten(ops.interleave(gated, channels(), 2), x);
  }

  /** {@code [B · G, C/2G, N]} with a factor and a summand for each channel. */
  private static <T> T affine(Ops<T> ops, T x, T weight, T bias) {
    return ops.add(ops.mul(x, ops.reshape(weight, 1, -1, 1)), ops.reshape(bias, 1, -1, 1));
  }
}
