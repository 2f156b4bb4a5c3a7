package io.fovea.nn;

import io.fovea.tensor.internal.Gradients;
import java.util.Arrays;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * The poolings for gates, in their fastest form. If several values equal a maximum, one of them
 * receives the gradient.
 */
final class Pooling {
  private Pooling() {}

  /** The mean over all positions, {@code [B, C, spatial...] -> [B, C]}. */
  static Tensor average(Tensor x) {
    return x.flatten(2, -1).mean(2);
  }

  /** The maximum over all positions, {@code [B, C, spatial...] -> [B, C]}. */
  static Tensor maximum(Tensor x) {
    return maximum(x.flatten(2, -1), 2, false);
  }

  /**
   * The forward pass of {@code amax} is many times faster, but its gradient is slow and spreads
   * over ties, where PyTorch's max selects one value. So {@code amax} is used without gradients
   * only.
   */
  static Tensor maximum(Tensor x, int dimension, boolean keep) {
    return Gradients.needed(x)
        ? x.max(dimension, keep).get0()
        : x.amax(new long[] {dimension}, keep);
  }

  /** The maximum of adjacent windows; an incomplete last window is ignored. */
  static Tensor windowMax(Tensor x, int... window) {
    if (!Gradients.needed(x) && Arrays.stream(window).allMatch(side -> side == 1 || side == 2)) {
      return halved(x, window);
    }
    return switch (window.length) {
      case 1 -> torch.max_pool1d(x, window[0]);
      case 2 -> torch.max_pool2d(x, window[0], window[1]);
      default -> torch.max_pool3d(x, window[0], window[1], window[2]);
    };
  }

  /**
   * The maximum of pairs, which is many times faster than a max pool, but its gradient would spread
   * over ties.
   */
  private static Tensor halved(Tensor x, int... window) {
    Tensor halved = x;
    for (int i = 0; i < window.length; i++) {
      if (window[i] == 2) {
        int dimension = 2 + i;
        Tensor pairs =
            halved
                .narrow(dimension, 0, halved.size(dimension) / 2 * 2)
                .unflatten(dimension, new long[] {-1, 2});
        halved = torch.maximum(pairs.select(dimension + 1, 0), pairs.select(dimension + 1, 1));
      }
    }
    return halved;
  }

  /** The mean of adjacent windows, with the part of an incomplete last window. */
  static Tensor windowMean(Tensor x, int window) {
    return switch ((int) x.dim()) {
      case 3 -> windowMean(x.unsqueeze(3), window, 1).squeeze(3);
      case 4 -> windowMean(x, window, window);
      default -> { // libtorch refuses volumes that are smaller than the window
        Tensor pooled = windowMean(x.flatten(3, 4), window, 1); // [B, C, T', H · W]
        Tensor planes = pooled.reshape(x.size(0), -1, x.size(3), x.size(4)); // [B, C · T', H, W]
        yield windowMean(planes, window, window).unflatten(1, new long[] {x.size(1), -1});
      }
    };
  }

  private static Tensor windowMean(Tensor x, long height, long width) {
    long[] window = {height, width};
    return torch.avg_pool2d(x, window, window, new long[] {0, 0}, true, false, new LongOptional());
  }

  /** The mean of windows, with or without the zeros around the map. */
  static Tensor windowAverage(
      Tensor x, int kernel, int stride, int padding, boolean countsPadding) {
    if (x.dim() == 5) { // libtorch refuses volumes that are smaller than the window
      Tensor frames = x.flatten(3, 4); // [B, C, T, H · W]
      Tensor pooled =
          windowAverage(
              frames,
              new long[] {kernel, 1},
              new long[] {stride, 1},
              new long[] {padding, 0},
              countsPadding);
      Tensor planes = pooled.reshape(x.size(0), -1, x.size(3), x.size(4)); // [B, C · T', H, W]
      return windowAverage(planes, kernel, stride, padding, countsPadding)
          .unflatten(1, new long[] {x.size(1), -1});
    }
    int dimensions = (int) x.dim() - 2;
    return windowAverage(
        x,
        filled(dimensions, kernel),
        filled(dimensions, stride),
        filled(dimensions, padding),
        countsPadding);
  }

  private static Tensor windowAverage(
      Tensor x, long[] kernels, long[] strides, long[] paddings, boolean countsPadding) {
    return kernels.length == 1
        ? torch.avg_pool1d(x, kernels, strides, paddings, false, countsPadding)
        : torch.avg_pool2d(x, kernels, strides, paddings, false, countsPadding, new LongOptional());
  }

  private static long[] filled(int length, long value) {
    long[] values = new long[length];
    Arrays.fill(values, value);
    return values;
  }

  /** The means of as many windows as there are {@code sizes}. */
  static Tensor adaptiveAverage(Tensor x, long... sizes) {
    return switch (sizes.length) {
      case 1 -> torch.adaptive_avg_pool1d(x, sizes);
      case 2 -> torch.adaptive_avg_pool2d(x, sizes);
      default -> torch.adaptive_avg_pool3d(x, sizes);
    };
  }

  /** The values at the nearest positions, for the given spatial sizes. */
  static Tensor nearest(Tensor x, long... sizes) {
    DoubleOptional factor = new DoubleOptional(); // it follows from the sizes
    return switch (sizes.length) {
      case 1 -> torch.upsample_nearest1d(x, sizes, factor);
      case 2 -> torch.upsample_nearest2d(x, sizes, factor, factor);
      default -> torch.upsample_nearest3d(x, sizes, factor, factor, factor);
    };
  }

  /** {@code [B, C] -> [B, C, 1...]} with the number of dimensions of {@code like}. */
  static Tensor perChannel(Tensor gates, Tensor like) {
    long[] shape = new long[(int) like.dim()];
    Arrays.fill(shape, 1);
    shape[0] = gates.size(0);
    shape[1] = gates.size(1);
    return gates.view(shape);
  }
}
