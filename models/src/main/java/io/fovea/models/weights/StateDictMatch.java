package io.fovea.models.weights;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;

/**
 * How weights by name fit a network. A shape fits if it is the network's but for ones at its end: a linear
 * layer {@code [out, in]} takes the weights of a 1x1 convolution {@code [out, in, 1, 1]}, and the other way
 * round. The counters of batch norms may be missing, as in files of PyTorch before 0.4.1.
 */
public final class StateDictMatch {
  private static final String COUNTER = ".num_batches_tracked";

  private final Map<String, Tensor> state;
  private final Map<String, Tensor> values = new LinkedHashMap<>();
  private final List<String> missing = new ArrayList<>();
  private final List<String> unexpected = new ArrayList<>();
  private final Map<String, String> different = new LinkedHashMap<>();

  private StateDictMatch(Map<String, Tensor> state) {
    this.state = state;
  }

  /** Compares names and shapes; nothing is copied yet. */
  public static StateDictMatch of(Module module, Map<String, Tensor> weights) {
    StateDictMatch fit = new StateDictMatch(StateDict.of(module));
    fit.state.forEach(
        (name, tensor) -> {
          Tensor value = weights.get(name);
          if (value == null) {
            if (!name.endsWith(COUNTER)) {
              fit.missing.add(name);
            }
          } else if (Arrays.equals(essential(value.shape()), essential(tensor.shape()))) {
            fit.values.put(name, value);
          } else {
            fit.different.put(
                name,
                Arrays.toString(value.shape()) + ", expected " + Arrays.toString(tensor.shape()));
          }
        });
    weights.keySet().stream()
        .filter(name -> !fit.state.containsKey(name))
        .forEach(fit.unexpected::add);
    return fit;
  }

  private static long[] essential(long[] shape) {
    int length = shape.length;
    while (length > 1 && shape[length - 1] == 1) {
      length--;
    }
    return Arrays.copyOf(shape, length);
  }

  /** The names that both have, with the same shape. */
  public List<String> matched() {
    return List.copyOf(values.keySet());
  }

  /** The network's names that the weights lack. */
  public List<String> missing() {
    return List.copyOf(missing);
  }

  /** The weights' names that the network lacks. */
  public List<String> unexpected() {
    return List.copyOf(unexpected);
  }

  /** Names that both have with different shapes: {@code [10, 64], expected [1000, 64]}. */
  public Map<String, String> different() {
    return Collections.unmodifiableMap(different);
  }

  /** Whether nothing is missing, unexpected or of a different shape. */
  public boolean isExact() {
    return missing.isEmpty() && unexpected.isEmpty() && different.isEmpty();
  }

  /** Copies what matched into the network, converted to its types; the rest of it stays as it is. */
  public void load() {
    try (NoGradGuard guard = new NoGradGuard()) {
      values.forEach(
          (name, value) -> {
            Tensor target = state.get(name);
            target.copy_(value.reshape(target.shape()));
          });
    }
  }
}
