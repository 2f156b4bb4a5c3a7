package io.fovea.attention.fast;

import io.fovea.nn.Convolution;
import io.fovea.tensor.internal.Gradients;
import io.fovea.tensor.internal.Macs;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** CBAM as the reference implementation has it, on planes, by {@link Kernels}. Of equal maxima, the first gets the gradient. */
public final class CbamKernels {
  private final Convolution in;
  private final Convolution out;
  private final Convolution conv;

  public CbamKernels(Convolution in, Convolution out, Convolution conv) {
    this.in = in;
    this.out = out;
    this.conv = conv;
  }

  public boolean supports(Tensor... maps) {
    return Kernels.inUse().isPresent() && maps[0].dim() == 4 && KernelMaps.supportInOneOrder(maps);
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
   * Computes.
   *
   * @param shortcut of a block, or null
   * @param over whether the result takes the memory of {@code x}, which has its channels last then
   */
  public Tensor attend(Tensor x, Tensor shortcut, boolean over) {
    Kernels kernels = Kernels.inUse().orElseThrow();
    Kernels.Shape shape = KernelMaps.shape(x);
    Kernels.CbamWeights weights = weights();
    Tensor y = over ? x.detach() : torch.empty_like(x.detach());
    Kernels.Saved saved =
        kernels.cbam(
            shape,
            weights,
            KernelMaps.memory(x),
            KernelMaps.optionalMemory(shortcut),
            KernelMaps.memory(y));
    long mlp = 2L * weights.perceptron().hidden() * shape.channels();
    Macs.add(shape.images() * (2 * mlp + (long) shape.positions() * conv.weight().numel()));
    List<Tensor> inputs = inputs(x, shortcut);
    if (Gradients.needed(inputs)) {
      Tensor input = x.detach();
      Tensor output = shortcut == null ? null : y.detach();
      CustomGradient.attach(
          y,
          inputs,
          output == null ? List.of(input) : List.of(input, output),
          dy -> gradients(kernels, shape, weights, saved, input, output, dy));
    }
    return y;
  }

  /** As they are now: the gradient is taken at what the output was computed with. */
  private Kernels.CbamWeights weights() {
    return new Kernels.CbamWeights(
        KernelMaps.perceptron(in.weight(), in.bias(), out.weight(), out.bias()),
        (int) conv.weight().size(2),
        KernelMaps.copy(conv.weight()));
  }

  private List<Tensor> gradients(
      Kernels kernels,
      Kernels.Shape shape,
      Kernels.CbamWeights weights,
      Kernels.Saved saved,
      Tensor x,
      Tensor y,
      Tensor dy) {
    Tensor dx = torch.empty_like(x);
    Tensor ofShortcut = y == null ? null : torch.empty_like(x);
    Kernels.CbamGradients computed =
        kernels.cbamGradient(
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
