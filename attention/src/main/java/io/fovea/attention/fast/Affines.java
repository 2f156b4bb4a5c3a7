package io.fovea.attention.fast;

import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import io.fovea.nn.Linear;
import io.fovea.nn.Sequence;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;

/** Layers in evaluation mode, as {@link Kernels} take them. */
public final class Affines {
  private Affines() {}

  /**
   * Each convolution or linear layer of a sequence with the batch norm behind it. Parameters are
   * float32.
   */
  public static List<Kernels.Affine> of(Sequence sequence) {
    List<Kernels.Affine> affines = new ArrayList<>();
    for (int i = 0; i < sequence.size(); i++) {
      BatchNorm norm = sequence.layer(i + 1) instanceof BatchNorm behind ? behind : null;
      if (sequence.layer(i) instanceof Convolution convolution) {
        affines.add(affine(convolution.weight(), convolution.bias(), norm));
      } else if (sequence.layer(i) instanceof Linear linear) {
        affines.add(affine(linear.weight(), linear.bias(), norm));
      }
    }
    return affines;
  }

  private static Kernels.Affine affine(Tensor weight, Optional<Tensor> bias, BatchNorm norm) {
    Kernels.Affine layer =
        new Kernels.Affine(
            KernelMaps.copy(weight),
            bias.map(KernelMaps::copy).orElseGet(() -> new float[(int) weight.size(0)]));
    return norm == null ? layer : fused(layer, norm);
  }

  /** A layer with a batch norm behind it, as evaluation mode computes both; computed in float64. */
  private static Kernels.Affine fused(Kernels.Affine layer, BatchNorm norm) {
    float[] gain = KernelMaps.copy(norm.weight());
    float[] offset = KernelMaps.copy(norm.bias());
    float[] mean = KernelMaps.copy(norm.runningMean());
    float[] variance = KernelMaps.copy(norm.runningVariance());
    float[] weights = layer.weights().clone();
    float[] biases = new float[layer.outputs()];
    int inputs = weights.length / biases.length;
    for (int o = 0; o < biases.length; o++) {
      double scale = gain[o] / Math.sqrt(variance[o] + norm.epsilon());
      biases[o] = (float) (offset[o] + scale * (layer.bias()[o] - mean[o]));
      for (int i = o * inputs; i < (o + 1) * inputs; i++) {
        weights[i] = (float) (scale * weights[i]);
      }
    }
    return new Kernels.Affine(weights, biases);
  }
}
