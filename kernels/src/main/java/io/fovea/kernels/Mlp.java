package io.fovea.kernels;

import io.fovea.attention.Kernels.Perceptron;

/** The two layers that make gates, for one image at a time. */
final class Mlp {
  private Mlp() {}

  /** {@code relu(in x + bias)} of the {@code channels} floats at {@code from}. */
  static float[] hidden(Perceptron mlp, float[] x, int from, int channels) {
    float[] hidden = new float[mlp.hidden()];
    for (int j = 0; j < hidden.length; j++) {
      float sum = Lanes.product(mlp.in(), j * channels, x, from, channels);
      hidden[j] = Math.max(0, sum + mlp.inBias()[j]);
    }
    return hidden;
  }

  /** {@code out hidden + bias} of channel {@code c}. */
  static float out(Perceptron mlp, float[] hidden, int c) {
    return Lanes.product(mlp.out(), c * hidden.length, hidden, 0, hidden.length) + mlp.outBias()[c];
  }
}
