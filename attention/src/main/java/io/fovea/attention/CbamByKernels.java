package io.fovea.attention;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** CBAM as the document has it, on planes, by {@link Kernels}. Of equal maxima, the first gets the gradient. */
final class CbamByKernels {
  private final Layer.Convolution in;
  private final Layer.Convolution out;
  private final Layer.Convolution conv;

  CbamByKernels(Layer.Convolution in, Layer.Convolution out, Layer.Convolution conv) {
    this.in = in;
    this.out = out;
    this.conv = conv;
  }

  /** Not where the parameters are frozen and the input is not: own gradients hang on a parameter. */
  boolean serve(Tensor x) {
    return Kernels.inUse().isPresent()
        && x.dim() == 4
        && KernelMaps.serve(x)
        && (!KernelMaps.differentiated(x) || KernelMaps.differentiated(parameters()));
  }

  private Tensor[] parameters() {
    List<Tensor> parameters = new ArrayList<>();
    for (Layer.Convolution layer : List.of(in, out)) {
      parameters.add(layer.weight());
      layer.bias().ifPresent(parameters::add);
    }
    parameters.add(conv.weight());
    return parameters.toArray(Tensor[]::new);
  }

  Tensor attend(Tensor x) {
    Kernels kernels = Kernels.inUse().orElseThrow();
    Kernels.Shape shape = KernelMaps.shape(x);
    Kernels.CbamWeights weights = weights();
    Tensor y = torch.empty_like(x.detach());
    Kernels.Saved saved = kernels.cbam(shape, weights, KernelMaps.memory(x), KernelMaps.memory(y));
    long mlp = 2L * weights.perceptron().hidden() * shape.channels();
    Macs.add(shape.images() * (2 * mlp + (long) shape.positions() * conv.weight().numel()));
    Tensor[] parameters = parameters();
    if (KernelMaps.differentiated(parameters)) {
      OwnGradient.attach(
          y,
          x,
          List.of(parameters),
          List.of(),
          (input, dy) -> gradients(kernels, shape, weights, saved, input, dy));
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

  private OwnGradient.Gradients gradients(
      Kernels kernels,
      Kernels.Shape shape,
      Kernels.CbamWeights weights,
      Kernels.Saved saved,
      Tensor x,
      Tensor dy) {
    Tensor dx = torch.empty_like(x);
    Kernels.CbamGradients computed =
        kernels.cbamGradient(
            shape,
            weights,
            saved,
            KernelMaps.memory(x),
            KernelMaps.memory(dy),
            KernelMaps.memory(dx));
    List<Tensor> parameters = new ArrayList<>();
    parameters.add(Tensor.create(computed.in()));
    in.bias().ifPresent(bias -> parameters.add(Tensor.create(computed.inBias())));
    parameters.add(Tensor.create(computed.out()));
    out.bias().ifPresent(bias -> parameters.add(Tensor.create(computed.outBias())));
    parameters.add(Tensor.create(computed.conv()));
    return new OwnGradient.Gradients(dx, parameters);
  }
}
