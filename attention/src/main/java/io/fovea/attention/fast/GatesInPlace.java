package io.fovea.attention.fast;

import io.fovea.tensor.internal.ChannelsLast;
import io.fovea.tensor.internal.Gradients;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Applies gates one after the other in place; each gate is computed from the result of the previous
 * one. Large images are processed one by one, so that each pass finds the image in a cache. This
 * has no gradient.
 */
public final class GatesInPlace implements FastPath {
  /**
   * The number of values from which images are computed one by one, so that the six passes over an
   * image find it in a cache.
   */
  private static final long LARGE = 1 << 19;

  private final Module module;
  private final List<UnaryOperator<Tensor>> gates;
  private final BooleanSupplier imagesAreIndependent;

  /**
   * Creates the path for gates.
   *
   * @param module the module with their parameters
   * @param gates the gates; each is computed from the feature map that was scaled so far
   * @param imagesAreIndependent whether images are independent, which is false while a norm uses
   *     the statistics of the batch
   */
  public GatesInPlace(
      Module module, List<UnaryOperator<Tensor>> gates, BooleanSupplier imagesAreIndependent) {
    this.module = module;
    this.gates = gates;
    this.imagesAreIndependent = imagesAreIndependent;
  }

  @Override
  public boolean supports(Tensor x, Tensor shortcut) {
    return shortcut == null && !ChannelsLast.is(x) && !Gradients.needed(module, x);
  }

  @Override
  public Tensor forward(Tensor x, Tensor shortcut, boolean inPlace) {
    Tensor y = torch.empty_like(x);
    if (imagesAreIndependent.getAsBoolean() && x.numel() / x.size(0) >= LARGE) {
      for (long i = 0; i < x.size(0); i++) {
        try (PointerScope scope = new PointerScope()) {
          scale(x.narrow(0, i, 1), y.narrow(0, i, 1));
        }
      }
    } else {
      scale(x, y);
    }
    return y;
  }

  private void scale(Tensor x, Tensor y) {
    Tensor scaled = x;
    for (UnaryOperator<Tensor> gate : gates) {
      torch.mul_out(y, gate.apply(scaled), scaled);
      scaled = y;
    }
  }
}
