package io.fovea.attention.fast;

import org.bytedeco.pytorch.Tensor;

/**
 * A faster way to compute a mechanism's equation, with fewer passes over memory or with less
 * memory. Multiply-accumulates and names in graphs always come from the equation.
 */
public interface FastPath {
  /**
   * Whether it supports this input.
   *
   * @param x feature map {@code [B, C, spatial...]}
   * @param shortcut the shortcut of a residual block, with the same shape, or null
   */
  boolean supports(Tensor x, Tensor shortcut);

  /**
   * Computes {@code attend(x)}, or {@code relu(attend(x) + shortcut)}. A scope is open.
   *
   * @param shortcut the shortcut, or null
   * @param inPlace whether the result may overwrite {@code x}
   */
  Tensor forward(Tensor x, Tensor shortcut, boolean inPlace);
}
