package io.fovea.data;

import java.util.Random;

/**
 * The mixing of a training image with another one, whose classes are mixed in the same shares: MixUp
 * (Zhang and others: <a href="https://arxiv.org/abs/1710.09412">1710.09412</a>) adds the pixels,
 * CutMix (Yun and others: <a href="https://arxiv.org/abs/1905.04899">1905.04899</a>) pastes a
 * rectangle. Each image has its own share, from a beta distribution.
 *
 * @param mixup both parameters of MixUp's distribution; 0 for none
 * @param cutmix both parameters of CutMix's distribution; 0 for none. With both, each image gets one
 *     of them at random
 */
public record Mixing(double mixup, double cutmix) {
  /** No mixing. */
  static final Mixing NONE = new Mixing(0, 0);

  Mixing withMixup(double alpha) {
    return new Mixing(alpha, cutmix);
  }

  Mixing withCutmix(double alpha) {
    return new Mixing(mixup, alpha);
  }

  /**
   * Mixes an image with another one.
   *
   * @param values {@code [C, H, W]}, normalised; receives the result
   * @param other another image of the same shape
   * @param random determines the share and the rectangle
   * @return the share of the first image in the classes, 0 to 1
   */
  public double apply(float[] values, float[] other, int height, int width, Random random) {
    boolean cut = mixup == 0 || (cutmix > 0 && random.nextBoolean());
    double share = beta(cut ? cutmix : mixup, random);
    if (!cut) {
      mix(values, other, share);
      return share;
    }
    int x = random.nextInt(width);
    int y = random.nextInt(height);
    double half = 0.5 * Math.sqrt(1 - share);
    int left = Math.max(0, x - (int) (half * width));
    int top = Math.max(0, y - (int) (half * height));
    int right = Math.min(width, x + (int) (half * width));
    int bottom = Math.min(height, y + (int) (half * height));
    return paste(values, other, height, width, left, top, right, bottom);
  }

  /** {@code share * values + (1 - share) * other}. */
  static void mix(float[] values, float[] other, double share) {
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (share * values[i] + (1 - share) * other[i]);
    }
  }

  /** Pastes a rectangle, and returns the share of the area that is left. */
  static double paste(
      float[] values,
      float[] other,
      int height,
      int width,
      int left,
      int top,
      int right,
      int bottom) {
    for (int i = 0; i < values.length; i++) {
      int x = i % width;
      int y = i / width % height;
      if (x >= left && x < right && y >= top && y < bottom) {
        values[i] = other[i];
      }
    }
    return 1 - (double) (right - left) * (bottom - top) / (height * width);
  }

  /** A random number from the beta distribution with two equal parameters. */
  static double beta(double alpha, Random random) {
    double a = gamma(alpha, random);
    double b = gamma(alpha, random);
    // both can be 0 for a tiny alpha: then the share is 0 or 1
    return a + b > 0 ? a / (a + b) : random.nextInt(2);
  }

  /** Marsaglia and Tsang: A Simple Method for Generating Gamma Variables, 2000. */
  private static double gamma(double alpha, Random random) {
    if (alpha < 1) {
      return gamma(alpha + 1, random) * Math.pow(random.nextDouble(), 1 / alpha);
    }
    double d = alpha - 1 / 3.0;
    double c = 1 / Math.sqrt(9 * d);
    while (true) {
      double normal = random.nextGaussian();
      double v = Math.pow(1 + c * normal, 3);
      if (v > 0
          && Math.log(1 - random.nextDouble())
              < normal * normal / 2 + d - d * v + d * Math.log(v)) {
        return d * v;
      }
    }
  }
}
