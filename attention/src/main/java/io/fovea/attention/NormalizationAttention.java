package io.fovea.attention;

import io.fovea.nn.BatchNorm;
import io.fovea.nn.Ops;
import org.bytedeco.pytorch.Module;

/**
 * Normalisation-based attention: the gate of each value is the sigmoid of its batch norm, scaled by
 * the share of its channel in the sum of the norm's absolute weights.
 *
 * <p>Liu, Shao, Teng, Hoffmann: <a href="https://arxiv.org/abs/2111.12419">NAM</a>, section 3. As
 * in the authors' code, no gradient flows through the share, and the spatial part that the paper
 * describes does not exist.
 *
 * <p>Parameters: {@code Channel_Att.bn2}.
 */
final class NormalizationAttention extends Attention {
  static final Mechanism MECHANISM =
      Mechanism.named("nam", "Normalisation-based attention")
          .paper("2111.12419")
          .summary("gates each value, computed by a batch norm")
          .equation("u = BN(x);  y = x · σ(u · |w| / Σ |w|)      w: the weights of the batch norm")
          .cost("2·C", "0")
          .code("authors and reference", "Christian-lyc/NAM", "6e8d3e3", "MODELS/attention.py")
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES, Mechanism.Shows.SPATIAL_GATES)
          .madeBy(NormalizationAttention::new);

  private final Module channelAtt = new Module("Channel_Att"); // for the names of the parameters
  private final BatchNorm bn2 = new BatchNorm(channels());

  private NormalizationAttention(Settings settings) {
    super(settings);
    channelAtt.register_module("bn2", bn2);
    register_module("Channel_Att", channelAtt);
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T weights =
        ops.in(bn2, () -> ops.reshape(ops.parameter("weight", bn2.weight().detach()), 1, -1));
    T sizes = ops.abs(weights); // [1, C]
    T shares = ops.perChannel(ops.div(sizes, ops.sum(sizes, 1)), x);
    return ops.gate(x, ops.sigmoid(ops.mul(bn2.apply(ops, x), shares)));
  }

  @Override
  protected void checkShape(long[] shape) {
    refuseSingleValue(valuesPerChannel(shape), shape, "it normalises over batch and positions");
  }
}
