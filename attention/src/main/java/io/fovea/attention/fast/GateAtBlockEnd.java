package io.fovea.attention.fast;

import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Computes {@code relu(gates(x) · x + shortcut)} in one pass over the feature map, without
 * gradients.
 */
public final class GateAtBlockEnd implements FastPath {
  private final UnaryOperator<Tensor> gates;

  /** Creates the path for gates {@code [B, C, 1...]} or {@code [B, 1, spatial...]}. */
  public GateAtBlockEnd(UnaryOperator<Tensor> gates) {
    this.gates = gates;
  }

  @Override
  public boolean supports(Tensor x, Tensor shortcut) {
    return shortcut != null && !GradMode.is_enabled();
  }

  @Override
  public Tensor forward(Tensor x, Tensor shortcut, boolean inPlace) {
    if (!inPlace) {
      return torch.addcmul(shortcut, x, gates.apply(x)).relu_();
    }
    torch.addcmul_out(x, shortcut, x, gates.apply(x)).relu_();
    return new Tensor(x);
  }
}
