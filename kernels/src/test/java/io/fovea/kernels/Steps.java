package io.fovea.kernels;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionSpec;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Modules with weights that do something, and what a step of a training computes with them. */
final class Steps {
  private Steps() {}

  static Tensor random(long seed, long... shape) {
    torch.manual_seed(seed);
    return torch.randn(shape);
  }

  static Attention module(String spec, long channels) {
    torch.manual_seed(7);
    Attention module = AttentionSpec.parse(spec).create(channels, 2);
    try (NoGradGuard guard = new NoGradGuard()) {
      for (Tensor parameter : module.parameters().get()) {
        parameter.add_(torch.randn(parameter.shape()).mul(new Scalar(0.3)));
      }
    }
    return module;
  }

  /**
   * Output, gradient of the input, gradients of the parameters.
   *
   * @param x the input, whose type the module gets; it may be used as it is
   */
  static List<Tensor> step(Attention module, Tensor x) {
    module.to(x.scalar_type().intern(), false);
    for (Tensor parameter : module.parameters().get()) {
      parameter.mutable_grad().reset();
    }
    Tensor input = x.detach().set_requires_grad(true);
    Tensor y = module.forward(input);
    y.mul(random(9, y.shape()).to(x.scalar_type().intern())).sum().backward();
    List<Tensor> results = new ArrayList<>(List.of(y.detach(), input.grad().clone()));
    for (Tensor parameter : module.parameters().get()) {
      results.add(parameter.grad().clone());
    }
    return results;
  }
}
