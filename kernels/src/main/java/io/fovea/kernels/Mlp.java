package io.fovea.kernels;

import io.fovea.attention.Kernels.Perceptron;

/** The two layers that make gates, for one image at a time. */
final class Mlp {
  private Mlp() {}

  /** {@code relu(in x + bias)} of {@code channels} floats. */
  static float[] hidden(Perceptron mlp, float[] x, int channels) {
    float[] hidden = new float[mlp.hidden()];
    for (int j = 0; j < hidden.length; j++) {
      float sum = Lanes.product(mlp.in(), j * channels, x, 0, channels);
      hidden[j] = Math.max(0, sum + mlp.inBias()[j]);
    }
    return hidden;
  }

  /** {@code out hidden + bias} of channel {@code c}. */
  static float out(Perceptron mlp, float[] hidden, int c) {
    return Lanes.product(mlp.out(), c * hidden.length, hidden, 0, hidden.length) + mlp.outBias()[c];
  }
}
