package io.fovea.models.weights;

import io.fovea.models.weights.internal.Pickle;
import io.fovea.models.weights.internal.TorchFile;
import io.fovea.models.weights.internal.TorchFile.View;
import io.fovea.models.weights.internal.UntrustedInput;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.bytedeco.pytorch.Tensor;

/**
 * A state dict from a file that PyTorch or safetensors wrote.
 *
 * <p>Supported are {@code .safetensors} and both formats of {@code torch.save}, independently of
 * the file's name. In the latter, the state dict may be the whole object, or stand under {@code
 * state_dict}, {@code model_state_dict}, {@code model} or {@code net} beside other entries. If
 * every name has the prefix {@code module.}, which {@code DataParallel} adds, the prefix is
 * removed.
 *
 * <p>Nothing in a file is executed: its pickle may build tensors, dicts, lists, numbers and text;
 * everything else is refused and named. All sizes are checked against the length of the file before
 * anything is allocated.
 *
 * @param file the file
 * @param form the format of the file and the place of the weights in it, for messages
 * @param tensors the tensors by name, in the order of the file, with its types and strides; tensors
 *     that share their storage in the file share it here, too
 */
public record Checkpoint(Path file, String form, Map<String, Tensor> tensors) {
  private static final List<String> KEYS =
      List.of("state_dict", "model_state_dict", "model", "net");
  private static final String PARALLEL = "module.";

  /**
   * Reads a file.
   *
   * @return the weights; their tensors belong to the open {@code PointerScope}, or the caller
   *     closes them
   * @throws IOException if the file cannot be read, is damaged, has no weights or contains
   *     something that is refused; the message names the file and the position
   */
  public static Checkpoint read(Path file) throws IOException {
    byte[] beginning;
    try (InputStream in = Files.newInputStream(file)) {
      beginning = in.readNBytes(4);
    }
    boolean zip = TorchFile.isZip(beginning);
    if (!zip && !TorchFile.isLegacy(beginning)) {
      return of(file, "safetensors", Safetensors.read(file));
    }
    String[] key = new String[1];
    TorchFile.Choice choice = root -> views(file, state(file, root, key));
    Map<String, Tensor> tensors =
        zip ? TorchFile.readZip(file, choice) : TorchFile.readLegacy(file, choice);
    String form =
        (zip ? "PyTorch zip file" : "PyTorch file of the old format")
            + (key[0] == null ? "" : ", weights under \"" + key[0] + "\"");
    return of(file, form, tensors);
  }

  private static Checkpoint of(Path file, String form, Map<String, Tensor> named)
      throws IOException {
    for (String name : named.keySet()) {
      if (!UntrustedInput.isName(name)) { // the name would be printed
        throw new IOException(
            file
                + ": the name of a tensor is too long or has control characters: "
                + UntrustedInput.text(name));
      }
    }
    if (named.isEmpty() || !named.keySet().stream().allMatch(name -> name.startsWith(PARALLEL))) {
      return new Checkpoint(file, form, named);
    }
    Map<String, Tensor> shorter = new LinkedHashMap<>();
    named.forEach((name, tensor) -> shorter.put(name.substring(PARALLEL.length()), tensor));
    return new Checkpoint(file, form + ", prefix \"" + PARALLEL + "\" removed", shorter);
  }

  /**
   * Finds the dict with the tensors; {@code key} receives the name under which it stands, if any.
   */
  private static Map<?, ?> state(Path file, Object root, String[] key) throws IOException {
    if (!(root instanceof Map<?, ?> map)) {
      throw new IOException(file + ": contains " + Pickle.kind(root) + ", expected a state dict");
    }
    for (String name : KEYS) {
      if (map.get(name) instanceof Map<?, ?> nested && hasTensors(nested)) {
        key[0] = name;
        return nested;
      }
    }
    if (!hasTensors(map)) {
      throw new IOException(
          file
              + ": no state dict at its top level, nor under "
              + String.join(", ", KEYS)
              + "; it contains "
              + UntrustedInput.text(
                  map.keySet().stream()
                      .filter(String.class::isInstance)
                      .map(String.class::cast)
                      .limit(20)
                      .collect(Collectors.joining(", "))));
    }
    return map;
  }

  private static boolean hasTensors(Map<?, ?> map) {
    return map.values().stream().anyMatch(View.class::isInstance);
  }

  private static Map<String, View> views(Path file, Map<?, ?> state) throws IOException {
    Map<String, View> views = new LinkedHashMap<>();
    for (Map.Entry<?, ?> entry : state.entrySet()) {
      if (entry.getValue() instanceof View view) { // an epoch or a version may stand beside them
        if (!(entry.getKey() instanceof String name)) {
          throw new IOException(
              file
                  + ": the name of a tensor is "
                  + Pickle.kind(entry.getKey())
                  + ", expected text");
        }
        views.put(name, view);
      }
    }
    return views;
  }
}
