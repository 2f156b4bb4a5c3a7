package io.fovea.training;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fovea.data.DataException;
import io.fovea.models.ModelSpec;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.models.SegmenterSpec;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.transfer.Recognition;
import io.fovea.models.transfer.WeightsFile;
import io.fovea.models.weights.Checkpoint;
import io.fovea.models.weights.StateDict;
import io.fovea.models.weights.StateDictMatch;
import io.fovea.models.weights.WeightsException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Loads trained weights into a new network: those of a file in any layout that Fovea knows ({@link
 * WeightsFile}), or of a run. The classifier starts fresh if the classes differ, and attention that the
 * file lacks starts fresh; everything else must fit.
 *
 * @param <N> the type of the network
 */
final class InitialWeights<N extends Network> {
  private static final int LISTED = 4;

  private final Task<N, ?> task;
  private final NetworkSpec<N> spec;
  private final N network;
  private final Consumer<String> lines;

  InitialWeights(Task<N, ?> task, NetworkSpec<N> spec, N network, Consumer<String> lines) {
    this.task = task;
    this.spec = spec;
    this.network = network;
    this.lines = lines;
  }

  /** Weights with Fovea's names, their layout, and the classes of a run. */
  private record Source(Map<String, Tensor> tensors, String layout, List<String> classes) {}

  /**
   * Loads weights.
   *
   * @param from a file or a run
   * @param title the name of the weights for the user
   * @param classes the classes of the data; null if they are not known yet
   * @param backboneOnly whether the head of a segmentation network starts fresh in any case, so
   *     that networks with different heads start alike
   */
  Start load(Path from, String title, List<String> classes, boolean backboneOnly) {
    try (PointerScope scope = new PointerScope()) {
      Source source = read(from, !backboneOnly);
      Map<String, Tensor> weights =
          new LinkedHashMap<>(task.adapted(network, source.tensors(), backboneOnly));
      NetworkSpec.Ends ends = spec.ends();
      if (classes == null) {
        allowGrey(ends.first(), weights);
      }
      sumColours(ends.first(), weights);
      Optional<Integer> inFile = ends.classes(weights);
      Set<String> replaced = new LinkedHashSet<>();
      if (differ(source.classes(), classes)
          || inFile.isEmpty()
          || inFile.get() != network.classes()) {
        replaced.addAll(ends.classifier());
        weights.keySet().removeAll(replaced);
      }
      StateDictMatch match = StateDictMatch.of(network, weights);
      Set<String> attention = attention();
      List<String> fresh = new ArrayList<>();
      List<String> faults = new ArrayList<>();
      for (String name : match.missing()) {
        boolean may =
            replaced.contains(name)
                || attention.contains(name)
                || task.startsFresh(name, weights.keySet());
        (may ? fresh : faults).add(may ? name : name + " is missing");
      }
      match.different().forEach((name, shapes) -> faults.add(name + " has shape " + shapes));
      match.unexpected().forEach(name -> faults.add(name + " has no place in the network"));
      if (!faults.isEmpty() || match.matched().isEmpty()) {
        throw new WeightsException(title + ": " + misfit(faults, match.matched().size()));
      }
      match.load();
      tell(title, source, match, inFile, replaced, fresh, attention);
      return new Start(title, fresh);
    } catch (IOException e) {
      throw new DataException(e.getMessage(), e);
    }
  }

  /** Before the images are known, weights for grey ones fit a network for colours, too. */
  private void allowGrey(String first, Map<String, Tensor> weights) {
    Tensor weight = weights.get(first);
    if (weight != null && weight.dim() > 1 && weight.size(1) == 1 && network.channels() == 3) {
      weights.put(first, torch.cat(new TensorVector(weight, weight, weight), 1));
    }
  }

  /** For grey images the weights of the three colours are summed, as for three equal channels. */
  private void sumColours(String first, Map<String, Tensor> weights) {
    Tensor weight = weights.get(first);
    if (weight != null && weight.dim() > 1 && weight.size(1) == 3 && network.channels() == 1) {
      weights.put(first, weight.sum(new long[] {1}, true, new ScalarTypeOptional()));
      lines.accept("the images are grey: " + first + " is summed over the colours");
    }
  }

  private String misfit(List<String> faults, int matched) {
    String some = String.join("; ", faults.subList(0, Math.min(LISTED, faults.size())));
    return "does not fit "
        + spec.title()
        + (matched == 0 ? ": nothing matches" : "")
        + (faults.isEmpty() ? "" : ": " + some)
        + (faults.size() > LISTED ? "; and " + (faults.size() - LISTED) + " more" : "");
  }

  private static boolean differ(List<String> ofRun, List<String> ofData) {
    return ofRun != null && ofData != null && !ofRun.equals(ofData);
  }

  private Source read(Path from, boolean whole) throws IOException {
    if (Files.isDirectory(from)) {
      Path config = from.resolve("config.json");
      Path weights = from.resolve("last.safetensors");
      if (!Files.exists(config) || !Files.exists(weights)) {
        throw new DataException(from + ": is not a run: it has no config.json or no weights");
      }
      return new Source(Checkpoint.read(weights).tensors(), "a run", classes(config));
    }
    if (!Files.exists(from)) {
      throw new DataException(from + ": is not there; expected a file with weights, or a run");
    }
    WeightsFile file =
        spec instanceof ModelSpec && network.frames() == 0
            ? WeightsFile.read(from, null, null, known())
            : WeightsFile.readToStart(from, own());
    List<String> reasons = file.reasons();
    if (reasons.size() > 1) { // the first is the network's, which is known
      reasons.subList(1, reasons.size()).forEach(lines);
      file.untold().forEach(sentence -> lines.accept("not told by the file: " + sentence));
    }
    file.recognition()
        .map(Recognition::spec)
        .filter(found -> whole)
        .flatMap(this::wholeNetwork)
        .ifPresent(lines);
    return new Source(file.weights(), file.layout(), null);
  }

  /** How to start from the whole network of a file, if the one that is trained is another one. */
  private Optional<String> wholeNetwork(NetworkSpec<?> inFile) {
    if (inFile instanceof SegmenterSpec found && spec instanceof SegmenterSpec own) {
      boolean same =
          found.backbone().equals(own.backbone())
              && found.head().equals(own.head())
              && found.form() == own.form()
              && found.alignsCorners() == own.alignsCorners();
      return whole(
          same,
          found,
          " --form "
              + found.form()
              + (found.alignCorners() == null
                  ? ""
                  : found.alignCorners() ? " --align-corners" : " --no-align-corners"));
    }
    if (inFile instanceof ModelSpec found
        && spec instanceof ModelSpec own
        && Math.min(found.frames(), own.frames()) > 0) {
      boolean same =
          found.backbone().equals(own.backbone())
              && found.attention().equals(own.attention())
              && found.form() == own.form();
      return whole(same, found, found.form() == null ? "" : " --form " + found.form());
    }
    return Optional.empty();
  }

  private static Optional<String> whole(boolean same, NetworkSpec<?> found, String form) {
    return same
        ? Optional.empty()
        : Optional.of(
            "note: the file has "
                + found.title()
                + "; what starts from it as a whole: --backbone "
                + found.backbone()
                + " --attention "
                + (found.attention().contains(" ")
                    ? "\"" + found.attention() + "\""
                    : found.attention())
                + form);
  }

  /** The network for segmentation or video itself. The weights of some others are the same. */
  private Recognition.Known own() {
    return network.frames() == 0
        ? Recognition.Known.NOTHING
        : new Recognition.Known(spec.backbone(), null, null, network.frames());
  }

  /** What the file of a classifier should contain. */
  private Recognition.Known known() {
    boolean attends = !spec.attention().equals(PlacedAttention.NONE);
    return new Recognition.Known(spec.backbone(), attends ? spec.attention() : null, spec.width());
  }

  private static List<String> classes(Path config) throws IOException {
    List<String> classes = new ArrayList<>();
    try {
      JsonNode whole = new ObjectMapper().readTree(config.toFile());
      JsonNode names = whole.at("/preprocessing/classes");
      if (!whole.isObject() || !(names.isMissingNode() || names.isArray())) {
        throw new DataException(config + ": cannot be read: it is no configuration of a run");
      }
      names.forEach(name -> classes.add(name.asText()));
    } catch (JsonProcessingException e) {
      throw new DataException(config + ": cannot be read: " + e.getOriginalMessage(), e);
    }
    return classes.isEmpty() ? null : classes;
  }

  /** The parameters and buffers that the network without attention does not have. */
  private Set<String> attention() {
    Set<String> names = new LinkedHashSet<>(StateDict.of(network).keySet());
    names.removeAll(spec.namesWithoutAttention());
    return names;
  }

  private void tell(
      String title,
      Source source,
      StateDictMatch match,
      Optional<Integer> inFile,
      Set<String> replaced,
      List<String> fresh,
      Set<String> attention) {
    lines.accept(
        "starts from "
            + title
            + " ("
            + source.layout()
            + "): "
            + match.matched().size()
            + " tensors");
    if (!replaced.isEmpty() && !task.namesPixels()) {
      lines.accept(
          "the classifier starts fresh: "
              + network.classes()
              + " classes"
              + (inFile.isEmpty() || inFile.get() == network.classes()
                  ? " with other names"
                  : " instead of " + inFile.get()));
    }
    List<String> modules =
        network.attentions().keySet().stream()
            .filter(place -> fresh.stream().anyMatch(name -> isIn(place, name, attention)))
            .toList();
    if (!modules.isEmpty()) {
      lines.accept(
          "attention starts fresh: "
              + String.join(", ", modules.subList(0, Math.min(LISTED, modules.size())))
              + (modules.size() > LISTED ? " and " + (modules.size() - LISTED) + " more" : ""));
    }
    if (task.namesPixels() && fresh.stream().anyMatch(name -> name.startsWith("head."))) {
      boolean all = match.matched().stream().noneMatch(name -> name.startsWith("head."));
      lines.accept(
          all
              ? "the head starts fresh"
              : "the classifiers start fresh: "
                  + network.classes()
                  + " classes"
                  + inFile.map(count -> " instead of " + count).orElse(""));
    }
  }

  /** CBAM's halves stand in the block itself, so only the path of the place is compared. */
  private static boolean isIn(String place, String name, Set<String> attention) {
    String path = place.substring(0, place.lastIndexOf('.') + 1);
    return attention.contains(name)
        && (path.isEmpty() ? name.startsWith(place + ".") : name.startsWith(path));
  }
}
