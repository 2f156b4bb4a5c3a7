package io.fovea.models.placement;

import io.fovea.attention.Attention;
import io.fovea.nn.Ops;

/**
 * An attention module in place of a convolution of images.
 *
 * <p>Threads may share it as they may share its module.
 *
 * @param module the module
 * @param stride the stride that the module does not have: means of as many positions follow it
 */
public record Replacement(Attention module, int stride) {
  /** Whether a batch norm and an activation follow the module, as they followed the convolution. */
  public boolean keepsNorm() {
    return !module.spec().mechanism().replacesNorm();
  }

  /** Computes: {@code [B, C, H, W] -> [B, C, H / stride, W / stride]}, rounded up. */
  public <T> T apply(Ops<T> ops, T x) {
    return strided(ops, module.apply(ops, x));
  }

  /** Means of {@code stride} x {@code stride} positions; at odd sizes the windows overlap. */
  private <T> T strided(Ops<T> ops, T y) {
    return stride == 1 ? y : ops.adaptiveAverage(y, ops.maxPool(y, 1, stride, 0));
  }
}
