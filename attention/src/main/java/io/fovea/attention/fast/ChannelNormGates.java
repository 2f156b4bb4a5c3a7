package io.fovea.attention.fast;

import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * The gates of the gated channel transformation from the sums s of the squares of each channel: with
 * {@code e = α · sqrt(s + ε)} and {@code n = sqrt(mean(e²) + ε)}, {@code 1 + tanh(γ · e / n + β)}.
 */
public final class ChannelNormGates implements PlaneEquation {
  private final Tensor alpha;
  private final Tensor gamma;
  private final Tensor beta;
  private final double epsilon;

  /** Creates it for parameters of a value for each channel. */
  public ChannelNormGates(Tensor alpha, Tensor gamma, Tensor beta, double epsilon) {
    this.alpha = alpha;
    this.gamma = gamma;
    this.beta = beta;
    this.epsilon = epsilon;
  }

  @Override
  public List<Tensor> parameters() {
    return List.of(alpha, gamma, beta);
  }

  @Override
  public Computed compute(float[] squares, int images, int channels) {
    return new Call(squares, images, channels);
  }

  private final class Call implements Computed {
    private final int images;
    private final int channels;
    private final float[] ofAlpha = KernelMaps.copy(alpha);
    private final float[] ofGamma = KernelMaps.copy(gamma);
    private final float[] norms;
    private final float[] usual; // of each image
    private final float[] tanh;
    private final float[] gates;

    Call(float[] squares, int images, int channels) {
      this.images = images;
      this.channels = channels;
      float[] shifts = KernelMaps.copy(beta);
      norms = new float[squares.length];
      tanh = new float[squares.length];
      gates = new float[squares.length];
      usual = new float[images];
      for (int i = 0; i < norms.length; i++) {
        norms[i] = (float) Math.sqrt(squares[i] + epsilon);
      }
      for (int image = 0; image < images; image++) {
        double sum = 0;
        for (int c = 0; c < channels; c++) {
          double e = ofAlpha[c] * norms[image * channels + c];
          sum += e * e;
        }
        usual[image] = (float) Math.sqrt(sum / channels + epsilon);
        for (int c = 0; c < channels; c++) {
          int i = image * channels + c;
          tanh[i] =
              (float) Math.tanh(ofGamma[c] * ofAlpha[c] * norms[i] / usual[image] + shifts[c]);
          gates[i] = 1 + tanh[i];
        }
      }
    }

    @Override
    public float[] factors() {
      return gates;
    }

    @Override
    public Gradients gradient(float[] ofFactors, float[] ofShifts) {
      float[] pooled = new float[gates.length];
      double[] alphas = new double[channels];
      double[] gammas = new double[channels];
      double[] betas = new double[channels];
      double[] scores = new double[channels];
      for (int image = 0; image < images; image++) {
        double inverse = 1.0 / usual[image];
        double common = 0; // the gradient of the usual norm, over that norm
        for (int c = 0; c < channels; c++) {
          int i = image * channels + c;
          scores[c] = ofFactors[i] * (1 - (double) tanh[i] * tanh[i]);
          double share = (double) ofAlpha[c] * norms[i] * inverse;
          betas[c] += scores[c];
          gammas[c] += scores[c] * share;
          common += scores[c] * ofGamma[c] * share;
        }
        for (int c = 0; c < channels; c++) {
          int i = image * channels + c;
          double share = (double) ofAlpha[c] * norms[i] * inverse;
          double ofSize = (scores[c] * ofGamma[c] - common * share / channels) * inverse;
          alphas[c] += ofSize * norms[i];
          pooled[i] = (float) (ofSize * ofAlpha[c] / (2 * norms[i]));
        }
      }
      return new Gradients(
          pooled,
          List.of(KernelMaps.floats(alphas), KernelMaps.floats(gammas), KernelMaps.floats(betas)));
    }
  }
}
