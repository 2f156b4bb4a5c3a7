package io.fovea.tensor.internal;

import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;

/** Tells whether a result needs a gradient. */
public final class Gradients {
  private Gradients() {}

  /** Whether the result of these tensors needs a gradient. */
  public static boolean needed(Tensor... inputs) {
    return needed(Arrays.asList(inputs));
  }

  /** Whether the result of a module for a tensor needs a gradient. */
  public static boolean needed(Module module, Tensor x) {
    return GradMode.is_enabled() && (x.requires_grad() || needed(module.parameters().get()));
  }

  /** Whether the result of these tensors needs a gradient. */
  public static boolean needed(List<Tensor> inputs) {
    return GradMode.is_enabled() && inputs.stream().anyMatch(Tensor::requires_grad);
  }
}
