package io.fovea.attention.fast;

import org.bytedeco.pytorch.Tensor;

/**
 * Another way to the numbers of a mechanism's equation: in fewer passes over memory, or without what the
 * equation would keep there. It counts nothing and names nothing; the equation does.
 */
public interface FastPath {
  /**
   * Whether it serves for this input.
   *
   * @param x feature map {@code [B, C, spatial...]}
   * @param shortcut what is added at the end of a residual block, of the same shape, or null
   */
  boolean supports(Tensor x, Tensor shortcut);

  /**
   * Computes {@code attend(x)}, or {@code relu(attend(x) + shortcut)}; a scope is open.
   *
   * @param shortcut or null
   * @param inPlace whether the memory of {@code x} may become the result's
   */
  Tensor forward(Tensor x, Tensor shortcut, boolean inPlace);
}
