package io.fovea.attention;

import io.fovea.attention.fast.PlaneGates;
import io.fovea.nn.Convolution;
import io.fovea.nn.Ops;

/**
 * Effective squeeze-and-excitation: each channel is scaled by a gate that one layer computes from
 * the means of all channels. Unlike SE, it does not reduce the number of channels in between, which
 * would lose information.
 *
 * <p>Lee, Park: <a href="https://arxiv.org/abs/1911.06667">CenterMask</a>, section 3.3. The
 * authors' class ignores its argument {@code reduction}. As in timm, the pooling can be the average
 * of mean and maximum ({@code pool=avgmax}).
 *
 * <p>Parameters: {@code fc.weight [C, C, 1...]}, {@code fc.bias [C]}.
 */
final class EffectiveSqueezeExcitation extends Attention {
  private static final Option<Pool> POOL =
      Option.choice("pool", Pool.AVG, "how each channel is pooled to one number");

  static final Mechanism MECHANISM =
      Mechanism.named("ese", "Effective squeeze-and-excitation")
          .paper("1911.06667")
          .summary("gates each channel, computed by one layer without a reduction")
          .equation("y = x · relu6(W mean(x) + b + 3) / 6")
          .cost("C² + C", "C²")
          .code(
              "authors and reference",
              "youngwanLEE/vovnet-detectron2",
              "b81c813",
              "vovnet/vovnet.py")
          .variant("ese:pool=avgmax", "timm's EffectiveSEModule with add_maxpool")
          .copy(
              "timm 1.0.31",
              "its hard sigmoid has a slope of 1/6 + 5e-9 in float64, because libtorch"
                  + " rounds it to float32")
          .options(POOL)
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES)
          .written(Written.here(Written.withoutOptions("fc.weight")))
          .madeBy(EffectiveSqueezeExcitation::new);

  /** The mean of a channel, or the average of its mean and its maximum. */
  enum Pool {
    AVG,
    AVGMAX
  }

  private final Pool pool;
  private final Convolution fc;

  private EffectiveSqueezeExcitation(Settings settings) {
    super(settings);
    pool = settings.get(POOL);
    fc =
        register_module("fc", Convolution.builder(dimensions(), channels(), channels(), 1).build());
    if (pool == Pool.AVG) {
      faster(PlaneGates.of(PlaneGates.Pool.MEAN, (means, x) -> gates(tensors(), means, x)));
    }
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T squeezed =
        switch (pool) {
          case AVG -> ops.mean(x);
          case AVGMAX -> ops.div(ops.add(ops.mean(x), ops.max(x)), 2);
        };
    return ops.gate(x, gates(ops, squeezed, x));
  }

  private <T> T gates(Ops<T> ops, T squeezed, T like) {
    return ops.hardSigmoid(fc.apply(ops, ops.perChannel(squeezed, like)));
  }

  @Override
  protected boolean takesChannelsLast() {
    return true;
  }
}
