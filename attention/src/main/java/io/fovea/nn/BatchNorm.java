package io.fovea.nn;

import io.fovea.nn.Graph.Value;
import io.fovea.tensor.compute.SyncedBatchNorm;
import io.fovea.tensor.internal.Macs;
import java.util.Map;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Batch normalisation of {@code [B, C]} or {@code [B, C, spatial...]}. */
public final class BatchNorm extends Layer {
  /** PyTorch's default of the value that is added to the variance. */
  public static final double EPSILON = 1e-5;

  private static final double MOMENTUM = 0.1;

  private final double epsilon;
  private final double momentum;
  private final Tensor weight;
  private final Tensor bias;
  private final Tensor batches;
  private final TensorOptional[] arguments;

  /**
   * Creates a batch norm with weight 1, bias 0, and PyTorch's defaults: epsilon 1e-5 and momentum
   * 0.1.
   *
   * @param channels the channels {@code C}
   */
  public BatchNorm(long channels) {
    this(channels, EPSILON, MOMENTUM);
  }

  /**
   * Creates a batch norm with weight 1 and bias 0.
   *
   * @param channels the channels {@code C}
   * @param epsilon the value that is added to the variance
   * @param momentum the weight of a batch in the running statistics
   */
  public BatchNorm(long channels, double epsilon, double momentum) {
    super("BatchNorm");
    this.epsilon = epsilon;
    this.momentum = momentum;
    weight = torch.ones(channels);
    bias = torch.zeros(channels);
    Tensor mean = torch.zeros(channels);
    Tensor variance = torch.ones(channels);
    batches = torch.zeros(new long[0], new TensorOptions(ScalarType.Long));
    register_parameter("weight", weight);
    register_parameter("bias", bias);
    register_buffer("running_mean", mean);
    register_buffer("running_var", variance);
    register_buffer("num_batches_tracked", batches);
    arguments =
        new TensorOptional[] {
          new TensorOptional(weight),
          new TensorOptional(bias),
          new TensorOptional(mean),
          new TensorOptional(variance)
        };
  }

  /** The scale, {@code [C]}. */
  public Tensor weight() {
    return weight;
  }

  /** Sets weight and bias to zero, so that a residual branch starts as the identity. */
  public BatchNorm startingAtZero() {
    try (NoGradGuard guard = new NoGradGuard()) {
      weight.zero_();
      bias.zero_();
    }
    return this;
  }

  @Override
  public <T> T apply(Ops<T> ops, T x) {
    return ops.batchNorm(this, x);
  }

  Tensor compute(Tensor x) {
    computes();
    if (Macs.isCounting()) {
      return x; // a count needs the shape only
    }
    boolean training = is_training();
    if (training) {
      batches.add_(new Scalar(1L));
      if (SyncedBatchNorm.isActive()) {
        return SyncedBatchNorm.forward(
            x, weight, bias, runningMean(), runningVariance(), momentum, epsilon);
      }
    }
    return torch.batch_norm(
        x,
        arguments[0],
        arguments[1],
        arguments[2],
        arguments[3],
        training,
        momentum,
        epsilon,
        true);
  }

  /** The factor in evaluation mode, {@code [C]}, in float64. */
  Tensor scale() {
    Tensor variance = arguments[3].get().to(ScalarType.Double);
    return weight.to(ScalarType.Double).div(variance.add(new Scalar(epsilon)).sqrt());
  }

  /** The offset in evaluation mode, {@code [C]}, in float64. */
  Tensor shift() {
    Tensor mean = arguments[2].get().to(ScalarType.Double);
    return bias.to(ScalarType.Double).sub(mean.mul(scale()));
  }

  /** The bias, {@code [C]}. */
  public Tensor bias() {
    return bias;
  }

  /** The running mean, which evaluation mode subtracts, {@code [C]}. */
  public Tensor runningMean() {
    return arguments[2].get();
  }

  /** The running variance, by whose square root evaluation mode divides, {@code [C]}. */
  public Tensor runningVariance() {
    return arguments[3].get();
  }

  /** The value that is added to the variance. */
  public double epsilon() {
    return epsilon;
  }

  /** As {@link #scale}, in the type of the parameters, and differentiable. */
  public Tensor factor() {
    return weight.mul(arguments[3].get().add(new Scalar(epsilon)).rsqrt());
  }

  /**
   * The offset after {@link #factor} in evaluation mode for a layer that has a bias, {@code [C]}.
   */
  public Tensor offset(Tensor factor, Tensor before) {
    return torch.addcmul(bias, before.sub(arguments[2].get()), factor);
  }

  /**
   * Writes a single operator, which the writer of the file fuses into the convolution before it.
   */
  Value nodes(Graph graph, Value x) {
    return graph.node(
        "BatchNormalization",
        Map.of("epsilon", epsilon),
        x,
        graph.weights("weight", weight),
        graph.weights("bias", bias),
        graph.weights("running_mean", arguments[2].get()),
        graph.weights("running_var", arguments[3].get()));
  }
}
