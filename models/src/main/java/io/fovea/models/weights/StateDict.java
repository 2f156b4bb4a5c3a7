package io.fovea.models.weights;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.StringTensorDict;
import org.bytedeco.pytorch.Tensor;

/**
 * The state dict of a module: its parameters and buffers by name.
 *
 * <p>Several threads may read the weights of one module, if none changes them meanwhile.
 */
public final class StateDict {
  private StateDict() {}

  /** The parameters by name, in the order of registration: the module's own tensors, not copies. */
  public static Map<String, Tensor> parameters(Module module) {
    return tensors(module.named_parameters());
  }

  /** The parameters and buffers by name: the module's own tensors, not copies. */
  public static Map<String, Tensor> of(Module module) {
    Map<String, Tensor> state = parameters(module);
    state.putAll(tensors(module.named_buffers()));
    return state;
  }

  /**
   * Copies values into a module. Types are converted to the module's.
   *
   * @param module the module that receives the values
   * @param values the values by name; names and shapes must equal those of the module
   * @throws WeightsException if a name is missing or unexpected, or a shape differs; then nothing
   *     is copied
   */
  public static void load(Module module, Map<String, Tensor> values) {
    Map<String, Tensor> state = of(module);
    List<String> faults = new ArrayList<>();
    state.forEach(
        (name, tensor) -> {
          Tensor value = values.get(name);
          if (value == null) {
            faults.add("missing " + name);
          } else if (!Arrays.equals(value.shape(), tensor.shape())) {
            faults.add(
                name
                    + " has shape "
                    + Arrays.toString(value.shape())
                    + ", expected "
                    + Arrays.toString(tensor.shape()));
          }
        });
    values.keySet().stream()
        .filter(name -> !state.containsKey(name))
        .forEach(name -> faults.add("unexpected " + name));
    if (!faults.isEmpty()) {
      throw new WeightsException(
          "the weights do not fit: "
              + String.join("; ", faults.subList(0, Math.min(5, faults.size())))
              + (faults.size() > 5 ? "; and " + (faults.size() - 5) + " more" : ""));
    }
    copy(values, state);
  }

  /**
   * Copies the values that both modules have with the same name and shape, such as from a backbone
   * to one with attention.
   */
  public static void copyShared(Module from, Module to) {
    Map<String, Tensor> source = of(from);
    Map<String, Tensor> target = of(to);
    source
        .entrySet()
        .removeIf(
            entry ->
                !target.containsKey(entry.getKey())
                    || !Arrays.equals(
                        entry.getValue().shape(), target.get(entry.getKey()).shape()));
    copy(source, target);
  }

  /** Copies values, for all of which the state dict has a tensor with the same name and shape. */
  public static void copy(Map<String, Tensor> values, Map<String, Tensor> state) {
    try (NoGradGuard guard = new NoGradGuard()) {
      values.forEach((name, value) -> state.get(name).copy_(value));
    }
  }

  /** Copies of the values, which belong to the open scope and need no gradient. */
  public static Map<String, Tensor> clones(Map<String, Tensor> state) {
    Map<String, Tensor> clones = new LinkedHashMap<>();
    state.forEach((name, tensor) -> clones.put(name, tensor.detach().clone()));
    return clones;
  }

  private static Map<String, Tensor> tensors(StringTensorDict dict) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    try (dict) { // its elements are freed with it, so each tensor gets its own handle
      for (long i = 0; i < dict.size(); i++) {
        tensors.put(dict.get(i).key().getString(), new Tensor(dict.get(i).access()));
      }
    }
    return tensors;
  }
}
