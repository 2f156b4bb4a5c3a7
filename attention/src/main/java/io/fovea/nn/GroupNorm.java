package io.fovea.nn;

import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Group normalisation of {@code [B, C, spatial...]}: in each image, the values of each group of
 * channels get mean 0 and variance 1, and each channel gets a scale and a shift.
 *
 * <p>With one channel in each group, this is an instance normalisation. With one group and one
 * position, it is a layer normalisation of the channels ({@link #ofVector}).
 */
public final class GroupNorm extends Layer {
  /** PyTorch's default of the value that is added to the variance. */
  public static final double EPSILON = 1e-5;

  private final long groups;
  private final double epsilon;
  private final Tensor weight;
  private final Tensor bias;

  /**
   * Creates a group norm with weight 1, bias 0 and PyTorch's default of epsilon, 1e-5.
   *
   * @param groups the number of groups, which divides the channels
   * @param channels the channels {@code C}
   * @throws IllegalArgumentException if the groups do not divide the channels
   */
  public GroupNorm(long groups, long channels) {
    this(groups, EPSILON, channels);
  }

  private GroupNorm(long groups, double epsilon, long... shape) {
    super("GroupNorm");
    if (groups < 1 || shape[0] % groups != 0) {
      throw new IllegalArgumentException(
          "group norm: " + groups + " groups do not divide " + shape[0] + " channels");
    }
    this.groups = groups;
    this.epsilon = epsilon;
    weight = torch.ones(shape);
    bias = torch.zeros(shape);
    register_parameter("weight", weight);
    register_parameter("bias", bias);
  }

  /**
   * Creates the layer norm of a vector {@code [B, C, 1...]}. Its parameters have the shape {@code
   * [C, 1...]}, as those of PyTorch's {@code LayerNorm([C, 1, 1])}.
   *
   * @param channels the channels {@code C}
   * @param dimensions the number of spatial dimensions, each of size 1
   * @param epsilon the value that is added to the variance
   */
  public static GroupNorm ofVector(long channels, int dimensions, double epsilon) {
    long[] shape = new long[1 + dimensions];
    Arrays.fill(shape, 1);
    shape[0] = channels;
    return new GroupNorm(1, epsilon, shape);
  }

  /** The number of groups. */
  public long groups() {
    return groups;
  }

  /** The value that is added to the variance. */
  public double epsilon() {
    return epsilon;
  }

  /** The scale, {@code [C]} or {@code [C, 1...]}. */
  public Tensor weight() {
    return weight;
  }

  /** The shift, of the same shape as the scale. */
  public Tensor bias() {
    return bias;
  }

  @Override
  public <T> T apply(Ops<T> ops, T x) {
    return ops.groupNorm(this, x);
  }

  Tensor compute(Tensor x) {
    computes();
    TensorOptional scale = new TensorOptional(weight.flatten(0, -1));
    TensorOptional shift = new TensorOptional(bias.flatten(0, -1));
    if (isHalved(x, weight)) {
      Tensor in = x.to(ScalarType.Float);
      return torch.group_norm(in, groups, scale, shift, epsilon, false).to(ScalarType.BFloat16);
    }
    return torch.group_norm(x, groups, scale, shift, epsilon, false);
  }
}
