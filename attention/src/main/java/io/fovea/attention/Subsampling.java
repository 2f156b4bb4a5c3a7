package io.fovea.attention;

import io.fovea.nn.Ops;
import java.util.Arrays;
import java.util.function.Function;

/**
 * The subsampling of non-local blocks (section 3.3 of the non-local paper): keys and values come
 * from a feature map of half the height and width, or half the length.
 */
final class Subsampling {
  private Subsampling() {}

  /** The maximum of each window of two positions along each side but the time. */
  static <T> T halved(Ops<T> ops, T x, int dimensions) {
    int[] window = new int[dimensions];
    Arrays.fill(window, 2);
    if (dimensions == 3) {
      window[0] = 1;
    }
    return ops.windowMax(x, window);
  }

  /**
   * Refuses a feature map {@code [B, C, spatial...]} that cannot be halved.
   *
   * @param refuse makes the exception of the mechanism
   */
  static void check(long[] shape, Function<String, IllegalArgumentException> refuse) {
    boolean clips = shape.length == 5;
    for (int i = clips ? 3 : 2; i < shape.length; i++) {
      if (shape[i] < 2) {
        throw refuse.apply(
            "subsampling halves each side and needs at least 2 positions there, got "
                + Arrays.toString(shape)
                + "; use subsample=false");
      }
    }
  }
}
