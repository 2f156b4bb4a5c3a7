package io.fovea.nn;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Layer normalisation of the channels at each position, of {@code [B, C]} or {@code [B, C, spatial...]}: the
 * values at a position get mean 0 and variance 1, and each channel gets a scale and a shift. This is
 * PyTorch's {@code LayerNorm(C)} of feature maps whose channels are the last dimension.
 */
public final class LayerNorm extends Layer {
  private final double epsilon;
  private final Tensor weight;
  private final Tensor bias;

  /**
   * Creates a layer norm with weight 1 and bias 0.
   *
   * @param channels the channels {@code C}
   * @param epsilon the value that is added to the variance
   */
  public LayerNorm(long channels, double epsilon) {
    super("LayerNorm");
    this.epsilon = epsilon;
    weight = torch.ones(channels);
    bias = torch.zeros(channels);
    register_parameter("weight", weight);
    register_parameter("bias", bias);
  }

  /** The scale, {@code [C]}. */
  public Tensor weight() {
    return weight;
  }

  /** The shift, {@code [C]}. */
  public Tensor bias() {
    return bias;
  }

  /** The value that is added to the variance. */
  public double epsilon() {
    return epsilon;
  }

  @Override
  public <T> T apply(Ops<T> ops, T x) {
    return ops.layerNorm(this, x);
  }

  Tensor compute(Tensor x) {
    computes();
    if (isHalved(x, weight)) {
      return normalised(x.to(ScalarType.Float)).to(ScalarType.BFloat16);
    }
    return normalised(x);
  }

  private Tensor normalised(Tensor x) {
    Tensor y =
        torch.layer_norm(
            x.movedim(1, -1),
            new long[] {weight.size(0)},
            new TensorOptional(weight),
            new TensorOptional(bias),
            epsilon,
            false);
    return y.movedim(-1, 1);
  }
}
