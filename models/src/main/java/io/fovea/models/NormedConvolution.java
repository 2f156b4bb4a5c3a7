package io.fovea.models;

import io.fovea.nn.Activation;
import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import io.fovea.nn.Sequence;

/**
 * Makes convolutions with a batch norm and an activation behind them, numbered 0, 1 and 2 as in torchvision.
 *
 * @param epsilon what the batch norms add to the variance
 * @param momentum the weight of a batch in their running statistics
 */
record NormedConvolution(double epsilon, double momentum) {
  /** PyTorch's batch norms. */
  static final NormedConvolution DEFAULT = new NormedConvolution(BatchNorm.EPSILON, 0.1);

  private static final int DIVISOR = 8;

  /**
   * Makes a convolution that keeps the size but for the stride.
   *
   * @param activation the activation, or null
   */
  Sequence of(int in, int out, int kernel, int stride, int groups, Activation activation) {
    Sequence sequence =
        new Sequence().add("0", convolution(in, out, kernel, stride, groups)).add("1", norm(out));
    return activation == null ? sequence : sequence.add("2", activation);
  }

  Convolution convolution(int in, int out, int kernel, int stride, int groups) {
    return Classifier.initialised(
        Convolution.builder(2, in, out, kernel)
            .stride(stride)
            .padding(kernel / 2)
            .groups(groups)
            .bias(false)
            .build());
  }

  BatchNorm norm(int channels) {
    return new BatchNorm(channels, epsilon, momentum);
  }

  /** The multiple of 8 that is nearest, but neither 0 nor less than nine tenths. */
  static int multipleOf8(double channels) {
    int nearest = Math.max(DIVISOR, (int) (channels + DIVISOR / 2.0) / DIVISOR * DIVISOR);
    return nearest < 0.9 * channels ? nearest + DIVISOR : nearest;
  }
}
