package io.fovea.reference;

import io.fovea.errors.SpecException;
import io.fovea.models.Precision;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The times of a whole network with attention and of its reference implementation in this process.
 *
 * @param network the attention and the backbone, such as {@code se-resnet50}
 * @param shape the shape of the images, {@code [B, C, H, W]}
 * @param precision the precision of Fovea's convolutions; the reference uses float32
 * @param inference the time of evaluation mode without gradients, for Fovea with fused batch norms
 * @param training the times of a step: forward, cross entropy, backward, gradient descent with
 *     momentum
 */
public record NetworkMeasurement(
    String network,
    long[] shape,
    String precision,
    Measurement.Times inference,
    Measurement.Times training) {
  /**
   * The largest differences of scores that rounding explains, in float32 and with the 8 bits of
   * bfloat16.
   */
  private static final double TOLERANCE = 1e-3;

  private static final double BF16_TOLERANCE = 0.1;

  /**
   * Measures.
   *
   * @param network {@code none} or a mechanism with a reference implementation, a dash, and a
   *     residual network
   * @param seconds the approximate duration of the measurement
   * @throws SpecException if the network does not exist
   * @throws IllegalStateException if the results of the two differ
   */
  public static NetworkMeasurement of(
      String network, Precision precision, double seconds, long... shape) {
    try (PointerScope scope = new PointerScope()) {
      NetworkComparison comparison = new NetworkComparison(network, precision, shape);
      check(network, precision, comparison, shape);
      long budget = (long) (seconds / 2 * 1e9);
      Measurement.Times inference =
          Measurement.times(comparison::foveaScores, comparison::referenceScores, budget);
      comparison.train(true);
      Measurement.Times training =
          Measurement.times(comparison::foveaStep, comparison::referenceStep, budget);
      return new NetworkMeasurement(network, shape, precision.toString(), inference, training);
    }
  }

  /**
   * Checks that a network can be measured, without measuring it.
   *
   * @param channels the channels of the images
   * @throws SpecException if the network does not exist or has no reference implementation
   */
  public static void check(String network, Precision precision, long channels) {
    try (PointerScope scope = new PointerScope()) {
      new NetworkComparison(network, precision, 1, channels, 32, 32);
    }
  }

  /** Where the two differ by more than a few roundings, what they compute in float64 decides. */
  private static void check(
      String network, Precision precision, NetworkComparison comparison, long... shape) {
    double difference = difference(comparison);
    boolean agree =
        precision == Precision.BF16
            ? difference <= BF16_TOLERANCE
            : difference <= TOLERANCE
                || (difference <= Comparison.UNLIKE && agreesInFloat64(network, precision, shape));
    if (!agree) {
      throw new IllegalStateException(
          network + " and the reference implementation differ by " + difference);
    }
  }

  private static boolean agreesInFloat64(String network, Precision precision, long... shape) {
    try (PointerScope scope = new PointerScope()) {
      return difference(new NetworkComparison(network, precision, ScalarType.Double, shape))
          <= Comparison.EXACT;
    }
  }

  /** Of the scores of a step of training, and of those in evaluation mode after it. */
  private static double difference(NetworkComparison comparison) {
    try (PointerScope scope = new PointerScope()) {
      comparison.train(true);
      double ofStep =
          NetworkComparison.difference(comparison.foveaStep(), comparison.referenceStep());
      comparison.train(false);
      return Math.max(
          ofStep,
          NetworkComparison.difference(comparison.foveaScores(), comparison.referenceScores()));
    }
  }
}
