package io.fovea.reference;

import io.fovea.errors.SpecException;
import io.fovea.models.Precision;
import org.bytedeco.javacpp.PointerScope;

/**
 * What a network with attention in it takes from end to end, beside the reference code, in this process.
 *
 * @param network the attention and the backbone, {@code se-resnet50}
 * @param shape of the images, {@code [B, C, H, W]}
 * @param precision what Fovea's convolutions compute in; the reference implementation's are float32
 * @param inference evaluation mode without gradients, Fovea's fused
 * @param training a step: forward, cross entropy, backward, gradient descent with momentum
 */
public record NetworkMeasurement(
    String network,
    long[] shape,
    String precision,
    Measurement.Times inference,
    Measurement.Times training) {
  /** The largest differences of scores that rounding explains, and those of 8 bits. */
  private static final double TOLERANCE = 1e-3;

  private static final double BF16_TOLERANCE = 0.1;

  /**
   * Measures.
   *
   * @param network {@code none}, {@code se}, {@code cbam} or another of the reference implementation's mechanisms, a dash,
   *     and a residual network
   * @param seconds about how long
   * @throws SpecException if there is no such network
   * @throws IllegalStateException if the two do not agree
   */
  public static NetworkMeasurement of(
      String network, Precision precision, double seconds, long... shape) {
    try (PointerScope scope = new PointerScope()) {
      NetworkComparison comparison = new NetworkComparison(network, precision, shape);
      double tolerance = precision == Precision.BF16 ? BF16_TOLERANCE : TOLERANCE;
      try (PointerScope first = new PointerScope()) {
        comparison.train(true);
        check(
            network,
            NetworkComparison.difference(comparison.foveaStep(), comparison.referenceStep()),
            tolerance);
        comparison.train(false);
        check(
            network,
            NetworkComparison.difference(comparison.foveaScores(), comparison.referenceScores()),
            tolerance);
      }
      long budget = (long) (seconds / 2 * 1e9);
      Measurement.Times inference =
          Measurement.times(comparison::foveaScores, comparison::referenceScores, budget);
      comparison.train(true);
      Measurement.Times training =
          Measurement.times(comparison::foveaStep, comparison::referenceStep, budget);
      return new NetworkMeasurement(network, shape, precision.toString(), inference, training);
    }
  }

  private static void check(String network, double difference, double tolerance) {
    if (!(difference <= tolerance)) {
      throw new IllegalStateException(network + " and the reference code differ by " + difference);
    }
  }
}
