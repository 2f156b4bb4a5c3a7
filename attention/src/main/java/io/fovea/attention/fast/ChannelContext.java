package io.fovea.attention.fast;

import io.fovea.tensor.compute.ChannelProducts;
import io.fovea.tensor.compute.SoftmaxAttention;
import io.fovea.tensor.internal.ChannelsLast;
import io.fovea.tensor.internal.Gradients;
import org.bytedeco.pytorch.Tensor;

/**
 * Computes {@code γ · softmax(∓X Xᵀ) X}. The maximum in the equation is left out, because it is a
 * shift, which a softmax ignores. In large feature maps, half of the symmetric {@code X Xᵀ} is
 * computed, and γ scales the matrix of channels in place of the result. Small ones are computed by
 * libtorch's fused operator, without this matrix in memory.
 */
public final class ChannelContext implements Context {
  private final Tensor gamma;
  private final boolean reversed;

  /**
   * Creates the context.
   *
   * @param gamma the factor, {@code [1]}
   * @param reversed whether the products are negated
   */
  public ChannelContext(Tensor gamma, boolean reversed) {
    this.gamma = gamma;
    this.reversed = reversed;
  }

  @Override
  public boolean supports(Tensor x) {
    return !ChannelsLast.is(x);
  }

  @Override
  public Tensor of(Tensor x) {
    return isLarge(x) ? mapped(x, false) : attended(x);
  }

  @Override
  public Tensor added(Tensor x) {
    return isLarge(x) ? mapped(x, true) : Context.super.added(x);
  }

  private static boolean isLarge(Tensor x) {
    long channels = x.size(1);
    long positions = x.numel() / (x.size(0) * channels);
    return ChannelProducts.supports(x)
        && SoftmaxAttention.isLarge(channels, channels, positions, positions);
  }

  private Tensor mapped(Tensor x, boolean shortcut) {
    Tensor flat = x.flatten(2, -1).contiguous();
    Tensor energy = ChannelProducts.gram(flat);
    Tensor affinity = (reversed ? energy.neg() : energy).softmax(2).mul(gamma);
    return ChannelProducts.mapped(flat, affinity, flat.new_zeros(flat.size(1), 1), shortcut)
        .view(x.shape());
  }

  private Tensor attended(Tensor x) {
    Tensor flat = x.flatten(2, -1); // here, the C channels are the positions, with width N
    Tensor attended =
        SoftmaxAttention.attended(reversed ? flat.neg() : flat, flat, flat).reshape(x.shape());
    return Gradients.needed(attended, gamma) ? attended.mul(gamma) : attended.mul_(gamma);
  }
}
