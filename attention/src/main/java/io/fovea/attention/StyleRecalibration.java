package io.fovea.attention;

import io.fovea.attention.fast.PlaneGates;
import io.fovea.nn.BatchNorm;
import io.fovea.nn.Ops;
import io.fovea.nn.TensorOps;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * The style-based recalibration module: each channel is scaled by a gate that is computed from its
 * mean and its standard deviation.
 *
 * <p>Lee, Kim, Nam: <a href="https://arxiv.org/abs/1903.10829">SRM</a>, section 3. The variance is
 * unbiased and ε is 1e-5. In a new module every gate is 1/2. The batch norm gets one value for each
 * channel and image, so training needs batches of at least two images. For a map with one position,
 * the authors' code returns NaN; here the variance is 0.
 *
 * <p>Parameters: {@code cfc [C, 2]}, {@code bn}.
 */
final class StyleRecalibration extends Attention {
  private static final double EPSILON = 1e-5;

  static final Mechanism MECHANISM =
      Mechanism.named("srm", "Style-based recalibration")
          .paper("1903.10829")
          .summary("gates each channel, computed from its mean and its standard deviation")
          .equation("z = a · mean(x) + b · sqrt(var(x) + ε);  y = x · σ(BN(z))      over positions")
          .cost("4·C", "0")
          .code(
              "authors and reference",
              "hyunjaelee410/style-based-recalibration-module",
              "f6221c7",
              "models/recalibration_modules.py")
          .copy(
              "changzy00 8ce59da",
              "a grouped one-dimensional convolution (cfc.weight [4, 1, 2] for 4 channels)"
                  + " instead of cfc [C, 2], and nothing is added to the variance: for maps of mean 1"
                  + " the results are up to 9.5e-7 apart if the deviation is 1, 1.2e-4 if it is 0.001")
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES)
          .written(
              Written.here(Written.withoutOptions("cfc")),
              Written.by("changzy00", Written.withoutOptions("cfc"), "^cfc\\.weight$", "cfc")
                  .reshaped()
                  .doubt(
                      "srm: changzy00's copy adds no 1e-5 to the variance, so results differ where a channel"
                          + " is nearly constant"))
          .madeBy(StyleRecalibration::new);

  private final Tensor cfc;
  private final BatchNorm bn;

  private StyleRecalibration(Settings settings) {
    super(settings);
    cfc = torch.zeros(channels(), 2);
    register_parameter("cfc", cfc);
    bn = register_module("bn", new BatchNorm(channels()));
    faster(PlaneGates.of(PlaneGates.Pool.DISTANCES, this::gates));
  }

  private Tensor gates(Tensor statistics, Tensor like) {
    TensorOps ops = tensors();
    Tensor mean = statistics.select(0, 0);
    Tensor variance = ops.div(statistics.select(0, 1), ops.positions(like));
    return gates(ops, mean, variance, like);
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T mean = ops.mean(x); // [B, C]
    T d = ops.square(ops.sub(x, ops.perChannel(mean, x)));
    return ops.gate(x, ops.perChannel(gates(ops, mean, ops.mean(d), x), x));
  }

  /** {@code [B, C] -> [B, C]}, from means and the means of the squared distances from them. */
  private <T> T gates(Ops<T> ops, T mean, T variance, T x) {
    T deviation = ops.sqrt(ops.add(SimpleAttention.unbiased(ops, variance, x), EPSILON));
    T weights = ops.parameter("cfc", cfc);
    T z =
        ops.add(
            ops.mul(mean, ops.reshape(ops.narrow(weights, 1, 0, 1), 1, -1)),
            ops.mul(deviation, ops.reshape(ops.narrow(weights, 1, 1, 1), 1, -1)));
    return ops.sigmoid(bn.apply(ops, z));
  }

  @Override
  protected void checkShape(long[] shape) {
    refuseSingleValue(shape[0], shape, "it normalises over the batch; use a larger batch");
  }
}
