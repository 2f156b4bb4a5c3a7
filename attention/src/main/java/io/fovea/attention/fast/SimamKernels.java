package io.fovea.attention.fast;

import io.fovea.tensor.compute.CustomGradient;
import io.fovea.tensor.internal.Gradients;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** SimAM, computed by {@link Kernels}, one plane after the other. */
public final class SimamKernels implements FastPath {
  private final float lambda;

  /** Creates the fast path for the summand of the variance. */
  public SimamKernels(double lambda) {
    this.lambda = (float) lambda;
  }

  @Override
  public boolean supports(Tensor x, Tensor shortcut) {
    return shortcut == null && kernel().isPresent() && KernelMaps.supports(x);
  }

  private static Optional<Kernels.Simam> kernel() {
    return Kernels.inUse(Kernels.Simam.class);
  }

  @Override
  public Tensor forward(Tensor x, Tensor shortcut, boolean inPlace) {
    Kernels.Simam kernel = kernel().orElseThrow();
    Kernels.Shape shape = KernelMaps.shape(x);
    Tensor y = torch.empty_like(x.detach());
    kernel.simam(shape, lambda, KernelMaps.memory(x), KernelMaps.memory(y));
    if (Gradients.needed(x)) {
      Tensor input = x.detach();
      CustomGradient.attach(
          y,
          List.of(x),
          List.of(input),
          dy -> {
            Tensor dx = torch.empty_like(input);
            kernel.simamGradient(
                shape,
                lambda,
                KernelMaps.memory(input),
                KernelMaps.memory(dy),
                KernelMaps.memory(dx));
            return List.of(dx);
          });
    }
    return y;
  }
}
