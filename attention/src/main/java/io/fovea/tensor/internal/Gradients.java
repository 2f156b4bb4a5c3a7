package io.fovea.tensor.internal;

import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;

/** Whether gradients are taken. */
public final class Gradients {
  private Gradients() {}

  /** Whether a gradient is taken of what is computed from these. */
  public static boolean needed(Tensor... inputs) {
    return needed(Arrays.asList(inputs));
  }

  /** Whether a gradient is taken of what a module computes from a tensor. */
  public static boolean needed(Module module, Tensor x) {
    return GradMode.is_enabled() && (x.requires_grad() || needed(module.parameters().get()));
  }

  /** Whether a gradient is taken of what is computed from these. */
  public static boolean needed(List<Tensor> inputs) {
    return GradMode.is_enabled() && inputs.stream().anyMatch(Tensor::requires_grad);
  }
}
