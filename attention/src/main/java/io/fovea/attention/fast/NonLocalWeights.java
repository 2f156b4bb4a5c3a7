package io.fovea.attention.fast;

import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Tensor;

/**
 * The layers of an embedded non-local block.
 *
 * @param values the layer g
 * @param keys the layer phi
 * @param queries the layer theta
 * @param output the layer W
 * @param norm the norm after the output, or null
 * @param scale whether products are divided by the square root of the number of inter channels
 * @param subsample whether values and keys are pooled
 * @param pooled pools a feature map, {@code [B, C, spatial...]}
 */
public record NonLocalWeights(
    Convolution values,
    Convolution keys,
    Convolution queries,
    Convolution output,
    BatchNorm norm,
    boolean scale,
    boolean subsample,
    UnaryOperator<Tensor> pooled) {
  /** A pointwise convolution, {@code [C, inter]} and {@code [C, 1]}. */
  record Projection(Tensor weight, Tensor bias) {}

  long channels() {
    return output.weight().size(0);
  }

  long inter() {
    return output.weight().size(1);
  }

  /** The divisor of the block's products. */
  double divisor() {
    return scale ? Math.sqrt((double) inter()) : 1;
  }

  /** W, fused with the norm after it if the norm is in evaluation mode. */
  Projection outward() {
    Tensor weight = output.weight().view(channels(), inter());
    Tensor bias = output.bias().orElseThrow();
    if (norm == null || normalisesByBatch()) {
      return new Projection(weight, bias.unsqueeze(1));
    }
    Tensor factor = norm.factor();
    return new Projection(weight.mul(factor.unsqueeze(1)), norm.offset(factor, bias).unsqueeze(1));
  }

  /** Whether the norm uses the statistics of the batch, so that it cannot be fused into W. */
  boolean normalisesByBatch() {
    return norm != null && norm.is_training();
  }

  /** Pools {@code [B, E, N] -> [B, E, N']}, with the positions of {@code x}. */
  Tensor pooledFlat(Tensor flat, Tensor x) {
    if (!subsample) {
      return flat;
    }
    long[] shape = x.shape();
    shape[1] = flat.size(1);
    return pooled.apply(flat.view(shape)).flatten(2, -1);
  }
}
