package io.fovea.training.run;

import io.fovea.data.Dataset;
import io.fovea.data.Normalization;
import io.fovea.data.source.DataSpec;
import io.fovea.errors.SpecException;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.models.transfer.OutputCheck;
import io.fovea.models.weights.Checkpoint;
import io.fovea.models.weights.Layout;
import io.fovea.models.weights.StateDictMatch;
import io.fovea.models.weights.WeightsException;
import io.fovea.training.Task;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/**
 * Takes the weights of a PyTorch or safetensors file into a network, and keeps it as a run. Nothing in the
 * file is executed.
 *
 * <pre>{@code
 * Run<Classifier, ImageDataset> run =
 *     Importer.of(Tasks.CLASSIFICATION, Tasks.CLASSIFICATION.network("resnet50", null))
 *         .read(Path.of("resnet50.pth"), Path.of("runs/resnet50"));
 * }</pre>
 *
 * @param <N> the network
 * @param <D> the data sets
 */
public final class Importer<N extends Network, D extends Dataset<?>> {
  /** Told what an import finds, in the order in which it does. */
  public interface Listener {
    /** Is told nothing. */
    Listener NONE = new Listener() {};

    /**
     * Something that was found or decided.
     *
     * @param line for a user to read
     */
    default void line(String line) {}

    /**
     * Names of tensors.
     *
     * @param what what is the matter with them: {@code matched}, {@code missing}
     * @param names at least one
     */
    default void names(String what, Collection<String> names) {}

    /** What was computed beside what Python computed. */
    default void compared(OutputCheck check) {}
  }

  private final Task<N, D> task;
  private final NetworkSpec<N> network;
  private Path rules;
  private boolean partial;
  private List<String> names;
  private Integer count;
  private Integer size;
  private Normalization normalization;
  private Path sample;
  private double tolerance = 1e-4;
  private DataSpec data;
  private Listener listener = Listener.NONE;

  private Importer(Task<N, D> task, NetworkSpec<N> network) {
    this.task = task;
    this.network = network;
  }

  /**
   * Starts an import.
   *
   * @param task what the network does
   * @param network the network that the file is of; its classes and channels are those of the file
   */
  public static <N extends Network, D extends Dataset<?>> Importer<N, D> of(
      Task<N, D> task, NetworkSpec<N> network) {
    return new Importer<>(task, network);
  }

  /** A text file of lines {@code regex -> replacement} that are applied to the names first. */
  public Importer<N, D> rename(Path file) {
    rules = file;
    return this;
  }

  /** Whether to load what fits. Default: anything that does not fit is an error. */
  public Importer<N, D> partial(boolean value) {
    partial = value;
    return this;
  }

  /**
   * The names of the classes. Another number than the file's replaces the classifier by a fresh one.
   * Default: as many as the file has, without names.
   */
  public Importer<N, D> classes(List<String> value) {
    names = List.copyOf(value);
    return this;
  }

  /**
   * How many classes there are, without names.
   *
   * @throws SpecException if it is less than 1
   */
  public Importer<N, D> classes(int value) {
    if (value < 1) {
      throw new SpecException("there must be at least 1 class, got " + value);
    }
    count = value;
    return this;
  }

  /**
   * The side of the images that it was trained on, in pixels. Default: the backbone's.
   *
   * @throws SpecException if it is less than 1
   */
  public Importer<N, D> imageSize(int value) {
    if (value < 1) {
      throw new SpecException("the image size must be at least 1, got " + value);
    }
    size = value;
    return this;
  }

  /** What pixels were normalised by. Default: ImageNet's, for backbones of ImageNet. */
  public Importer<N, D> normalization(Normalization value) {
    normalization = value;
    return this;
  }

  /**
   * A file with the tensors {@code input} and {@code output}, and {@code layer/NAME} if wanted, as Python
   * computed them. Nothing is written if ours differ by more.
   *
   * @param relative difference that is accepted, of the largest value; {@code 1e-4} is usual
   * @throws SpecException if it is not above 0
   */
  public Importer<N, D> check(Path file, double relative) {
    if (!(relative > 0)) {
      throw new SpecException("the tolerance must be above 0, got " + relative);
    }
    sample = file;
    tolerance = relative;
    return this;
  }

  /** SampleSource of the same classes to evaluate with. Default: none that are known. */
  public Importer<N, D> data(DataSpec value) {
    data = value;
    return this;
  }

  /** Who is told what is found. */
  public Importer<N, D> listener(Listener value) {
    listener = value;
    return this;
  }

  /**
   * Reads a file and writes a run.
   *
   * @param file {@code .safetensors}, or a {@code .pt} or {@code .pth} file of PyTorch's
   * @param folder of the run; made if it is not there, must not hold a run already
   * @throws IOException if the file cannot be read or is damaged
   * @throws WeightsException if it does not fit
   * @throws io.fovea.errors.SpecException if something has to be said that the file does not tell
   * @throws io.fovea.data.DataException if the folder holds a run or cannot be written
   */
  public Run<N, D> read(Path file, Path folder) throws IOException {
    Run.requireFree(folder);
    try (PointerScope scope = new PointerScope()) {
      Checkpoint checkpoint = Checkpoint.read(file);
      listener.line(
          file + ": " + checkpoint.form() + ", " + checkpoint.tensors().size() + " tensors");
      Map<String, Tensor> weights = renamed(checkpoint.tensors());
      NetworkSpec.Ends ends = network.ends();
      List<String> classes = classes(file, ends, weights);
      int inFile = ends.classes(weights).orElse(classes.size());
      NetworkSpec<N> spec = network.withData(classes.size(), ends.channels(weights));
      N made = spec.create(1); // for what starts fresh
      Normalization used = used(spec);
      if (inFile != classes.size()) {
        weights.keySet().removeAll(ends.classifier());
        listener.line(
            "the classifier starts fresh: " + classes.size() + " classes instead of " + inFile);
      }
      load(file, made, weights, inFile == classes.size() ? List.of() : ends.classifier());
      if (sample != null) {
        compare(made);
      }
      int side = size != null ? size : network.imageSize();
      Run<N, D> run =
          Run.write(
              folder,
              task,
              made,
              spec,
              task.preprocessing(made, classes, side, used),
              "imported from " + file,
              data == null ? null : data.withImageSize(side).withChannels(spec.channels()));
      listener.line("into " + folder);
      return run;
    }
  }

  private Normalization used(NetworkSpec<N> spec) {
    if (normalization == null && (spec.channels() != 3 || !spec.ofImageNet())) {
      throw new SpecException(
          spec.backbone()
              + " for images of "
              + spec.channels()
              + (spec.channels() == 1 ? " channel" : " channels")
              + " was not trained on ImageNet, so its normalisation is unknown: give --mean and --std");
    }
    Normalization used = normalization == null ? Normalization.IMAGENET : normalization;
    if (used.mean().size() != spec.channels()) {
      throw new SpecException(
          "--mean and --std have "
              + used.mean().size()
              + " values, expected one for each of "
              + spec.channels()
              + " channels");
    }
    return used;
  }

  private Map<String, Tensor> renamed(Map<String, Tensor> tensors) throws IOException {
    Map<String, Tensor> weights = tensors;
    if (rules != null) {
      weights = renamed(Layout.read(rules), weights);
    }
    Optional<Layout> layout = Layout.recognise(weights.keySet());
    if (layout.isEmpty()) {
      listener.line("layout: none that is known; names are taken as they are");
      return new LinkedHashMap<>(weights);
    }
    listener.line("layout: " + layout.get().title());
    layout.get().note().ifPresent(note -> listener.line("note: " + note));
    layout
        .get()
        .attention()
        .ifPresent(usual -> listener.line("attention in such files, as a rule: " + usual));
    return renamed(layout.get(), weights);
  }

  private Map<String, Tensor> renamed(Layout layout, Map<String, Tensor> tensors) {
    Layout.Renamed renamed = layout.rename(tensors);
    Map<String, List<String>> byReason = new LinkedHashMap<>();
    renamed
        .dropped()
        .forEach(
            (name, reason) -> byReason.computeIfAbsent(reason, any -> new ArrayList<>()).add(name));
    byReason.forEach(
        (reason, dropped) ->
            listener.names("left out" + (reason.isEmpty() ? "" : " (" + reason + ")"), dropped));
    return new LinkedHashMap<>(renamed.tensors());
  }

  private List<String> classes(Path file, NetworkSpec.Ends ends, Map<String, Tensor> weights) {
    if (names != null) {
      return names;
    }
    int classes =
        count != null
            ? count
            : ends.classes(weights)
                .orElseThrow(
                    () ->
                        new SpecException(
                            file
                                + ": has no "
                                + ends.classifier().get(0)
                                + ", so --classes has to say how many there are"));
    return IntStream.range(0, classes).mapToObj(i -> "class " + i).toList();
  }

  private void load(Path file, N made, Map<String, Tensor> weights, List<String> replaced) {
    StateDictMatch match = StateDictMatch.of(made, weights);
    List<String> missing = new ArrayList<>(match.missing());
    missing.removeAll(replaced);
    List<String> different =
        match.different().entrySet().stream()
            .map(entry -> entry.getKey() + " " + entry.getValue())
            .toList();
    tell("matched", match.matched());
    tell("missing" + (partial ? ", so it starts fresh" : ""), missing);
    tell("unexpected" + (partial ? ", so it is left out" : ""), match.unexpected());
    tell("of a different shape" + (partial ? ", so it starts fresh" : ""), different);
    boolean exact = missing.isEmpty() && match.unexpected().isEmpty() && different.isEmpty();
    if (match.matched().isEmpty() || (!exact && !partial)) {
      throw new WeightsException(
          file
              + ": does not fit "
              + network.title()
              + ": "
              + missing.size()
              + " missing, "
              + match.unexpected().size()
              + " unexpected, "
              + different.size()
              + " of a different shape"
              + (match.matched().isEmpty() ? "; nothing matched" : "; --partial loads what fits"));
    }
    match.load();
  }

  private void tell(String what, Collection<String> which) {
    if (!which.isEmpty()) {
      listener.names(what, which);
    }
  }

  private void compare(N made) throws IOException {
    OutputCheck check;
    try {
      check = OutputCheck.of(made, Checkpoint.read(sample).tensors());
    } catch (WeightsException | IllegalArgumentException e) {
      throw new WeightsException(sample + ": " + e.getMessage(), e);
    }
    listener.compared(check);
    if (!check.isWithin(tolerance)) {
      OutputCheck.Row first =
          check.rows().stream()
              .filter(row -> !(row.relative() <= tolerance))
              .findFirst()
              .orElseThrow();
      throw new WeightsException(
          String.format(
              Locale.ROOT,
              "%s: %s differs by %.1e of its largest value, more than %.1e; nothing was written",
              sample,
              first.name(),
              first.relative(),
              tolerance));
    }
    listener.line(String.format(Locale.ROOT, "agrees with %s to %.1e", sample, tolerance));
  }
}
