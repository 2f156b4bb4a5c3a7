package io.fovea.tensor.internal;

import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.MemoryFormat;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The order in memory that convolutions on a CPU compute in, {@code [B, H, W, C]}: where a network keeps
 * its feature maps so, oneDNN does not turn each of them around before and after every convolution. The
 * shape of a tensor stays {@code [B, C, H, W]}.
 */
public final class ChannelsLast {
  private ChannelsLast() {}

  /** Whether a feature map is kept with its channels last, and not the usual way as well. */
  public static boolean is(Tensor x) {
    return x.dim() == 4 && !x.is_contiguous() && x.is_contiguous(MemoryFormat.ChannelsLast);
  }

  /**
   * Images as a network should take them: with channels last where its convolutions are oneDNN's
   * (float32 and bfloat16 on a CPU), else as they are.
   *
   * @param x {@code [B, C, H, W]}; others are returned as they are
   */
  public static Tensor where(Tensor x) {
    if (x.dim() != 4 || !x.is_cpu() || !torch.hasMKLDNN()) {
      return x;
    }
    ScalarType type = x.scalar_type().intern();
    return type == ScalarType.Float || type == ScalarType.BFloat16 ? of(x) : x;
  }

  /** A feature map with its channels last. */
  public static Tensor of(Tensor x) {
    long channels = x.size(1);
    long height = x.size(2);
    long width = x.size(3);
    if (channels == 1) { // contiguous both ways, and libtorch takes the strides for the usual ones
      return x.contiguous().as_strided(x.shape(), height * width, 1, width, 1);
    }
    Tensor y = x.is_contiguous() ? held(x, channels * height * width, height * width, width, 1) : x;
    return y.contiguous(MemoryFormat.ChannelsLast);
  }

  /** A feature map that {@link #is} with its channels last, in the usual order. */
  public static Tensor undone(Tensor x) {
    long channels = x.size(1);
    long width = x.size(3);
    return held(x, channels * x.size(2) * width, 1, channels * width, channels).contiguous();
  }

  /**
   * The same, with a gradient in the order that it has: a copy's gradient stays in the order it comes in,
   * and batch norms are many times slower where theirs and their input are in different ones.
   */
  private static Tensor held(Tensor x, long... strides) {
    return GradMode.is_enabled() && x.requires_grad() ? x.as_strided(x.shape(), strides) : x;
  }
}
