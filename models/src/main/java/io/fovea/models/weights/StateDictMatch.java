package io.fovea.models.weights;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * The match between a state dict and a network. Shapes match if they are equal except for leading
 * and trailing ones: a linear layer {@code [out, in]} accepts the weights of a 1x1 convolution {@code
 * [out, in, 1, 1]}, and the reverse. The counters of batch norms may be missing, as in files of PyTorch
 * before 0.4.1.
 *
 * <p>Immutable. No other thread may use a network while weights are loaded into it.
 */
public final class StateDictMatch {
  private static final String COUNTER = ".num_batches_tracked";
  private static final String VARIANCE = ".running_var";

  private final Map<String, Tensor> state;
  private final Map<String, Tensor> values = new LinkedHashMap<>();
  private final List<String> missing = new ArrayList<>();
  private final List<String> unexpected = new ArrayList<>();
  private final Map<String, String> different = new LinkedHashMap<>();

  private StateDictMatch(Map<String, Tensor> state) {
    this.state = state;
  }

  /** Compares names and shapes. Nothing is copied. */
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
    while (length > 0 && shape[length - 1] == 1) {
      length--;
    }
    int from = 0;
    while (from < length - 1 && shape[from] == 1) {
      from++;
    }
    return Arrays.copyOfRange(shape, from, length);
  }

  /** The names that both have with matching shapes. */
  public List<String> matched() {
    return List.copyOf(values.keySet());
  }

  /** The names of the network that the state dict lacks. */
  public List<String> missing() {
    return List.copyOf(missing);
  }

  /** The names of the state dict that the network lacks. */
  public List<String> unexpected() {
    return List.copyOf(unexpected);
  }

  /** The names that both have with different shapes: {@code [10, 64], expected [1000, 64]}. */
  public Map<String, String> different() {
    return Collections.unmodifiableMap(different);
  }

  /** Whether no name is missing or unexpected and no shape differs. */
  public boolean isExact() {
    return missing.isEmpty() && unexpected.isEmpty() && different.isEmpty();
  }

  /**
   * The matching weights with a value that is not a finite number, also where it is too large for the
   * network's type, and the variances of batch norms with a negative one, whose square root is none.
   */
  public List<String> notFinite() {
    List<String> names = new ArrayList<>();
    try (PointerScope scope = new PointerScope()) {
      values.forEach(
          (name, value) -> {
            Tensor here = value.to(state.get(name).scalar_type());
            boolean finite = !here.is_floating_point() || here.isfinite().all().item_bool();
            boolean root = !name.endsWith(VARIANCE) || here.ge(new Scalar(0)).all().item_bool();
            if (!finite || !root) {
              names.add(name);
            }
          });
    }
    return names;
  }

  /**
   * Copies the matching weights into the network and converts them to its types. Other weights stay
   * unchanged.
   */
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
