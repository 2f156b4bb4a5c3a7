package io.fovea.attention.fast;

import io.fovea.tensor.compute.SoftmaxAttention;
import io.fovea.tensor.internal.ChannelsLast;
import io.fovea.tensor.internal.Gradients;
import org.bytedeco.pytorch.Tensor;

/**
 * Computes {@code γ · softmax(∓X Xᵀ) X} without the matrix of channels in memory. The maximum in
 * the equation is left out, because it is a shift, which a softmax ignores.
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
    Tensor flat = x.flatten(2, -1); // here, the C channels are the positions, with width N
    Tensor attended =
        SoftmaxAttention.attended(reversed ? flat.neg() : flat, flat, flat).reshape(x.shape());
    return Gradients.needed(attended, gamma) ? attended.mul(gamma) : attended.mul_(gamma);
  }
}
