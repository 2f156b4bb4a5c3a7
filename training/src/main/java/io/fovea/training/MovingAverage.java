package io.fovea.training;

import io.fovea.models.weights.StateDict;
import java.util.Map;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * The exponential moving average of a network, as timm's {@code ModelEmaV3} with {@code
 * use_warmup}: after each step of the optimiser, each parameter and each buffer of floating point
 * numbers moves by {@code 1 - decay} towards that of the network, and whole numbers are copied. The
 * decay grows during the training, {@code 1 - step ^ (-2 / 3)}, up to its largest value, so that the
 * initial weights do not stay in the average of a short training.
 */
final class MovingAverage {
  private static final double POWER = 2 / 3.0;

  private final Map<String, Tensor> network;
  private final Map<String, Tensor> average;
  private final double largest;

  /**
   * Begins with the network as it is now.
   *
   * @param network the parameters and buffers of the network: its own tensors, not copies. The
   *     average belongs to the open scope.
   * @param largest the largest decay, from 0 to below 1
   */
  MovingAverage(Map<String, Tensor> network, double largest) {
    this.network = network;
    this.largest = largest;
    average = StateDict.clones(network);
  }

  /**
   * Adds the network as it is now.
   *
   * @param step the number of steps of the optimiser, from 1
   */
  void update(long step) {
    Scalar weight = new Scalar(1 - decay(step));
    try (NoGradGuard guard = new NoGradGuard();
        PointerScope scope = new PointerScope()) {
      average.forEach(
          (name, own) -> {
            if (own.is_floating_point()) {
              own.lerp_(network.get(name), weight);
            } else {
              own.copy_(network.get(name));
            }
          });
    }
  }

  private double decay(long step) {
    return step <= 1 ? 0 : Math.min(largest, 1 - Math.pow((double) step, -POWER));
  }

  /** Calls with the average in the network. Then the network is as it was before, bit for bit. */
  <T> T in(Supplier<T> body) {
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> own = StateDict.clones(network);
      StateDict.copy(average, network);
      try {
        return body.get();
      } finally {
        StateDict.copy(own, network);
      }
    }
  }

  /** The average of each parameter and buffer by name: its own tensors, not copies. */
  Map<String, Tensor> tensors() {
    return average;
  }
}
