package io.fovea.attention;

import io.fovea.attention.fast.ChannelShares;
import io.fovea.attention.fast.PlaneGates;
import io.fovea.nn.Ops;
import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Global response normalisation: each channel is scaled by its share in the norms of all channels,
 * so that channels compete.
 *
 * <p>Woo and others: <a href="https://arxiv.org/abs/2301.00808">ConvNeXt V2</a>, section 3.3; ε is
 * 1e-6. A new module is the identity. In ConvNeXt V2 it stands in the middle of each block's MLP.
 * As the gate, {@code explain} shows {@code 1 + γ · g / (mean(g) + ε)}; β is added to what it gives.
 * The gradient of g is 0 for a channel of zeros, as in PyTorch.
 *
 * <p>Parameters: {@code gamma}, {@code beta}, {@code [1, 1..., C]}: in the authors' code, channels
 * come last.
 */
final class GlobalResponseNorm extends Attention {
  private static final double EPSILON = 1e-6;

  static final Mechanism MECHANISM =
      Mechanism.named("grn", "Global response normalisation")
          .paper("2301.00808")
          .summary("scales each channel by its share in the norms of all channels")
          .equation(
              """
              g = sqrt(Σ x²)                          over positions
              y = x + γ · x · g / (mean(g) + ε) + β   mean over channels
              """)
          .cost("2·C", "0")
          .code(
              "authors and reference", "facebookresearch/ConvNeXt-V2", "2553895", "models/utils.py")
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES)
          .written(
              Written.here(Written.withoutOptions("gamma")),
              Written.by("mmpretrain", Written.withoutOptions("gamma")).reshaped(),
              Written.by(
                      "timm",
                      Written.withoutOptions("gamma"),
                      "^weight$",
                      "gamma",
                      "^bias$",
                      "beta")
                  .reshaped())
          .madeBy(GlobalResponseNorm::new);

  private final Tensor gamma;
  private final Tensor beta;

  private GlobalResponseNorm(Settings settings) {
    super(settings);
    long[] shape = new long[dimensions() + 2];
    Arrays.fill(shape, 1);
    shape[shape.length - 1] = channels();
    gamma = torch.zeros(shape);
    beta = torch.zeros(shape);
    register_parameter("gamma", gamma);
    register_parameter("beta", beta);
    faster(new PlaneGates(new ChannelShares(gamma, beta, EPSILON)));
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T norms = ops.norm(x); // [B, C]
    T shares = ops.div(norms, ops.add(ops.mean(norms, 1), EPSILON));
    T scale = ops.reshape(ops.parameter("gamma", gamma), 1, -1);
    T shift = ops.reshape(ops.parameter("beta", beta), 1, -1);
    T gate = ops.add(ops.mul(shares, scale), 1);
    return ops.add(ops.gate(x, ops.perChannel(gate, x)), ops.perChannel(shift, x));
  }

  @Override
  protected boolean takesChannelsLast() {
    return true;
  }
}
