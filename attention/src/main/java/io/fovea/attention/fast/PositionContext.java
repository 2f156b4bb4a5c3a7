package io.fovea.attention.fast;

import io.fovea.nn.Convolution;
import io.fovea.nn.TensorOps;
import io.fovea.tensor.compute.SoftmaxAttention;
import io.fovea.tensor.internal.ChannelsLast;
import io.fovea.tensor.internal.Gradients;
import org.bytedeco.pytorch.Tensor;

/**
 * Position attention of many positions without its values in memory: the weights of a softmax sum
 * to 1, so the attended parts of x can be projected afterwards. This has no gradient.
 */
public final class PositionContext implements Context {
  private final Convolution query;
  private final Convolution key;
  private final Convolution value;
  private final Tensor gamma;

  /** Creates the context with the pointwise projections and the factor gamma, {@code [1]}. */
  public PositionContext(Convolution query, Convolution key, Convolution value, Tensor gamma) {
    this.query = query;
    this.key = key;
    this.value = value;
    this.gamma = gamma;
  }

  @Override
  public boolean supports(Tensor x) {
    long channels = x.size(1);
    long positions = x.numel() / (x.size(0) * channels);
    long embedding = query.weight().size(0);
    return !ChannelsLast.is(x)
        && x.is_cpu()
        && SoftmaxAttention.isLarge(positions, positions, embedding, channels)
        && !Gradients.needed(x, gamma, value.weight(), query.weight(), key.weight());
  }

  @Override
  public Tensor of(Tensor x) {
    long channels = x.size(1);
    Tensor image = TensorOps.PLAIN.plane(x);
    Tensor queries = query.forward(image).flatten(2, -1).transpose(1, 2); // [B, N, C/r]
    Tensor keys = key.forward(image).flatten(2, -1).transpose(1, 2);
    Tensor weight = value.weight().view(channels, channels).mul(gamma);
    Tensor bias = value.bias().orElseThrow().unsqueeze(1).mul(gamma);
    return SoftmaxAttention.attendedAndProjected(queries, keys, x.flatten(2, -1), weight, bias)
        .view(x.shape());
  }
}
