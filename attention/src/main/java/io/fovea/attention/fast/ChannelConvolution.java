package io.fovea.attention.fast;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;

/** Gates by a convolution along the channels, with zeros around them: {@code σ(conv(means))}. */
public final class ChannelConvolution implements PlaneEquation {
  private final Tensor weight;
  private final Optional<Tensor> bias;

  /**
   * Creates it for the parameters of a layer.
   *
   * @param weight {@code [1, 1, k]} with an odd k
   * @param bias {@code [1]}
   */
  public ChannelConvolution(Tensor weight, Optional<Tensor> bias) {
    this.weight = weight;
    this.bias = bias;
  }

  @Override
  public List<Tensor> parameters() {
    List<Tensor> parameters = new ArrayList<>(List.of(weight));
    bias.ifPresent(parameters::add);
    return parameters;
  }

  @Override
  public Computed compute(float[] means, int images, int channels) {
    return new Call(
        means,
        images,
        channels,
        KernelMaps.copy(weight),
        bias.map(b -> KernelMaps.copy(b)[0]).orElse(0f));
  }

  private final class Call implements Computed {
    private final float[] means;
    private final int images;
    private final int channels;
    private final float[] weights;
    private final float[] gates;

    Call(float[] means, int images, int channels, float[] weights, float shift) {
      this.means = means;
      this.images = images;
      this.channels = channels;
      this.weights = weights;
      gates = new float[means.length];
      forEachTap((tap, from, to, count) -> add(weights[tap], means, from, gates, to, count));
      for (int i = 0; i < gates.length; i++) {
        gates[i] = (float) (1 / (1 + Math.exp(-gates[i] - shift)));
      }
    }

    /** The channels of an image that a weight connects with others. */
    private interface Tap {
      void accept(int tap, int from, int to, int count);
    }

    private void forEachTap(Tap body) {
      for (int image = 0; image < images; image++) {
        int first = image * channels;
        for (int tap = 0; tap < weights.length; tap++) {
          int distance = tap - weights.length / 2;
          int count = channels - Math.abs(distance);
          if (count > 0) {
            body.accept(tap, first + Math.max(distance, 0), first + Math.max(-distance, 0), count);
          }
        }
      }
    }

    private static void add(float by, float[] from, int i, float[] to, int j, int count) {
      for (int k = 0; k < count; k++) {
        to[j + k] += by * from[i + k];
      }
    }

    @Override
    public float[] factors() {
      return gates;
    }

    @Override
    public Gradients gradient(float[] ofFactors, float[] ofShifts) {
      float[] ofScores = new float[gates.length];
      double sum = 0;
      for (int i = 0; i < ofScores.length; i++) {
        ofScores[i] = ofFactors[i] * gates[i] * (1 - gates[i]);
        sum += ofScores[i];
      }
      float[] ofMeans = new float[gates.length];
      double[] ofWeights = new double[weights.length];
      forEachTap(
          (tap, from, to, count) -> {
            add(weights[tap], ofScores, to, ofMeans, from, count);
            for (int k = 0; k < count; k++) {
              ofWeights[tap] += (double) ofScores[to + k] * means[from + k];
            }
          });
      List<float[]> ofParameters = new ArrayList<>(List.of(KernelMaps.floats(ofWeights)));
      if (bias.isPresent()) {
        ofParameters.add(new float[] {(float) sum});
      }
      return new Gradients(ofMeans, ofParameters);
    }
  }
}
