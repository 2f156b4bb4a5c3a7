package io.fovea.attention.fast;

import io.fovea.nn.Convolution;
import io.fovea.nn.Sequence;
import io.fovea.tensor.compute.CustomGradient;
import io.fovea.tensor.internal.ChannelsLast;
import io.fovea.tensor.internal.Gradients;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * CBAM with mean and maximum in both gates, channels first, computed by {@link Kernels} on planes.
 * If several values equal a maximum, the first one receives the gradient.
 */
public final class CbamKernels implements FastPath {
  private final Convolution in;
  private final Convolution out;
  private final Convolution conv;

  /**
   * Creates the fast path for the layers of a module.
   *
   * @param mlp two pointwise convolutions
   * @param conv the spatial convolution
   */
  public CbamKernels(Sequence mlp, Convolution conv) {
    in = (Convolution) mlp.layers().get(0);
    out = (Convolution) mlp.layers().get(1);
    this.conv = conv;
  }

  @Override
  public boolean supports(Tensor x, Tensor shortcut) {
    return kernel().isPresent() && x.dim() == 4 && KernelMaps.supportInOneOrder(x, shortcut);
  }

  private static Optional<Kernels.Cbam> kernel() {
    return Kernels.inUse(Kernels.Cbam.class);
  }

  @Override
  public Tensor forward(Tensor x, Tensor shortcut, boolean inPlace) {
    Kernels.Cbam kernel = kernel().orElseThrow();
    Kernels.Shape shape = KernelMaps.shape(x);
    Kernels.CbamWeights weights = weights();
    Tensor y = inPlace && ChannelsLast.is(x) ? x.detach() : torch.empty_like(x.detach());
    Kernels.Saved saved =
        kernel.cbam(
            shape,
            weights,
            KernelMaps.memory(x),
            KernelMaps.optionalMemory(shortcut),
            KernelMaps.memory(y));
    List<Tensor> inputs = inputs(x, shortcut);
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

  private List<Tensor> inputs(Tensor x, Tensor shortcut) {
    List<Tensor> inputs = KernelMaps.inputs(x, in.weight(), in.bias(), out.weight(), out.bias());
    inputs.add(conv.weight());
    if (shortcut != null) {
      inputs.add(shortcut);
    }
    return inputs;
  }

  /**
   * Copies of the current values, because the gradient must use the values from which the output
   * was computed.
   */
  private Kernels.CbamWeights weights() {
    return new Kernels.CbamWeights(
        KernelMaps.perceptron(in.weight(), in.bias(), out.weight(), out.bias()),
        (int) conv.weight().size(2),
        KernelMaps.copy(conv.weight()));
  }

  private List<Tensor> gradients(
      Kernels.Cbam kernel,
      Kernels.Shape shape,
      Kernels.CbamWeights weights,
      Kernels.Saved saved,
      Tensor x,
      Tensor y,
      Tensor dy) {
    Tensor dx = torch.empty_like(x);
    Tensor ofShortcut = y == null ? null : torch.empty_like(x);
    Kernels.CbamGradients computed =
        kernel.cbamGradient(
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
        KernelMaps.gradients(
            computed.perceptron(), in.weight(), in.bias(), out.weight(), out.bias()));
    gradients.add(KernelMaps.like(conv.weight(), computed.conv()));
    if (y != null) {
      gradients.add(ofShortcut);
    }
    return gradients;
  }
}
