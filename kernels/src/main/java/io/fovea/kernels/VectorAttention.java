package io.fovea.kernels;

import io.fovea.tensor.compute.AttentionKernels;

/** Attention with a softmax, implemented with {@code jdk.incubator.vector}. */
public final class VectorAttention implements AttentionKernels {
  /** Is called by the service loader. Fails if Java has no Vector API. */
  public VectorAttention() {
    if (Lanes.WIDTH < LaneTranspose.FOUR) {
      throw new UnsupportedOperationException(
          "this processor has no vectors of at least four floats");
    }
  }

  @Override
  public Worker worker(int embedding, int width) {
    return new AttentionKernel(embedding, width);
  }
}
