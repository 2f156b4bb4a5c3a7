package io.fovea.attention.fast;

import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * A function of what describes the channels, written for arrays with its gradient: libtorch's operators
 * take longer for so few numbers than kernels for the whole map. Arrays are {@code [B, C]}.
 */
interface PlaneEquation {
  /** The parameters, in the order of their gradients. */
  List<Tensor> parameters();

  /** Computes with the parameters as they are now. */
  Computed compute(float[] pooled, int images, int channels);

  /** The result of a call. */
  interface Computed {
    /** A factor for each channel of each image. */
    float[] factors();

    /** The same for summands; null for zeros. */
    default float[] shifts() {
      return null;
    }

    /**
     * Computes the gradients.
     *
     * @param ofFactors the gradient of the factors
     * @param ofShifts the gradient of the summands, or null if there are none
     */
    Gradients gradient(float[] ofFactors, float[] ofShifts);
  }

  /** The gradients of what describes the channels, and of the parameters. */
  record Gradients(float[] pooled, List<float[]> parameters) {}
}
