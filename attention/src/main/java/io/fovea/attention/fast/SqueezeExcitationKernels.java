package io.fovea.attention.fast;

import io.fovea.nn.Linear;
import io.fovea.tensor.compute.CustomGradient;
import io.fovea.tensor.internal.ChannelsLast;
import io.fovea.tensor.internal.Gradients;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Computes {@code x · σ(W₂ relu(W₁ mean(x)))} by {@link Kernels}. */
public final class SqueezeExcitationKernels implements FastPath {
  /** These values were measured in ResNet-50 with one image and with eight. */
  private static final long MAP_TO_WEIGHTS = 4;

  private static final long FEW_WEIGHTS = 1 << 13;

  private final Linear in;
  private final Linear out;

  /** Creates the fast path for the two layers. */
  public SqueezeExcitationKernels(Linear in, Linear out) {
    this.in = in;
    this.out = out;
  }

  /**
   * A single channels-last image is not supported, because libtorch's operators are as fast for it
   * and need no compilation.
   */
  @Override
  public boolean supports(Tensor x, Tensor shortcut) {
    return kernel().isPresent()
        && KernelMaps.supportInOneOrder(x, shortcut)
        && !(ChannelsLast.is(x) && x.size(0) == 1)
        && gains(x);
  }

  private static java.util.Optional<Kernels.SqueezeExcitation> kernel() {
    return Kernels.inUse(Kernels.SqueezeExcitation.class);
  }

  /**
   * Whether kernels are faster. They copy the weights in each call and compute the gradients of the
   * weights themselves. If there are many weights compared with the feature map, libtorch's matrix
   * products are faster.
   */
  private boolean gains(Tensor x) {
    long weights = in.weight().numel() + out.weight().numel();
    return weights <= FEW_WEIGHTS || x.numel() >= MAP_TO_WEIGHTS * weights;
  }

  @Override
  public Tensor forward(Tensor x, Tensor shortcut, boolean inPlace) {
    Kernels.SqueezeExcitation kernel = kernel().orElseThrow();
    Kernels.Shape shape = KernelMaps.shape(x);
    Kernels.Perceptron weights =
        KernelMaps.perceptron(in.weight(), in.bias(), out.weight(), out.bias());
    Tensor y = inPlace && ChannelsLast.is(x) ? x.detach() : torch.empty_like(x.detach());
    Kernels.Saved saved =
        kernel.squeezeExcitation(
            shape,
            weights,
            KernelMaps.memory(x),
            KernelMaps.optionalMemory(shortcut),
            KernelMaps.memory(y));
    List<Tensor> inputs = KernelMaps.inputs(x, in.weight(), in.bias(), out.weight(), out.bias());
    if (shortcut != null) {
      inputs.add(shortcut);
    }
    if (Gradients.needed(inputs)) {
      Tensor input = x.detach();
      Tensor output = shortcut == null ? null : y.detach();
      CustomGradient.attach(
          y,
          inputs,
          output == null ? List.of(input) : List.of(input, output),
          dy -> gradients(kernel, shape, weights, saved, input, output, dy));
    }
    return y;
  }

  private List<Tensor> gradients(
      Kernels.SqueezeExcitation kernel,
      Kernels.Shape shape,
      Kernels.Perceptron weights,
      Kernels.Saved saved,
      Tensor x,
      Tensor y,
      Tensor dy) {
    Tensor dx = torch.empty_like(x);
    Tensor ofShortcut = y == null ? null : torch.empty_like(x);
    Kernels.PerceptronGradients computed =
        kernel.squeezeExcitationGradient(
            shape,
            weights,
            saved,
            KernelMaps.memory(x),
            KernelMaps.optionalMemory(y),
            KernelMaps.memory(dy),
            KernelMaps.memory(dx),
            KernelMaps.optionalMemory(ofShortcut));
    List<Tensor> gradients = new ArrayList<>(List.of(dx));
    gradients.addAll(
        KernelMaps.gradients(computed, in.weight(), in.bias(), out.weight(), out.bias()));
    if (y != null) {
      gradients.add(ofShortcut);
    }
    return gradients;
  }
}
