package io.fovea.training.evaluate;

import io.fovea.errors.SpecException;
import java.nio.LongBuffer;
import java.util.List;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.LongOptional;
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

  /** The number of rows whose classes are found together. */
  private static final int BLOCK = 32;

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

  /** Gives a part of an image. */
  @FunctionalInterface
  public interface Part {
    /** The part as a tensor {@code [1, C, height, width]}, normalised as in training. */
    Tensor read(int top, int left, int height, int width);
  }

  /** Whether an image of this size is seen in windows alone, so that {@link #labels} can predict it. */
  public boolean isTiled(int height, int width) {
    return window > 0
        && (height > window || width > window)
        && !flip
        && scales.equals(WHOLE.scales);
  }

  /**
   * Predicts the classes of the pixels of a large image window by window. It has the same result as the
   * classes with the largest {@link #probabilities}, but it holds the probabilities of one row of windows at
   * a time, so that the memory does not depend on the height of the image.
   *
   * @param scores the network, as for {@link #probabilities}
   * @param image gives the windows of the image
   * @return the labels {@code [height * width]}, unsigned bytes
   */
  public byte[] labels(UnaryOperator<Tensor> scores, int height, int width, Part image) {
    byte[] labels = new byte[Math.multiplyExact(height, width)];
    int[] tops = starts(height);
    int[] lefts = starts(width);
    int tall = Math.min(window, height);
    int wide = Math.min(window, width);
    try (NoGradGuard guard = new NoGradGuard();
        PointerScope scope = new PointerScope()) {
      Tensor rows = windows(tops, tall, height).reshape(height, 1);
      Tensor columns = windows(lefts, wide, width).reshape(1, width);
      Tensor band = null; // the sums of the rows from the top of the windows on
      for (int i = 0; i < tops.length; i++) {
        for (int left : lefts) {
          try (PointerScope inner = new PointerScope()) {
            Tensor seen = softmax(scores, image.read(tops[i], left, tall, wide));
            if (band == null) {
              band = torch.zeros(1, seen.size(1), tall, width);
              scope.attach(band);
            }
            part(band, 0, left, tall, wide).add_(seen);
          }
        }
        int done = (i + 1 < tops.length ? tops[i + 1] : height) - tops[i];
        for (int row = 0; row < done; row += BLOCK) {
          int count = Math.min(BLOCK, done - row);
          try (PointerScope inner = new PointerScope()) {
            Tensor times = rows.narrow(0, tops[i] + row, count).mul(columns);
            LongBuffer best =
                band.narrow(2, row, count)
                    .div(times)
                    .argmax(new LongOptional(1), false)
                    .contiguous()
                    .createBuffer();
            int from = (tops[i] + row) * width;
            for (int pixel = 0; pixel < count * width; pixel++) {
              labels[from + pixel] = (byte) best.get(pixel);
            }
          }
        }
        moveUp(band, done);
      }
    }
    return labels;
  }

  /** In how many windows each row or column is, float {@code [side]}. */
  private static Tensor windows(int[] starts, int window, int side) {
    float[] counts = new float[side];
    for (int start : starts) {
      for (int i = start; i < start + window; i++) {
        counts[i]++;
      }
    }
    return Tensor.create(counts, side);
  }

  /** Removes the first rows; zeros follow at the end. */
  private static void moveUp(Tensor band, int rows) {
    long rest = band.size(2) - rows;
    for (long label = 0; label < band.size(1); label++) { // a copy of all would double the memory
      try (PointerScope scope = new PointerScope()) {
        Tensor one = band.narrow(1, label, 1);
        if (rest > 0) {
          one.narrow(2, 0, rest).copy_(one.narrow(2, rows, rest).clone());
        }
        one.narrow(2, rest, rows).zero_();
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
