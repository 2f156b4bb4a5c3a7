package io.fovea.attention.fast;

import io.fovea.tensor.internal.Gradients;
import org.bytedeco.pytorch.Tensor;

/** What attention adds to its input. */
public final class Residual {
  private Residual() {}

  /**
   * {@code x + added}. Without gradients it goes into the memory of what is added, where that has the
   * layout that the result would have.
   *
   * @param added a tensor of the caller's own, which nobody else sees
   */
  public static Tensor add(Tensor added, Tensor x) {
    boolean inPlace = !Gradients.needed(added, x) && added.is_contiguous() && x.is_contiguous();
    return inPlace ? added.add_(x) : x.add(added); // x first: the result has its layout
  }
}
