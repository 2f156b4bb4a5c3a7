package io.fovea.tensor.internal;

import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.MemoryFormat;

/**
 * The memory order channels last (NHWC), in which convolutions compute on a CPU. If a network keeps
 * its feature maps in this order, oneDNN need not reorder them before and after every convolution.
 * The shape of a tensor remains {@code [B, C, H, W]}.
 */
public final class ChannelsLast {
  private ChannelsLast() {}

  /** Whether a feature map is channels last and not also contiguous. */
  public static boolean is(Tensor x) {
    return x.dim() == 4 && !x.is_contiguous() && x.is_contiguous(MemoryFormat.ChannelsLast);
  }

  /**
   * Converts images to the order for a network: channels last if oneDNN computes its convolutions
   * ({@link OneDnn#computes}), otherwise unchanged.
   *
   * @param x {@code [B, C, H, W]}; other shapes are returned unchanged
   */
  public static Tensor where(Tensor x) {
    return x.dim() == 4 && x.is_cpu() && OneDnn.computes(x.scalar_type().intern()) ? of(x) : x;
  }

  /** Converts a feature map to channels last. */
  public static Tensor of(Tensor x) {
    long channels = x.size(1);
    long height = x.size(2);
    long width = x.size(3);
    // the tensor is contiguous in both orders, and libtorch treats its strides as contiguous
    if (channels == 1) {
      return x.contiguous().as_strided(x.shape(), height * width, 1, width, 1);
    }
    Tensor y = x.is_contiguous() ? held(x, channels * height * width, height * width, width, 1) : x;
    return y.contiguous(MemoryFormat.ChannelsLast);
  }

  /** Converts a channels-last feature map to contiguous order. */
  public static Tensor undone(Tensor x) {
    long channels = x.size(1);
    long width = x.size(3);
    return held(x, channels * x.size(2) * width, 1, channels * width, channels).contiguous();
  }

  /**
   * The same, with a gradient in the order of the feature map. The gradient of a plain copy keeps
   * the order in which it arrives, and batch norms are many times slower if their gradient and
   * input have different orders.
   */
  private static Tensor held(Tensor x, long... strides) {
    return GradMode.is_enabled() && x.requires_grad() ? x.as_strided(x.shape(), strides) : x;
  }
}
