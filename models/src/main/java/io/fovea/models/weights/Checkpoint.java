package io.fovea.models.weights;

import io.fovea.models.weights.internal.FileKind;
import io.fovea.models.weights.internal.Pickle;
import io.fovea.models.weights.internal.TorchFile;
import io.fovea.models.weights.internal.TorchFile.View;
import io.fovea.models.weights.internal.UntrustedInput;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.bytedeco.pytorch.Tensor;

/**
 * A state dict from a file that PyTorch or safetensors wrote.
 *
 * <p>Supported are {@code .safetensors} and both formats of {@code torch.save}, independently of
 * the file's name. In the latter, the state dict may be the whole object, or stand under {@code
 * state_dict}, {@code model_state_dict}, {@code model} or {@code net}, or under another key, beside
 * other entries. If all names begin with the prefix of a wrapper ({@code module.} of {@code
 * DataParallel}, {@code _orig_mod.} of {@code torch.compile}, {@code model.} of Lightning, ...), it is
 * removed, and so on.
 *
 * <p>Nothing in a file is executed: its pickle may build tensors, dicts, lists, numbers and text. Any
 * other object becomes a placeholder that has only a name; it is an error if the state dict is or
 * contains one. All sizes are checked against the length of the file before anything is allocated.
 *
 * <p>Immutable; several threads may read its tensors.
 *
 * @param file the file
 * @param form the format of the file and the place of the weights in it, for messages
 * @param tensors the tensors by name, in the order of the file, with its types and strides; tensors
 *     that share their storage in the file share it here, too
 * @param leftOut the names of tensors that are no weights (counters of tools), by the reason
 * @param meta what OpenMMLab's trainers save beside the weights
 */
public record Checkpoint(
    Path file,
    String form,
    Map<String, Tensor> tensors,
    Map<String, List<String>> leftOut,
    Meta meta) {
  /**
   * What OpenMMLab's trainers save under {@code meta}.
   *
   * @param classes the names of the classes, in the order of the scores; empty if there are none
   * @param config the configuration, as text in Python; empty if there is none
   */
  public record Meta(List<String> classes, String config) {
    private static final Meta NOTHING = new Meta(List.of(), "");
    private static final int LONGEST = 1 << 20;

    /** Reads what is there; what has another form is nothing. */
    private static Meta of(Object root) {
      if (!(root instanceof Map<?, ?> map) || !(map.get("meta") instanceof Map<?, ?> meta)) {
        return NOTHING;
      }
      Object data = meta.get("dataset_meta");
      Object names = data instanceof Map<?, ?> ofData ? ofData.get("classes") : meta.get("CLASSES");
      Object config = meta.get("cfg") != null ? meta.get("cfg") : meta.get("config");
      List<String> classes =
          Pickle.items(names).stream()
              .map(name -> name instanceof String text && UntrustedInput.isName(text) ? text : "")
              .toList();
      return new Meta(
          classes.contains("") ? List.of() : classes,
          config instanceof String text && text.length() <= LONGEST ? text : "");
    }
  }

  private static final List<String> KEYS =
      List.of("state_dict", "model_state_dict", "model", "net");
  private static final Set<String> WRAPPERS =
      Set.of("module", "_orig_mod", "model", "net", "network", "encoder", "backbone", "base_model");
  private static final int DEEPEST = 4;
  private static final int SHOWN = 5;

  /** A dict with tensors: its path in the file and the number of tensors. */
  private record Place(String path, Map<?, ?> dict, int count) {
    boolean isAverage() {
      return path.toLowerCase(Locale.ROOT).matches("(.*[._])?ema([._].*)?");
    }

    String counted() {
      return UntrustedInput.text(path) + " (" + count + (count == 1 ? " tensor)" : " tensors)");
    }
  }

  /**
   * Reads a file.
   *
   * @return the weights; their tensors belong to the open {@code PointerScope}, or the caller
   *     closes them
   * @throws IOException if the file cannot be read, is damaged, has no weights or contains
   *     something that is refused; the message names the file and the position
   */
  public static Checkpoint read(Path file) throws IOException {
    return read(file, null);
  }

  /**
   * Reads a state dict of a file that has several.
   *
   * @param key its path in the file, with dots between keys, or a part of it that only one has ({@code
   *     ema}); null for the usual one
   * @throws IOException as {@link #read(Path)}, also if there is no such state dict
   */
  public static Checkpoint read(Path file, String key) throws IOException {
    byte[] beginning = FileKind.beginning(file);
    boolean zip = TorchFile.isZip(beginning);
    if (!zip && !TorchFile.isLegacy(beginning)) {
      if (key != null) {
        throw new IOException(file + ": has no keys, it is no file of torch.save");
      }
      FileKind.refuseOthers(file, beginning);
      return of(file, "safetensors", Safetensors.read(file), Meta.NOTHING);
    }
    List<String> about = new ArrayList<>();
    List<Meta> meta = new ArrayList<>();
    TorchFile.Choice choice =
        (root, unknown) -> {
          Map<String, View> views = views(file, state(file, root, key, about));
          meta.add(Meta.of(root));
          if (!unknown.isEmpty()) {
            about.add("not read: " + shortened(List.copyOf(unknown)));
          }
          return views;
        };
    Map<String, Tensor> tensors =
        zip ? TorchFile.readZip(file, choice) : TorchFile.readLegacy(file, choice);
    about.add(0, zip ? "PyTorch zip file" : "PyTorch file of the old format");
    return of(file, String.join(", ", about), tensors, meta.get(0));
  }

  private static String shortened(List<String> names) {
    return String.join(", ", names.subList(0, Math.min(SHOWN, names.size())))
        + (names.size() > SHOWN ? " and more" : "");
  }

  private static Checkpoint of(Path file, String form, Map<String, Tensor> named, Meta meta)
      throws IOException {
    for (String name : named.keySet()) {
      if (!UntrustedInput.isName(name)) { // the name would be printed
        throw new IOException(
            file
                + ": the name of a tensor is too long or has control characters: "
                + UntrustedInput.text(name));
      }
    }
    Map<String, List<String>> leftOut = new LinkedHashMap<>();
    Map<String, Tensor> weights = new LinkedHashMap<>();
    named.forEach(
        (name, tensor) -> {
          String reason = uselessness(name);
          if (reason == null) {
            weights.put(name, tensor);
          } else {
            leftOut.computeIfAbsent(reason, any -> new ArrayList<>()).add(name);
          }
        });
    String removed = "";
    Map<String, Tensor> bare = weights;
    for (String wrapper = wrapper(bare); wrapper != null; wrapper = wrapper(bare)) {
      Map<String, Tensor> shorter = new LinkedHashMap<>();
      int length = wrapper.length();
      bare.forEach((name, tensor) -> shorter.put(name.substring(length), tensor));
      bare = shorter;
      removed += wrapper;
    }
    return new Checkpoint(
        file,
        form + (removed.isEmpty() ? "" : ", prefix \"" + removed + "\" removed"),
        bare,
        leftOut,
        meta);
  }

  /** Why a tensor is no weight of the network, or null. */
  private static String uselessness(String name) {
    String last = name.substring(name.lastIndexOf('.') + 1);
    return switch (last) {
      case "total_ops", "total_params" -> "counters of thop";
      case "n_averaged" -> "a counter of averaged weights";
      default -> null;
    };
  }

  /** The prefix of a wrapper that all names have, with its dot, or null. */
  private static String wrapper(Map<String, Tensor> tensors) {
    if (tensors.isEmpty()) {
      return null;
    }
    String name = tensors.keySet().iterator().next();
    int dot = name.indexOf('.');
    if (dot < 0 || !WRAPPERS.contains(name.substring(0, dot))) {
      return null;
    }
    String prefix = name.substring(0, dot + 1);
    boolean all = tensors.keySet().stream().allMatch(each -> each.startsWith(prefix));
    // otherwise it may be a layer of this name
    boolean wraps =
        all && tensors.keySet().stream().anyMatch(each -> each.indexOf('.', dot + 1) > 0);
    return wraps || (all && prefix.equals("module.")) ? prefix : null;
  }

  /** Chooses the dict with the weights, and says where it stands and what else there is. */
  private static Map<?, ?> state(Path file, Object root, String key, List<String> about)
      throws IOException {
    if (!(root instanceof Map<?, ?> map)) {
      throw new IOException(
          file
              + ": contains "
              + Pickle.kind(root)
              + ", expected a state dict; save network.state_dict() with torch.save");
    }
    List<Place> places = new ArrayList<>();
    find(map, "", 0, places);
    List<Place> found = places.stream().filter(place -> matches(place, key)).toList();
    if (key != null && found.size() != 1) {
      throw new IOException(
          file
              + (found.isEmpty()
                  ? ": has no weights under \""
                  : ": has several state dicts under \"")
              + UntrustedInput.text(key)
              + "\"; it has "
              + counted(found.isEmpty() ? places : found));
    }
    Place chosen = key != null ? found.get(0) : usual(file, map, places);
    if (!chosen.path().isEmpty()) {
      about.add("weights under \"" + UntrustedInput.text(chosen.path()) + "\"");
    }
    List<Place> others =
        places.stream()
            .filter(
                place -> !place.path().equals(chosen.path()) && 2 * place.count() > chosen.count())
            .toList();
    if (!others.isEmpty()) {
      about.add("not taken: " + counted(others) + ", see --key");
    }
    return chosen.dict();
  }

  private static boolean matches(Place place, String key) {
    return key == null
        || place.path().equals(key)
        || (!key.isEmpty() && place.path().contains(key));
  }

  private static Place usual(Path file, Map<?, ?> root, List<Place> places) throws IOException {
    int most = places.stream().mapToInt(Place::count).max().orElse(0);
    for (String name : KEYS) {
      for (Place place : places) {
        if (place.path().equals(name) && 2 * place.count() >= most) {
          return place;
        }
      }
    }
    List<Place> large =
        places.stream().filter(place -> 2 * place.count() > most && !place.isAverage()).toList();
    if (large.size() == 1 || (!large.isEmpty() && large.get(0).path().isEmpty())) {
      return large.get(0);
    }
    List<Place> averages = places.stream().filter(Place::isAverage).toList();
    if (large.isEmpty() && averages.size() == 1) {
      return averages.get(0);
    }
    throw new IOException(
        file
            + (places.isEmpty()
                ? ": no state dict at its top level, nor under "
                    + String.join(", ", KEYS)
                    + "; it contains "
                    + UntrustedInput.text(
                        root.keySet().stream()
                            .filter(String.class::isInstance)
                            .map(String.class::cast)
                            .limit(20)
                            .collect(Collectors.joining(", ")))
                : ": has several state dicts: " + counted(places) + "; choose one with --key"));
  }

  private static String counted(List<Place> places) {
    return places.stream().limit(20).map(Place::counted).collect(Collectors.joining(", "));
  }

  private static void find(Map<?, ?> map, String path, int depth, List<Place> places) {
    int count = (int) map.values().stream().filter(View.class::isInstance).count();
    if (count > 0) {
      places.add(new Place(path, map, count));
    }
    if (depth == DEEPEST || places.size() > 100) {
      return;
    }
    map.forEach(
        (key, value) -> {
          if (key instanceof String name
              && value instanceof Map<?, ?> nested
              && !name.startsWith("optim")) { // its averages of gradients are no weights
            find(nested, path.isEmpty() ? name : path + "." + name, depth + 1, places);
          }
        });
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
      } else if (Pickle.isUnknown(entry.getValue())
          && entry.getKey() instanceof String name
          && name.contains(".")) { // a weight, not something that stands beside them
        throw new IOException(
            file
                + ": "
                + UntrustedInput.text(name)
                + " is "
                + Pickle.kind(entry.getValue())
                + ", expected a plain tensor");
      }
    }
    return views;
  }
}
