package io.fovea.models.transfer;

import io.fovea.models.VideoForm;
import io.fovea.models.weights.Checkpoint;
import io.fovea.models.weights.Layout;
import io.fovea.models.weights.WeightsException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;

/**
 * The weights of a file, under Fovea's names as far as the file is recognised, and what is to be said
 * about it.
 *
 * @param file the file
 * @param weights the weights by name; they belong to the {@code PointerScope} that was open
 * @param about the format of the file and the library of its names, in sentences
 * @param leftOut the names of weights that are of no use here, by the reason
 * @param layout the library of the names, for the user
 * @param recognition the network of the weights; empty if it was not looked for
 * @param classes the names of the classes, in the order of the scores, as far as the file tells them
 */
public record WeightsFile(
    Path file,
    Map<String, Tensor> weights,
    List<String> about,
    Map<String, List<String>> leftOut,
    String layout,
    Optional<Recognition> recognition,
    List<String> classes) {

  /**
   * Reads a file and recognises its network.
   *
   * @param key the path of the state dict in the file, or null for the usual
   * @param rules a file of the user with rules for renaming, or null
   * @param known what the user knows of the network
   * @throws IOException if the file cannot be read or is damaged
   * @throws WeightsException if a rule cannot be applied, or the network is not recognised
   */
  public static WeightsFile read(Path file, String key, Path rules, Recognition.Known known)
      throws IOException {
    return read(file, key, rules, List.of(known), true);
  }

  /**
   * Reads a file from which a network for segmentation or video starts. The file's network is looked for
   * only where the names are those of such a network; only the names of others are converted.
   *
   * @param own the network that starts from it, which is assumed where the file does not tell its own
   * @throws IOException if the file cannot be read or is damaged
   * @throws WeightsException if a weight cannot be taken over
   */
  public static WeightsFile readToStart(Path file, Recognition.Known own) throws IOException {
    List<Recognition.Known> known = Stream.of(Recognition.Known.NOTHING, own).distinct().toList();
    return read(file, null, null, known, false);
  }

  /**
   * Reads a file.
   *
   * @param known what may be known of its network; the first that leads to it is taken
   * @param required whether the network must be recognised
   */
  private static WeightsFile read(
      Path file, String key, Path rules, List<Recognition.Known> known, boolean required)
      throws IOException {
    Checkpoint checkpoint = Checkpoint.read(file, key);
    List<String> about = new ArrayList<>();
    about.add(file + ": " + checkpoint.form() + ", " + checkpoint.tensors().size() + " tensors");
    Map<String, List<String>> leftOut = new LinkedHashMap<>(checkpoint.leftOut());
    try {
      Map<String, Tensor> weights = checkpoint.tensors();
      if (rules != null) {
        weights = renamed(Layout.read(rules), weights, leftOut, about);
      }
      Optional<Layout> layout = Layout.recognise(weights.keySet());
      if (layout.isPresent()) {
        about.add("layout: " + layout.get().title());
        layout.get().note().ifPresent(note -> about.add("note: " + note));
        weights = renamed(layout.get(), weights, leftOut, null);
      } else {
        about.add("layout: unknown; the names are used unchanged");
      }
      Optional<Recognition> recognition =
          recognition(weights, known, required, layout, checkpoint.meta().config(), about);
      if (recognition.isPresent() && layout.isPresent()) {
        layout.get().requireKnown(recognition.get().spec().backbone());
      }
      Map<String, Tensor> plain = weights;
      return new WeightsFile(
          file,
          recognition.map(found -> found.renamed(plain)).orElse(new LinkedHashMap<>(plain)),
          List.copyOf(about),
          leftOut,
          layout.map(Layout::title).orElse("no known layout"),
          recognition,
          checkpoint.meta().classes());
    } catch (WeightsException e) {
      throw new WeightsException(file + ": " + e.getMessage(), e);
    }
  }

  private static Optional<Recognition> recognition(
      Map<String, Tensor> weights,
      List<Recognition.Known> known,
      boolean required,
      Optional<Layout> layout,
      String config,
      List<String> about) {
    Recognition.Source source =
        new Recognition.Source(layout.flatMap(Layout::form), new SegmentationConfig(config));
    if (required) {
      return Optional.of(Recognition.of(weights, known.get(0), source));
    }
    boolean ofVideo = source.form().filter(VideoForm::isOne).isPresent();
    if (!ofVideo && !SegmenterRecogniser.isSegmenter(weights.keySet())) {
      return Optional.empty();
    }
    List<String> why = new ArrayList<>();
    for (Recognition.Known each : known) {
      try {
        return Optional.of(Recognition.of(weights, each, source));
      } catch (WeightsException e) { // what is recognised of the names may be enough
        why.add(e.getMessage());
      }
    }
    about.addAll(why);
    return Optional.empty();
  }

  private static Map<String, Tensor> renamed(
      Layout layout,
      Map<String, Tensor> tensors,
      Map<String, List<String>> leftOut,
      List<String> about) {
    Layout.Renamed renamed = layout.rename(tensors);
    renamed
        .dropped()
        .forEach(
            (name, reason) -> leftOut.computeIfAbsent(reason, any -> new ArrayList<>()).add(name));
    if (about != null) {
      renamed.idle().forEach(rule -> about.add(rule + ": matches no name"));
    }
    return renamed.tensors();
  }

  /** Why the file was taken for its network, in sentences. */
  public List<String> reasons() {
    return recognition.map(Recognition::reasons).orElse(List.of());
  }

  /** What names and shapes do not tell, in sentences; a sample shows whether it was guessed right. */
  public List<String> untold() {
    return recognition.map(Recognition::untold).orElse(List.of());
  }
}
