package io.fovea.training.evaluate;

import io.fovea.errors.SpecException;
import java.util.List;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Test-time augmentation for segmentation. The class probabilities of all views of an image are
 * averaged.
 *
 * @param scales the scales of the images, with one view each; DANet's paper uses 0.5, 0.75, 1,
 *     1.25, 1.5, 1.75, 2 (and 2.2)
 * @param flip whether each view is also mirrored
 * @param window the side of a sliding window in pixels, or 0 for the whole image
 */
public record TestTimeAugmentation(List<Double> scales, boolean flip, int window) {
  /** One view: the whole, unchanged image. */
  public static final TestTimeAugmentation WHOLE = new TestTimeAugmentation(List.of(1.0), false, 0);

  /**
   * Checks the ranges.
   *
   * @throws SpecException if a value is out of range
   */
  public TestTimeAugmentation {
    scales = List.copyOf(scales);
    if (scales.isEmpty() || !scales.stream().allMatch(scale -> scale > 0 && scale <= 16)) {
      throw new SpecException("scales must be above 0 and at most 16, at least one, got " + scales);
    }
    if (window != 0 && window < 8) {
      throw new SpecException(
          "the sliding window must be at least 8 pixels, or 0 for none, got " + window);
    }
  }

  /**
   * Predicts the class probabilities of the pixels of images.
   *
   * @param scores the network in evaluation mode: images {@code [B, C, H, W]} to unnormalised
   *     scores {@code [B, classes, H, W]}
   * @param images {@code [B, C, H, W]}, normalised as in training
   * @return the probabilities {@code [B, classes, H, W]}, which belong to the open {@code
   *     PointerScope} or to the caller
   */
  public Tensor probabilities(UnaryOperator<Tensor> scores, Tensor images) {
    try (NoGradGuard guard = new NoGradGuard()) {
      PointerScope outer = PointerScope.getInnerScope();
      try (PointerScope scope = new PointerScope()) {
        Tensor mean = sum(scores, images);
        int views = scales.size() * (flip ? 2 : 1);
        if (views > 1) {
          mean = mean.div(new Scalar(views));
        }
        if (outer != null) {
          outer.attach(mean);
        } else {
          mean.retainReference();
        }
        return mean;
      }
    }
  }

  private Tensor sum(UnaryOperator<Tensor> scores, Tensor images) {
    long height = images.size(2);
    long width = images.size(3);
    Tensor sum = null;
    for (double scale : scales) {
      Tensor view =
          resized(
              images,
              Math.max(1, Math.round(height * scale)),
              Math.max(1, Math.round(width * scale)));
      Tensor seen = resized(look(scores, view), height, width);
      if (flip) {
        Tensor mirrored = look(scores, view.flip(3)).flip(3);
        seen = seen.add(resized(mirrored, height, width));
      }
      sum = sum == null ? seen : sum.add(seen);
    }
    return sum;
  }

  private static Tensor resized(Tensor x, long height, long width) {
    return x.size(2) == height && x.size(3) == width
        ? x
        : torch.upsample_bilinear2d(
            x, new long[] {height, width}, true, new DoubleOptional(), new DoubleOptional());
  }

  private Tensor look(UnaryOperator<Tensor> scores, Tensor view) {
    int height = (int) view.size(2);
    int width = (int) view.size(3);
    if (window == 0 || (height <= window && width <= window)) {
      return softmax(scores, view);
    }
    Tensor sum = null;
    Tensor count = torch.zeros(1, 1, height, width);
    for (int top : starts(height)) {
      for (int left : starts(width)) {
        long tall = Math.min(window, height);
        long wide = Math.min(window, width);
        Tensor seen = softmax(scores, part(view, top, left, tall, wide).contiguous());
        if (sum == null) {
          sum = torch.zeros(view.size(0), seen.size(1), height, width);
        }
        part(sum, top, left, tall, wide).add_(seen);
        part(count, top, left, tall, wide).add_(new Scalar(1));
      }
    }
    return sum.div(count);
  }

  /**
   * The starts of the windows along a side, two thirds of a window apart; the last window is at the
   * end.
   */
  int[] starts(int side) {
    if (side <= window) {
      return new int[] {0};
    }
    int stride = Math.max(1, window * 2 / 3);
    int count = (side - window + stride - 1) / stride + 1;
    int[] starts = new int[count];
    for (int i = 0; i < count; i++) {
      starts[i] = Math.min(i * stride, side - window);
    }
    return starts;
  }

  private static Tensor part(Tensor x, int top, int left, long height, long width) {
    return x.narrow(2, top, height).narrow(3, left, width);
  }

  private static Tensor softmax(UnaryOperator<Tensor> scores, Tensor view) {
    return scores.apply(view).softmax(1);
  }
}
