package io.fovea.models;

import io.fovea.models.placement.Replacement;
import io.fovea.nn.Activation;
import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import io.fovea.nn.Fusing;
import io.fovea.nn.Ops;

/**
 * A convolution, or the attention module that replaces it, and the batch norm behind it.
 *
 * @param convolution the convolution, or null if it is replaced
 * @param replacement what replaces it, or null
 * @param norm the batch norm, or null if the replacement has its own
 */
record Step(Convolution convolution, Replacement replacement, BatchNorm norm) {
  /**
   * Computes the step.
   *
   * @param behind the activation behind the batch norm, or null; a replacement with a norm of its own has
   *     its own activation, too
   */
  <T> T apply(Ops<T> ops, T x, Activation behind) {
    if (replacement == null) {
      return ops.convolution(convolution, norm, behind, x);
    }
    T y = replacement.apply(ops, x);
    if (norm == null) {
      return y;
    }
    T normal = norm.apply(ops, y);
    return behind == null ? normal : behind.apply(ops, normal);
  }

  void fuse(Fusing fusing) {
    if (replacement == null) {
      fusing.add(convolution, norm);
    }
  }
}
