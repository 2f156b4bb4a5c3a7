package io.fovea.tensor.compute;

import io.fovea.tensor.internal.ThreadValue;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.LongStream;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Batch norms in training that see the images of several processes, as PyTorch's {@code
 * SyncBatchNorm}, which libtorch has for GPUs alone. Sums travel in float64.
 */
public final class SyncedBatchNorm {
  private static final ThreadValue<Consumer<Tensor>> SUMMING = new ThreadValue<>();

  private SyncedBatchNorm() {}

  /**
   * Calls with batch norms that see the images of all processes. Their backward passes do so, too,
   * also after this call.
   *
   * @param sum adds up a tensor over all processes, in place
   */
  public static <T> T in(Consumer<Tensor> sum, Supplier<T> body) {
    return SUMMING.during(sum, body);
  }

  /** Whether batch norms of this thread see the images of all processes. */
  public static boolean isActive() {
    return SUMMING.get() != null;
  }

  /**
   * Normalises a batch, and moves the running statistics.
   *
   * @param x the part of the batch that this process has, {@code [B, C]} or {@code [B, C,
   *     spatial...]}
   * @param weight the scale, {@code [C]}
   * @param bias the offset, {@code [C]}
   * @param runningMean changed, {@code [C]}
   * @param runningVariance changed, {@code [C]}
   * @param momentum the weight of the batch in the running statistics
   * @param epsilon the value that is added to the variance
   * @return of the shape and type of {@code x}, differentiable
   */
  public static Tensor forward(
      Tensor x,
      Tensor weight,
      Tensor bias,
      Tensor runningMean,
      Tensor runningVariance,
      double momentum,
      double epsilon) {
    Consumer<Tensor> sum = SUMMING.get();
    boolean differentiable =
        GradMode.is_enabled()
            && (x.requires_grad() || weight.requires_grad() || bias.requires_grad());
    Tensor own = x.detach();
    Tensor scale = weight.detach();
    Tensor mean;
    Tensor variance;
    Tensor y;
    double count;
    try (NoGradGuard guard = new NoGradGuard()) {
      Tensor all = statistics(own);
      sum.accept(all);
      long channels = weight.numel();
      count = all.select(0, 2 * channels).item_double();
      Tensor exactMean = all.narrow(0, 0, channels).div(new Scalar(count));
      Tensor exactVariance =
          all.narrow(0, channels, channels)
              .div(new Scalar(count))
              .sub(exactMean.mul(exactMean))
              .clamp_min(new Scalar(0.0));
      mean = exactMean.to(weight.scalar_type());
      variance = exactVariance.to(weight.scalar_type());
      Scalar share = new Scalar(momentum);
      runningMean.lerp_(mean, share);
      runningVariance.lerp_(
          exactVariance
              .mul(new Scalar(count / Math.max(1, count - 1)))
              .to(runningVariance.scalar_type()),
          share);
      y =
          torch.batch_norm(
              own,
              new TensorOptional(scale),
              new TensorOptional(bias.detach()),
              new TensorOptional(mean),
              new TensorOptional(variance),
              false,
              momentum,
              epsilon,
              true);
    }
    if (differentiable) {
      CustomGradient.attach(
          y,
          List.of(x, weight, bias),
          List.of(own, scale, mean, variance),
          dy -> gradients(dy, own, scale, mean, variance, epsilon, count, sum));
    }
    return y;
  }

  /** The sums of each channel, of their squares, and the number of values of a channel. */
  private static Tensor statistics(Tensor x) {
    long[] dims = others(x);
    double count = x.numel() / (double) x.size(1);
    Tensor values = real(x);
    Tensor mean = values.mean(dims);
    // about the own mean, because the sum of the squares would have no digits left in float32
    Tensor spread = values.sub(wide(mean, x)).square().sum(dims).to(ScalarType.Double);
    Tensor exact = mean.to(ScalarType.Double);
    Tensor sums = exact.mul(new Scalar(count));
    return torch.cat(
        new TensorVector(sums, spread.add(sums.mul(exact)), Tensor.create(new double[] {count})));
  }

  private static List<Tensor> gradients(
      Tensor dy,
      Tensor x,
      Tensor weight,
      Tensor mean,
      Tensor variance,
      double epsilon,
      double count,
      Consumer<Tensor> sum) {
    long[] dims = others(x);
    Tensor factor = variance.add(new Scalar(epsilon)).rsqrt();
    Tensor normed = real(x).sub(wide(mean, x)).mul(wide(factor, x));
    Tensor gradient = real(dy);
    Tensor ofBias = gradient.sum(dims);
    Tensor ofWeight = gradient.mul(normed).sum(dims);
    Tensor all = torch.cat(new TensorVector(ofBias, ofWeight)).to(ScalarType.Double);
    sum.accept(all);
    all = all.div(new Scalar(count)).to(weight.scalar_type());
    long channels = weight.numel();
    Tensor ofX =
        gradient
            .sub(wide(all.narrow(0, 0, channels), x))
            .sub(normed.mul(wide(all.narrow(0, channels, channels), x)))
            .mul(wide(weight.mul(factor), x));
    return List.of(ofX.to(x.scalar_type()), ofWeight, ofBias);
  }

  private static Tensor real(Tensor x) {
    return x.scalar_type().intern() == ScalarType.BFloat16 ? x.to(ScalarType.Float) : x;
  }

  /** All dimensions but that of the channels. */
  private static long[] others(Tensor x) {
    return LongStream.range(0, x.dim()).filter(dim -> dim != 1).toArray();
  }

  /** Values of channels, to be computed with {@code x}. */
  private static Tensor wide(Tensor channels, Tensor x) {
    long[] shape = LongStream.range(0, x.dim()).map(dim -> dim == 1 ? x.size(1) : 1).toArray();
    return channels.view(shape);
  }
}
