package io.fovea.kernels;

import io.fovea.attention.fast.Kernels.Perceptron;
import io.fovea.attention.fast.Kernels.PerceptronGradients;

/** The two layers that compute the channel gates, and their gradients, for one image at a time. */
final class Mlp {
  private Mlp() {}

  /** {@code relu(in x + bias)}. */
  static float[] hidden(Perceptron mlp, float[] x) {
    float[] hidden = new float[mlp.hidden()];
    for (int j = 0; j < hidden.length; j++) {
      float sum = Lanes.product(mlp.in(), j * x.length, x, 0, x.length);
      hidden[j] = Math.max(0, sum + mlp.inBias()[j]);
    }
    return hidden;
  }

  /** {@code out hidden + bias} for channel {@code c}. */
  static float out(Perceptron mlp, float[] hidden, int c) {
    return Lanes.product(mlp.out(), c * hidden.length, hidden, 0, hidden.length) + mlp.outBias()[c];
  }

  /**
   * {@code σ(Σ (out hidden + bias))} for all channels, into an array that is padded to whole
   * vectors.
   */
  static void gates(Perceptron mlp, float[] gates, float[]... hidden) {
    for (int c = 0; c < mlp.outBias().length; c++) {
      for (float[] of : hidden) {
        gates[c] += out(mlp, of, c);
      }
    }
    Lanes.sigmoid(gates);
  }

  /**
   * The gradients through both layers.
   *
   * @param hidden the hidden values
   * @param ofHidden the gradient of the hidden values before their ReLU
   * @param input the gradient of the input
   */
  record Back(float[] hidden, float[] ofHidden, float[] input) {}

  /** Computes the gradients from that of the output. */
  static Back back(Perceptron mlp, float[] x, float[] logits) {
    float[] hidden = hidden(mlp, x);
    float[] ofHidden = new float[hidden.length];
    for (int c = 0; c < logits.length; c++) {
      addScaled(mlp.out(), c * hidden.length, logits[c], ofHidden);
    }
    float[] input = new float[x.length];
    for (int j = 0; j < hidden.length; j++) {
      if (hidden[j] <= 0) {
        ofHidden[j] = 0;
      }
      addScaled(mlp.in(), j * x.length, ofHidden[j], input);
    }
    return new Back(hidden, ofHidden, input);
  }

  private static void addScaled(float[] row, int from, float by, float[] sum) {
    for (int i = 0; i < sum.length; i++) {
      sum[i] += row[from + i] * by;
    }
  }

  /** The gradients of the weights, summed over the images. */
  static final class Sum {
    private final PerceptronGradients sum;

    Sum(Perceptron mlp, int channels) {
      int weights = mlp.hidden() * channels;
      sum =
          new PerceptronGradients(
              new float[weights], new float[mlp.hidden()], new float[weights], new float[channels]);
    }

    /**
     * Adds the gradients for one input, from the gradients through the layers and the gradient of
     * its output.
     */
    void add(float[] x, Back back, float[] logits) {
      float[] hidden = back.hidden();
      for (int c = 0; c < logits.length; c++) {
        sum.outBias()[c] += logits[c];
        addProduct(hidden, logits[c], sum.out(), c * hidden.length);
      }
      for (int j = 0; j < hidden.length; j++) {
        sum.inBias()[j] += back.ofHidden()[j];
        addProduct(x, back.ofHidden()[j], sum.in(), j * x.length);
      }
    }

    private static void addProduct(float[] row, float by, float[] sum, int to) {
      for (int i = 0; i < row.length; i++) {
        sum[to + i] += row[i] * by;
      }
    }

    PerceptronGradients gradients() {
      return sum;
    }
  }
}
