package io.fovea.kernels;

import io.fovea.attention.*;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.*;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

class VectorKernelsTest {
  @Test
  void smoke() {
    try (PointerScope scope = new PointerScope()) {
      System.out.println(Kernels.inUse().map(Kernels::describe));
      Attention m = AttentionSpec.parse("cbam").create(64, 2);
      for (long[] shape : new long[][] {{32, 64, 32, 32}, {3, 64, 5, 7}}) {
        Tensor x = torch.randn(shape).set_requires_grad(true);
        Tensor y = m.forward(x);
        y.square().sum().backward();
        Tensor g = x.grad().clone();
        Tensor gp = m.parameters().get(0).grad().clone();
        Tensor gw = m.parameters().get(2).grad().clone();
        x.mutable_grad().reset();
        for (Tensor p : m.parameters().get()) p.mutable_grad().reset();
        Tensor xd =
            x.detach().unsqueeze(4).squeeze(4).to(torch.ScalarType.Double).set_requires_grad(true);
        m.to(torch.ScalarType.Double, false);
        Tensor e = m.forward(xd);
        e.square().sum().backward();
        System.out.println(
            e.sub(y).abs().max().item_double()
                + " "
                + xd.grad().sub(g).abs().max().item_double()
                + " "
                + m.parameters().get(0).grad().sub(gp).abs().max().item_double()
                + " "
                + m.parameters().get(2).grad().sub(gw).abs().max().item_double()
                + " of "
                + gw.abs().max().item_double());
        m.to(torch.ScalarType.Float, false);
        for (Tensor p : m.parameters().get()) p.mutable_grad().reset();
      }
    }
  }
}
