package io.fovea.attention.fast;

import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * Global response normalisation from the norms n of each channel: factors {@code 1 + γ · n / (mean(n) +
 * ε)} and summands β.
 */
public final class ChannelShares implements PlaneEquation {
  private final Tensor gamma;
  private final Tensor beta;
  private final double epsilon;

  /** Creates it for parameters of a value for each channel. */
  public ChannelShares(Tensor gamma, Tensor beta, double epsilon) {
    this.gamma = gamma;
    this.beta = beta;
    this.epsilon = epsilon;
  }

  @Override
  public List<Tensor> parameters() {
    return List.of(gamma, beta);
  }

  @Override
  public Computed compute(float[] norms, int images, int channels) {
    return new Call(norms, images, channels);
  }

  private final class Call implements Computed {
    private final float[] norms;
    private final int images;
    private final int channels;
    private final float[] weights = KernelMaps.copy(gamma);
    private final double[] usual; // of each image
    private final float[] factors;
    private final float[] shifts;

    Call(float[] norms, int images, int channels) {
      this.norms = norms;
      this.images = images;
      this.channels = channels;
      float[] ofEach = KernelMaps.copy(beta);
      usual = new double[images];
      factors = new float[norms.length];
      shifts = new float[norms.length];
      for (int image = 0; image < images; image++) {
        int first = image * channels;
        double sum = 0;
        for (int c = 0; c < channels; c++) {
          sum += norms[first + c];
        }
        usual[image] = sum / channels + epsilon;
        for (int c = 0; c < channels; c++) {
          factors[first + c] = (float) (1 + weights[c] * (norms[first + c] / usual[image]));
        }
        System.arraycopy(ofEach, 0, shifts, first, channels);
      }
    }

    @Override
    public float[] factors() {
      return factors;
    }

    @Override
    public float[] shifts() {
      return shifts;
    }

    @Override
    public Gradients gradient(float[] ofFactors, float[] ofShifts) {
      float[] pooled = new float[norms.length];
      double[] gammas = new double[channels];
      double[] betas = new double[channels];
      for (int image = 0; image < images; image++) {
        int first = image * channels;
        double common = 0;
        for (int c = 0; c < channels; c++) {
          double ofShare = ofFactors[first + c] * (norms[first + c] / usual[image]);
          gammas[c] += ofShare;
          betas[c] += ofShifts[first + c];
          common += ofShare * weights[c];
        }
        for (int c = 0; c < channels; c++) {
          double own = (double) ofFactors[first + c] * weights[c];
          pooled[first + c] = (float) ((own - common / channels) / usual[image]);
        }
      }
      return new Gradients(pooled, List.of(KernelMaps.floats(gammas), KernelMaps.floats(betas)));
    }
  }
}
