package io.fovea.training;

import io.fovea.models.weights.WeightsException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;

/**
 * Everything on which the next epoch of a training, or the rest of the running one, depends: the weights and buffers of the network,
 * the state of the optimiser, the random generators, and the results so far. The order of the
 * samples and their augmentation depend on seed and epoch alone, so they need no state.
 *
 * <p>The names of the tensors begin with {@code network.}, {@code average.}, {@code optimizer.},
 * {@code random.}, {@code plan.} or {@code epoch.}.
 *
 * @param history the results of the epochs that were trained
 * @param tensors the tensors by name
 */
public record TrainingState(List<EpochResult> history, Map<String, Tensor> tensors) {
  static final String NETWORK = "network.";
  static final String AVERAGE = "average.";
  static final String OPTIMIZER = "optimizer.";
  static final String PLAN = "plan.";
  static final String EPOCH = "epoch.";
  static final String RANDOM = "random.";

  /** Copies the list. */
  public TrainingState {
    history = List.copyOf(history);
  }

  /** The weights and buffers of the network by name. */
  public Map<String, Tensor> network() {
    return part(NETWORK);
  }

  /** The moving average of the weights and buffers by name; empty if there is none. */
  public Map<String, Tensor> average() {
    return part(AVERAGE);
  }

  /**
   * The number of batches of the next epoch that were trained already: 0, except in a state within
   * an epoch.
   */
  public int batches() {
    Tensor batches = tensors.get(Sums.BATCHES);
    return batches == null ? 0 : (int) batches.item_long();
  }

  /** The tensors whose names begin with a prefix, under the rest of their names. */
  Map<String, Tensor> part(String prefix) {
    Map<String, Tensor> part = new LinkedHashMap<>();
    tensors.forEach(
        (name, tensor) -> {
          if (name.startsWith(prefix)) {
            part.put(name.substring(prefix.length()), tensor);
          }
        });
    return part;
  }

  /**
   * A tensor.
   *
   * @throws WeightsException if it is missing
   */
  Tensor tensor(String name) {
    Tensor tensor = tensors.get(name);
    if (tensor == null) {
      throw new WeightsException("the state of the training does not fit: missing " + name);
    }
    return tensor;
  }
}
