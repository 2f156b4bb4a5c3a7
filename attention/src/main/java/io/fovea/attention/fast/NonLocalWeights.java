package io.fovea.attention.fast;

import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Tensor;

/**
 * The layers of an embedded non-local block.
 *
 * @param values its g
 * @param keys its phi
 * @param queries its theta
 * @param output its W
 * @param norm behind the output, or null
 * @param scale whether products are divided by the root of the inter channels
 * @param subsample whether values and keys are pooled
 * @param pooled pools a map, {@code [B, C, spatial...]}
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

  /** What the block divides its products by. */
  double divisor() {
    return scale ? Math.sqrt((double) inter()) : 1;
  }

  /** W, and the norm behind it if that is one of evaluation mode. */
  Projection outward() {
    Tensor weight = output.weight().view(channels(), inter());
    Tensor bias = output.bias().orElseThrow();
    if (norm == null || normalisesByBatch()) {
      return new Projection(weight, bias.unsqueeze(1));
    }
    Tensor factor = norm.factor();
    return new Projection(weight.mul(factor.unsqueeze(1)), norm.offset(factor, bias).unsqueeze(1));
  }

  /** Whether the norm takes the statistics of what it is given, so that it cannot be fused into W. */
  boolean normalisesByBatch() {
    return norm != null && norm.is_training();
  }

  /** {@code [B, E, N] -> [B, E, N']}, the positions being those of {@code x}. */
  Tensor pooledFlat(Tensor flat, Tensor x) {
    if (!subsample) {
      return flat;
    }
    long[] shape = x.shape();
    shape[1] = flat.size(1);
    return pooled.apply(flat.view(shape)).flatten(2, -1);
  }
}
