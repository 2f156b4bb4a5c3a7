package io.fovea.attention.fast;

import io.fovea.tensor.compute.Workers;
import io.fovea.tensor.internal.Gradients;
import java.util.Arrays;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Computes an equation in evaluation mode for one image after the other, several images at once: each
 * pass over an image then finds it in the cache of the processor's core, and threads need not wait for each
 * other after each pass. This has no gradient.
 */
public final class ImageByImage {
  /** The number of values of an image from which a pass takes longer than its call. */
  private static final long LARGE = 1 << 15;

  private ImageByImage() {}

  /**
   * Whether it supports a batch.
   *
   * @param x feature map {@code [B, C, spatial...]}
   */
  public static boolean supports(Module module, Tensor x) {
    return x.size(0) > 1
        && x.is_cpu()
        && x.numel() / x.size(0) >= LARGE
        && !module.is_training()
        && !Gradients.needed(module, x);
  }

  /**
   * Computes a batch.
   *
   * @param shape the shape of the result
   * @param equation computes it for some images; called on several threads
   */
  public static Tensor forward(Tensor x, long[] shape, UnaryOperator<Tensor> equation) {
    Tensor y = // in the memory order of x
        Arrays.equals(shape, x.shape()) ? torch.empty_like(x) : x.new_empty(shape);
    Workers.divide(
        x.size(0),
        Workers.parts(x.size(0)),
        (part, from, to) -> {
          for (long i = from; i < to; i++) {
            try (PointerScope scope = new PointerScope()) {
              y.narrow(0, i, 1).copy_(equation.apply(x.narrow(0, i, 1)));
            }
          }
        });
    return y;
  }
}
