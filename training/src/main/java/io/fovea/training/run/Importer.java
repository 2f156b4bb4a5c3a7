package io.fovea.training.run;

import io.fovea.data.Dataset;
import io.fovea.data.Normalization;
import io.fovea.data.source.DataSpec;
import io.fovea.errors.SpecException;
import io.fovea.models.ModelSpec;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.models.transfer.OutputCheck;
import io.fovea.models.transfer.Recognition;
import io.fovea.models.transfer.WeightsFile;
import io.fovea.models.weights.Checkpoint;
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
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Loads the weights of a PyTorch or safetensors file into a network, and saves it as a run. Nothing
 * in the file is executed.
 *
 * <pre>{@code
 * Run<Classifier, ImageDataset> run =
 *     Importer.of(Tasks.CLASSIFICATION, Tasks.CLASSIFICATION.network("resnet50", null))
 *         .read(Path.of("resnet50.pth"), Path.of("runs/resnet50"));
 * }</pre>
 *
 * @param <N> the type of the network
 * @param <D> the type of the data sets
 */
public final class Importer<N extends Network, D extends Dataset<?>> {
  /** Receives the findings of an import in their order. */
  public interface Listener {
    /** Is told nothing. */
    Listener NONE = new Listener() {};

    /**
     * A finding or a decision.
     *
     * @param line a line for the user
     */
    default void line(String line) {}

    /**
     * A group of tensors.
     *
     * @param what the kind of the group, such as {@code matched} or {@code missing}
     * @param names the names, at least one
     */
    default void names(String what, Collection<String> names) {}

    /** The comparison with results that Python computed. */
    default void compared(OutputCheck check) {}
  }

  private static final String VARIANCE = ".running_var";
  private static final Pattern DIGITS = Pattern.compile("\\d+");

  /** The share of a backbone's weights that may be missing or left out with --partial. */
  private static final double MOST_MISSING = 0.1;

  private static final int NAMES_SHOWN = 4;

  private final Task<N, D> task;
  private final NetworkSpec<N> network;
  private Path rules;
  private String key;
  private boolean partial;
  private boolean newClassifier;
  private List<String> names;
  private Integer count;
  private Integer size;
  private int resize;
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
   * Creates an importer.
   *
   * @param task the task of the network
   * @param network the network in the file; its classes and channels are taken from the file
   */
  public static <N extends Network, D extends Dataset<?>> Importer<N, D> of(
      Task<N, D> task, NetworkSpec<N> network) {
    return new Importer<>(task, network);
  }

  /**
   * Sets a text file with lines {@code regex -> replacement}, which are applied to the names before
   * anything else.
   */
  public Importer<N, D> rename(Path file) {
    rules = file;
    return this;
  }

  /**
   * Sets the state dict of a file that has several: its path with dots between keys, or a part of the
   * path that only one has. Default: the usual one.
   */
  public Importer<N, D> key(String value) {
    key = value;
    return this;
  }

  /**
   * Sets whether a classifier for another number of classes than the file's is initialised anew.
   * Default: another number is an error.
   */
  public Importer<N, D> newClassifier(boolean value) {
    newClassifier = value;
    return this;
  }

  /**
   * Sets whether only matching weights are loaded. Default: weights that do not fit are an error.
   */
  public Importer<N, D> partial(boolean value) {
    partial = value;
    return this;
  }

  /**
   * Sets the names of the classes, in the order of the file's. Default: the number of classes in the file, without names.
   */
  public Importer<N, D> classes(List<String> value) {
    names = List.copyOf(value);
    return this;
  }

  /**
   * Sets the number of classes, without names.
   *
   * @throws SpecException if the number is less than 2
   */
  public Importer<N, D> classes(int value) {
    if (value < 2) {
      throw new SpecException(
          "there must be at least 2 classes, got "
              + value
              + "; a network with one score is imported as one with two classes");
    }
    count = value;
    return this;
  }

  /**
   * Sets the side of the training images in pixels. Default: that of the backbone.
   *
   * @throws SpecException if the number is less than 1
   */
  public Importer<N, D> imageSize(int value) {
    if (value < 1) {
      throw new SpecException("the image size must be at least 1, got " + value);
    }
    size = value;
    return this;
  }

  /**
   * Sets the length to which the shorter side of an image is scaled before the centred square is cut
   * out: 256 for torchvision's first weights of ImageNet, 232 for its second. Default: the largest
   * square.
   */
  public Importer<N, D> resize(int value) {
    resize = value;
    return this;
  }

  /** Sets the normalisation of the training. Default for ImageNet backbones: that of ImageNet. */
  public Importer<N, D> normalization(Normalization value) {
    normalization = value;
    return this;
  }

  /**
   * Sets a file with the tensors {@code input}, {@code output} and optionally {@code layer/NAME}
   * that Python computed. If the network's results differ by more than the tolerance, nothing is
   * written.
   *
   * @param relative the largest accepted difference, relative to the largest value; {@code 1e-4} is
   *     usual
   * @throws SpecException if the tolerance is not above 0
   */
  public Importer<N, D> check(Path file, double relative) {
    if (!(relative > 0)) {
      throw new SpecException("the tolerance must be above 0, got " + relative);
    }
    sample = file;
    tolerance = relative;
    return this;
  }

  /** Sets the source of samples with the same classes for evaluation. Default: none. */
  public Importer<N, D> data(DataSpec value) {
    data = value;
    return this;
  }

  /** Sets the receiver of findings. */
  public Importer<N, D> listener(Listener value) {
    listener = value;
    return this;
  }

  /**
   * Reads a file and writes a run.
   *
   * @param file a {@code .safetensors} file, or a {@code .pt} or {@code .pth} file of PyTorch
   * @param folder the folder of the run, which is created if necessary and must not contain a run
   * @throws IOException if the file cannot be read or is damaged
   * @throws WeightsException if the weights do not fit
   * @throws io.fovea.errors.SpecException if a setting is required that the file does not contain
   * @throws io.fovea.data.DataException if the folder contains a run or cannot be written
   */
  public Run<N, D> read(Path file, Path folder) throws IOException {
    Run.requireFree(folder);
    try (PointerScope scope = new PointerScope()) {
      return read(WeightsFile.read(file, key, rules, known()), folder);
    }
  }

  private Recognition.Known known() {
    if (!(network instanceof ModelSpec spec)) { // segmentation networks have one width
      return new Recognition.Known(network.backbone(), network.attention(), null);
    }
    return new Recognition.Known(
        spec.backbone(), spec.attention(), spec.width(), spec.frames() == 0 ? null : spec.frames());
  }

  /**
   * Writes a run from weights that were read.
   *
   * @param from the weights, which are changed
   * @param folder the folder of the run, as for {@link #read(Path, Path)}
   * @throws IOException if a sample cannot be read
   * @throws WeightsException if the weights do not fit
   */
  public Run<N, D> read(WeightsFile from, Path folder) throws IOException {
    Run.requireFree(folder);
    Path file = from.file();
    from.about().forEach(listener::line);
    from.leftOut()
        .forEach(
            (reason, dropped) ->
                listener.names(
                    "left out" + (reason.isEmpty() ? "" : " (" + reason + ")"), dropped));
    from.reasons().forEach(listener::line);
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> weights = new LinkedHashMap<>(from.weights());
      NetworkSpec.Ends ends = network.ends();
      boolean single = twoScores(ends, weights);
      List<String> classes = classes(from, ends, weights);
      int inFile = ends.classes(weights).orElse(newClassifier ? 0 : classes.size());
      NetworkSpec<N> spec = network.withData(classes.size(), ends.channels(weights));
      N made = spec.create(1); // for weights that are initialised
      if (inFile != classes.size()) {
        replaceClassifier(file, ends, weights, inFile, classes.size());
      }
      Optional<String> warning =
          load(file, made, weights, inFile == classes.size() ? List.of() : ends.classifier());
      Normalization used = used(spec);
      tell("names and shapes do not tell", from.untold());
      if (sample != null) {
        compare(made, single);
      } else {
        listener.line(
            "not checked: a sample of the network's outputs shows whether all this is right, see --check");
      }
      int side = size != null ? size : network.imageSize();
      Run<N, D> run =
          Run.write(
              folder,
              task,
              made,
              spec,
              task.preprocessing(made, classes, side, used).withResize(resize),
              "imported from "
                  + file
                  + (sample == null ? ", not checked" : ", checked with " + sample),
              data == null
                  ? null
                  : data.withImageSize(side).withChannels(spec.channels()).withResize(resize));
      listener.line("into " + folder);
      warning.ifPresent(listener::line);
      return run;
    }
  }

  private void replaceClassifier(
      Path file, NetworkSpec.Ends ends, Map<String, Tensor> weights, int inFile, int wanted) {
    if (!newClassifier) {
      throw new WeightsException(
          file
              + ": has "
              + inFile
              + " classes, --classes has "
              + wanted
              + "; give the classes of the file, or --new-classifier for a classifier that is"
              + " initialised anew");
    }
    weights.keySet().removeAll(ends.classifier());
    listener.line(
        "the classifier is initialised anew: "
            + wanted
            + " classes"
            + (inFile == 0 ? "" : " instead of " + inFile)
            + "; train the network before you use it");
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

  /**
   * A network with one score decides between two classes by a sigmoid. The two scores {@code -z/2}
   * and {@code z/2} have the same probabilities after a softmax, so that everything that knows
   * classes can be done with such a network.
   */
  private boolean twoScores(NetworkSpec.Ends ends, Map<String, Tensor> weights) {
    if (ends.classes(weights).orElse(0) != 1) {
      return false;
    }
    for (String name : ends.classifier()) {
      Tensor one = weights.get(name);
      if (one != null) {
        Tensor half = one.reshape(rows(one)).mul(new Scalar(0.5));
        weights.put(name, torch.cat(new TensorVector(half.neg(), half), 0));
      }
    }
    listener.line(
        "the network has one score: it becomes two classes with the same probabilities, of which the"
            + " second is the one that the score is for");
    return true;
  }

  /** The shape with one row; the bias of a single score may have no dimension. */
  private static long[] rows(Tensor one) {
    return one.dim() == 0 ? new long[] {1} : one.shape();
  }

  private List<String> classes(
      WeightsFile from, NetworkSpec.Ends ends, Map<String, Tensor> weights) {
    if (names != null) {
      return names;
    }
    if (count == null
        && !from.classes().isEmpty()
        && ends.classes(weights).orElse(0) == from.classes().size()) {
      listener.line("the names of the classes are in the file: " + shown(from.classes()));
      return from.classes();
    }
    int classes =
        count != null
            ? count
            : ends.classes(weights)
                .orElseThrow(
                    () ->
                        new SpecException(
                            from.file()
                                + ": has no "
                                + ends.classifier().get(0)
                                + "; give the classes with --classes, and --new-classifier for a"
                                + " classifier that is initialised anew"));
    return IntStream.range(0, classes).mapToObj(i -> "class " + i).toList();
  }

  private static String shown(List<String> names) {
    int most = Math.min(NAMES_SHOWN, names.size());
    return String.join(", ", names.subList(0, most)) + (most < names.size() ? ", ..." : "");
  }

  private Optional<String> load(
      Path file, N made, Map<String, Tensor> weights, List<String> replaced) {
    StateDictMatch match = StateDictMatch.of(made, weights);
    List<String> missing = new ArrayList<>(match.missing());
    missing.removeAll(replaced);
    List<String> different =
        match.different().entrySet().stream()
            .map(entry -> entry.getKey() + " " + entry.getValue())
            .toList();
    tell("matched", match.matched());
    tell("missing" + (partial ? ", newly initialised" : ""), missing);
    tell("unexpected" + (partial ? ", left out" : ""), match.unexpected());
    tell("different shape" + (partial ? ", newly initialised" : ""), different);
    boolean exact = missing.isEmpty() && match.unexpected().isEmpty() && different.isEmpty();
    List<String> gone = new ArrayList<>(missing);
    gone.addAll(match.different().keySet());
    List<String> beyond = new ArrayList<>(match.unexpected());
    if (!gone.isEmpty() || !beyond.isEmpty()) {
      Set<String> backbone = network.namesWithoutAttention();
      gone.retainAll(backbone);
      gone.removeAll(network.ends().classifier());
      Set<String> forms = backbone.stream().map(Importer::form).collect(Collectors.toSet());
      beyond.removeIf(name -> !forms.contains(form(name)));
    }
    int unfit = gone.size() + beyond.size();
    boolean another = unfit > match.matched().size() * MOST_MISSING;
    if (match.matched().isEmpty() || another || (!exact && !partial)) {
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
              + " with a different shape"
              + (match.matched().isEmpty()
                  ? "; no name matched"
                  : another
                      ? "; this is another network: "
                          + unfit
                          + " weights of the backbone do not fit"
                          + kind(weights, gone)
                      : gone.isEmpty() && match.unexpected().isEmpty()
                          ? "; use --partial to load only the weights that fit"
                          : "; without --backbone and --attention, fovea import recognises both"));
    }
    List<String> broken = match.notFinite();
    if (!broken.isEmpty()) {
      throw new WeightsException(
          file
              + ": "
              + broken.get(0)
              + (broken.get(0).endsWith(VARIANCE)
                  ? " has values that are negative, NaN or infinite"
                  : " has values that are NaN or infinite")
              + (broken.size() > 1 ? ", and so have " + (broken.size() - 1) + " more" : ""));
    }
    match.load();
    return unfit == 0
        ? Optional.empty()
        : Optional.of(
            "WARNING: "
                + unfit
                + " weights of the backbone are newly initialised or left out, so this is not the file's network");
  }

  /** What the file seems to be instead: a backbone without batch norms, or another backbone. */
  private String kind(Map<String, Tensor> weights, List<String> gone) {
    if (weights.keySet().stream().noneMatch(name -> name.endsWith(VARIANCE))
        && gone.stream().anyMatch(name -> name.endsWith(VARIANCE))) {
      return "; its norms have no running_mean and running_var, so they are no batch norms, but"
          + " group norms or others";
    }
    try {
      String other = Recognition.of(weights, Recognition.Known.NOTHING).spec().backbone();
      return other.equals(network.backbone()) ? "" : "; its names and shapes are those of " + other;
    } catch (WeightsException e) { // nothing can be said
      return "";
    }
  }

  /**
   * A name without its numbers. A weight of the file that the network does not have, but whose form is one of its
   * backbone's, is of a block more: ResNet-34 has more blocks of the form of ResNet-18's.
   */
  private static String form(String name) {
    return DIGITS.matcher(name).replaceAll("#");
  }

  private void tell(String what, Collection<String> which) {
    if (!which.isEmpty()) {
      listener.names(what, which);
    }
  }

  private void compare(N made, boolean single) throws IOException {
    OutputCheck check;
    try {
      Map<String, Tensor> expected = new LinkedHashMap<>(Checkpoint.read(sample).tensors());
      if (single) {
        expected.computeIfPresent(
            OutputCheck.OUTPUT,
            (name, output) -> {
              Tensor half = output.reshape(output.size(0), 1).mul(new Scalar(0.5));
              return torch.cat(new TensorVector(half.neg(), half), 1);
            });
      }
      check = OutputCheck.of(made, expected);
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
