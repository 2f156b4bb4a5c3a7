package io.fovea.attention.fast;

import io.fovea.tensor.compute.CustomGradient;
import io.fovea.tensor.internal.Gradients;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Spatial group-wise enhance, computed by {@link Kernels}, one group after the other. */
public final class GroupEnhanceKernels implements FastPath {
  private final Tensor weight;
  private final Tensor bias;
  private final double epsilon;

  /**
   * Creates the fast path for the parameters of a module.
   *
   * @param weight {@code [1, groups, 1, 1]}
   * @param bias {@code [1, groups, 1, 1]}
   */
  public GroupEnhanceKernels(Tensor weight, Tensor bias, double epsilon) {
    this.weight = weight;
    this.bias = bias;
    this.epsilon = epsilon;
  }

  @Override
  public boolean supports(Tensor x, Tensor shortcut) {
    return shortcut == null && kernel().isPresent() && KernelMaps.supports(x);
  }

  private static Optional<Kernels.GroupEnhance> kernel() {
    return Kernels.inUse(Kernels.GroupEnhance.class);
  }

  @Override
  public Tensor forward(Tensor x, Tensor shortcut, boolean inPlace) {
    Kernels.GroupEnhance kernel = kernel().orElseThrow();
    Kernels.Shape shape = KernelMaps.shape(x);
    Kernels.GroupEnhanceWeights weights = // copies, because the gradient must use these values
        new Kernels.GroupEnhanceWeights(
            KernelMaps.copy(weight), KernelMaps.copy(bias), (float) epsilon);
    Tensor y = torch.empty_like(x.detach());
    kernel.groupEnhance(shape, weights, KernelMaps.memory(x), KernelMaps.memory(y));
    List<Tensor> inputs = List.of(x, weight, bias);
    if (Gradients.needed(inputs)) {
      Tensor input = x.detach();
      CustomGradient.attach(
          y,
          inputs,
          List.of(input),
          dy -> {
            Tensor dx = torch.empty_like(input);
            Kernels.GroupEnhanceGradients computed =
                kernel.groupEnhanceGradient(
                    shape,
                    weights,
                    KernelMaps.memory(input),
                    KernelMaps.memory(dy),
                    KernelMaps.memory(dx));
            return List.of(
                dx,
                KernelMaps.like(weight, computed.weight()),
                KernelMaps.like(bias, computed.bias()));
          });
    }
    return y;
  }
}
