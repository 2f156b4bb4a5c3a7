package io.fovea.app.cli;

import io.fovea.app.console.TextTable;
import io.fovea.data.Normalization;
import io.fovea.data.image.ImageFolder;
import io.fovea.data.source.DataSpec;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.Network;
import io.fovea.models.Segmenter;
import io.fovea.models.SegmenterSpec;
import io.fovea.models.transfer.OutputCheck;
import io.fovea.models.weights.Checkpoint;
import io.fovea.models.weights.Layout;
import io.fovea.models.weights.StateDict;
import io.fovea.models.weights.StateDictMatch;
import io.fovea.training.Task;
import io.fovea.training.run.RunFolder;
import io.fovea.training.run.SegmentationRun;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fovea import}: weights from PyTorch become a run. */
@Command(
    name = "import",
    description = {
      "Take the weights of a PyTorch or safetensors file into a network, without Python, and keep it as a"
          + " run for fovea predict and fovea evaluate. Nothing in the file is executed. Layouts of"
          + " names that are known (torchvision, timm's seresnet, the official CBAM and BAM, ...) are"
          + " recognised; --rename teaches another. docs/import.md has the story."
    },
    footer = {
      "",
      "Examples:",
      "  fovea import resnet50.pth --backbone resnet50 --out runs/resnet50",
      "  fovea import cbam.pth --backbone resnet50 --attention cbam:bias=true,norm=true --check"
          + " sample.safetensors",
      "  fovea import resnet50.pth --backbone resnet50 --attention se --partial --classes my-images",
      "  fovea import danet.pth --task segmentation --backbone resnet101 --multi-grid --classes"
          + " names.txt"
    })
public final class ImportCommand implements Callable<Integer> {
  private static final int NAMES_SHOWN = 5;
  private static final int IMAGENET_SIDE = 224;

  @Spec private CommandSpec spec;
  @Mixin private PlacementOptions placementOptions;
  @Mixin private ThreadOptions threadOptions;

  @Parameters(
      paramLabel = "FILE",
      description = ".safetensors, or a .pt or .pth file of PyTorch's, old or new.")
  private Path file;

  @Option(
      names = "--task",
      paramLabel = "TASK",
      defaultValue = "classification",
      description =
          "What the network does: ${COMPLETION-CANDIDATES}. Those for video are told by their backbone."
              + " Default: ${DEFAULT-VALUE}.")
  private Task task;

  @Option(
      names = "--backbone",
      paramLabel = "NAME",
      required = true,
      description =
          "The network that it is: one of those that fovea models lists; of segmentation small,"
              + " resnet18, resnet50 or resnet101.")
  private String backbone;

  @Mixin private DilationOptions dilation;

  @ForTask({Task.CLASSIFICATION, Task.VIDEO})
  @Option(
      names = "--width",
      paramLabel = "FACTOR",
      defaultValue = "1",
      description = "Multiplies the backbone's channels. Default: ${DEFAULT-VALUE}.")
  private double width;

  @Option(
      names = "--attention",
      paramLabel = "SPEC",
      description =
          "The attention in it, as for fovea train. Default: none, of mobilenetv3 its own, of"
              + " segmentation dual (DANet).")
  private String given;

  @Option(
      names = "--rename",
      paramLabel = "RULES",
      description =
          "A text file of lines \"regex -> replacement\" that are applied to the names first.")
  private Path rules;

  @Option(
      names = "--partial",
      description =
          "Load what fits, and list what starts fresh. Default: anything that does not fit is an"
              + " error, and nothing is written.")
  private boolean partial;

  @Option(
      names = "--classes",
      paramLabel = "CLASSES",
      description =
          "A number, a text file with a name on each line, or, not of segmentation, a folder of class"
              + " folders (which fovea evaluate then uses). Another number than the file's replaces the classifier by a"
              + " fresh one. Default: as many as the file has, without names.")
  private String classes;

  @ForTask({Task.CLASSIFICATION, Task.VIDEO})
  @Option(
      names = "--image-size",
      paramLabel = "PIXELS",
      description = "The side of the images it was trained on. Default: the backbone's.")
  private Integer imageSize;

  @Option(
      names = "--mean",
      paramLabel = "R,G,B",
      split = ",",
      description =
          "The mean of each channel that pixels from 0 to 1 are normalised by. Default: ImageNet's,"
              + " for backbones of ImageNet.")
  private List<Double> mean;

  @Option(
      names = "--std",
      paramLabel = "R,G,B",
      split = ",",
      description = "The standard deviation of each channel. Default: as for --mean.")
  private List<Double> std;

  @Option(
      names = "--check",
      paramLabel = "SAMPLE",
      description =
          "A file with the tensors input and output, and layer/NAME if wanted, as Python computed and"
              + " saved them: compare, and write nothing if they differ.")
  private Path sample;

  @Option(
      names = "--tolerance",
      paramLabel = "T",
      defaultValue = "1e-4",
      description =
          "How far results of --check may be apart, in parts of the largest value. Default:"
              + " ${DEFAULT-VALUE}.")
  private double tolerance;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description = "The run's folder. Default: runs/ and the file's name.")
  private Path out;

  @Option(names = "--verbose", description = "Print all names instead of the first of each kind.")
  private boolean verbose;

  /**
   * What a file is taken into: a classifier or a network for segmentation.
   *
   * @param <N> the network's class
   */
  private interface Target<N extends Network> {
    /** The names that tell how many channels and classes a file has. */
    Ends ends();

    /** Makes the network, freshly initialised. */
    N create(int classes, int channels);

    /** Whether it is one of those that are trained on ImageNet. */
    boolean isOfImageNet();

    /** What it is called in messages. */
    String title();

    OutputCheck check(N network, Map<String, Tensor> sample);

    void write(Path folder, N network, List<String> classes, Normalization normalization);
  }

  @Override
  public Integer call() throws IOException {
    TaskOptions.requireOptionsOf(task, spec);
    threadOptions.apply();
    Path folder = out != null ? out : Path.of("runs", stem(file));
    RunFolder.requireFree(folder);
    if (!(tolerance > 0)) {
      throw new IllegalArgumentException("--tolerance must be above 0, got " + tolerance);
    }
    Target<?> target = task == Task.SEGMENTATION ? new Scene() : new Classes();
    take(target, folder);
    return 0;
  }

  private <N extends Network> void take(Target<N> target, Path folder) throws IOException {
    Normalization normalization = normalization();
    PrintWriter report = spec.commandLine().getOut();
    try (PointerScope scope = new PointerScope()) {
      Checkpoint checkpoint = Checkpoint.read(file);
      report.println(
          file + ": " + checkpoint.form() + ", " + checkpoint.tensors().size() + " tensors");
      Map<String, Tensor> weights = renamed(checkpoint.tensors(), report);
      Ends ends = target.ends();
      List<String> names = classNames(ends, weights);
      int inFile = ends.classes(weights).orElse(names.size());
      torch.manual_seed(1); // for what starts fresh
      N network = target.create(names.size(), ends.channels(weights));
      Normalization used = normalization(normalization, network, target);
      if (inFile != names.size()) {
        weights.keySet().removeAll(ends.classifier());
        report.println(
            "the classifier starts fresh: " + names.size() + " classes instead of " + inFile);
      }
      List<String> replaced = inFile == names.size() ? List.of() : ends.classifier();
      load(network, target.title(), weights, replaced, report);
      if (sample != null) {
        check(target, network, report);
      }
      target.write(folder, network, names, used);
      report.println("into " + folder);
    } finally {
      report.flush();
    }
  }

  /** A classifier. */
  private final class Classes implements Target<Classifier> {
    private final String attention = placementOptions.apply(given, Classifier.builder(backbone));

    private ModelSpec model(int classes, int channels) {
      return new ModelSpec(backbone, classes, channels, width, attention);
    }

    @Override
    public Ends ends() {
      return Ends.of(backbone);
    }

    @Override
    public Classifier create(int classes, int channels) {
      return model(classes, channels).create();
    }

    @Override
    public boolean isOfImageNet() {
      return Classifier.builder(backbone).imageSize() == IMAGENET_SIDE;
    }

    @Override
    public String title() {
      return backbone + " with " + attention;
    }

    @Override
    public OutputCheck check(Classifier network, Map<String, Tensor> values) {
      return OutputCheck.of(network, values);
    }

    @Override
    public void write(
        Path folder, Classifier network, List<String> names, Normalization normalization) {
      RunFolder.write(
          folder,
          network,
          model(names.size(), network.channels()),
          RunFolder.Data.ofImport(images(network.channels()), file, names, side(), normalization));
    }
  }

  /** A network for segmentation. */
  private final class Scene implements Target<Segmenter> {
    private final String head = SegmentationSetup.head(given == null ? "dual" : given);

    private SegmenterSpec model(int classes, int channels) {
      return dilation.model(backbone, classes, channels, head);
    }

    @Override
    public Ends ends() {
      try (PointerScope scope = new PointerScope()) {
        List<String> names = List.copyOf(StateDict.parameters(create(2, 3)).keySet());
        return new Ends(names.get(0), names.stream().filter(Scene::isClassifier).toList());
      }
    }

    /** Of the sum and of the branches: what counts is the last. */
    private static boolean isClassifier(String name) {
      return name.matches("head\\.conv[678]\\..*");
    }

    @Override
    public Segmenter create(int classes, int channels) {
      return model(classes, channels).create();
    }

    @Override
    public boolean isOfImageNet() {
      return backbone.startsWith("resnet");
    }

    @Override
    public String title() {
      return backbone + " with the head " + head;
    }

    @Override
    public OutputCheck check(Segmenter network, Map<String, Tensor> values) {
      return OutputCheck.of(network, values);
    }

    @Override
    public void write(
        Path folder, Segmenter network, List<String> names, Normalization normalization) {
      SegmentationRun.write(
          folder,
          network,
          model(names.size(), network.channels()),
          SegmentationRun.Data.ofImport(file, names, normalization));
    }
  }

  private int side() {
    return imageSize != null ? imageSize : Classifier.builder(backbone).imageSize();
  }

  /** What was given, null if nothing. */
  private Normalization normalization() {
    if ((mean == null) != (std == null)) {
      throw new IllegalArgumentException("--mean and --std go together");
    }
    if (imageSize != null && imageSize < 1) {
      throw new IllegalArgumentException("--image-size must be at least 1, got " + imageSize);
    }
    return mean == null ? null : new Normalization(mean, std);
  }

  private Normalization normalization(Normalization chosen, Network network, Target<?> target) {
    if (chosen == null && (network.channels() != 3 || !target.isOfImageNet())) {
      throw new IllegalArgumentException(
          "--mean and --std are needed: "
              + backbone
              + " for images of "
              + network.channels()
              + (network.channels() == 1 ? " channel" : " channels")
              + " is no network of ImageNet, whose are the default");
    }
    Normalization used = chosen == null ? Normalization.IMAGENET : chosen;
    if (used.mean().size() != network.channels()) {
      throw new IllegalArgumentException(
          "--mean and --std have "
              + used.mean().size()
              + " values, expected one for each of "
              + network.channels()
              + " channels");
    }
    return used;
  }

  private Map<String, Tensor> renamed(Map<String, Tensor> tensors, PrintWriter report)
      throws IOException {
    Map<String, Tensor> weights = tensors;
    if (rules != null) {
      weights = renamed(Layout.read(rules), weights, report);
    }
    Optional<Layout> layout = Layout.recognise(weights.keySet());
    if (layout.isEmpty()) {
      report.println("layout: none that is known; names are taken as they are");
      return new LinkedHashMap<>(weights);
    }
    report.println("layout: " + layout.get().title());
    layout.get().note().ifPresent(note -> report.println("note: " + note));
    layout
        .get()
        .attention()
        .ifPresent(usual -> report.println("attention in such files, as a rule: " + usual));
    return renamed(layout.get(), weights, report);
  }

  private Map<String, Tensor> renamed(
      Layout layout, Map<String, Tensor> tensors, PrintWriter report) {
    Layout.Renamed renamed = layout.rename(tensors);
    Map<String, List<String>> byReason = new LinkedHashMap<>();
    renamed
        .dropped()
        .forEach(
            (name, reason) -> byReason.computeIfAbsent(reason, any -> new ArrayList<>()).add(name));
    byReason.forEach(
        (reason, names) ->
            print("left out" + (reason.isEmpty() ? "" : " (" + reason + ")"), names, report));
    return new LinkedHashMap<>(renamed.tensors());
  }

  private List<String> classNames(Ends ends, Map<String, Tensor> weights) throws IOException {
    if (classes != null && !classes.matches("[0-9]{1,9}")) {
      return namedClasses(Path.of(classes));
    }
    int count =
        classes != null
            ? Integer.parseInt(classes)
            : ends.classes(weights)
                .orElseThrow(
                    () ->
                        new IllegalArgumentException(
                            file
                                + ": has no "
                                + ends.classifier().get(0)
                                + ", so --classes has to say how many there are"));
    if (count < 1) {
      throw new IllegalArgumentException("--classes must be at least 1, got " + count);
    }
    return IntStream.range(0, count).mapToObj(i -> "class " + i).toList();
  }

  private List<String> namedClasses(Path where) throws IOException {
    if (Files.isDirectory(where)) {
      if (task == Task.SEGMENTATION) {
        throw new IllegalArgumentException(
            "--classes: of segmentation expected a number or a text file, got the folder " + where);
      }
      return ImageFolder.classes(where);
    }
    if (!Files.exists(where)) {
      throw new IllegalArgumentException(
          "--classes: expected a number, a text file or a folder, got \"" + where + "\"");
    }
    List<String> names =
        Files.readAllLines(where).stream().map(String::strip).filter(n -> !n.isEmpty()).toList();
    if (names.isEmpty()) {
      throw new IllegalArgumentException(where + ": holds no names of classes");
    }
    return names;
  }

  /** Where fovea evaluate finds images without being told. */
  private DataSpec images(int channels) {
    return classes != null && Files.isDirectory(Path.of(classes))
        ? new DataSpec(classes, null, side(), channels, 0, 1, false)
        : null;
  }

  private void load(
      Network network,
      String title,
      Map<String, Tensor> weights,
      List<String> replaced,
      PrintWriter report) {
    StateDictMatch fit = StateDictMatch.of(network, weights);
    List<String> missing = new ArrayList<>(fit.missing());
    missing.removeAll(replaced);
    List<String> different =
        fit.different().entrySet().stream()
            .map(entry -> entry.getKey() + " " + entry.getValue())
            .toList();
    print("matched", fit.matched(), report);
    print("missing" + (partial ? ", so it starts fresh" : ""), missing, report);
    print("unexpected" + (partial ? ", so it is left out" : ""), fit.unexpected(), report);
    print("of a different shape" + (partial ? ", so it starts fresh" : ""), different, report);
    boolean exact = missing.isEmpty() && fit.unexpected().isEmpty() && different.isEmpty();
    if (fit.matched().isEmpty() || (!exact && !partial)) {
      throw new IllegalArgumentException(
          file
              + ": does not fit "
              + title
              + ": "
              + missing.size()
              + " missing, "
              + fit.unexpected().size()
              + " unexpected, "
              + different.size()
              + " of a different shape"
              + (fit.matched().isEmpty() ? "; nothing matched" : "; --partial loads what fits"));
    }
    fit.load();
  }

  private void print(String what, Collection<String> names, PrintWriter report) {
    if (names.isEmpty()) {
      return;
    }
    report.println(what + ": " + names.size());
    names.stream()
        .limit(verbose ? Long.MAX_VALUE : NAMES_SHOWN)
        .forEach(name -> report.println("  " + name));
    if (!verbose && names.size() > NAMES_SHOWN) {
      report.println("  and " + (names.size() - NAMES_SHOWN) + " more; --verbose prints them");
    }
  }

  private <N extends Network> void check(Target<N> target, N network, PrintWriter report)
      throws IOException {
    OutputCheck check;
    try {
      check = target.check(network, Checkpoint.read(sample).tensors());
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(sample + ": " + e.getMessage(), e);
    }
    TextTable table = new TextTable("layer", "largest difference", "of", "relative");
    for (OutputCheck.Row row : check.rows()) {
      table.add(
          row.name(),
          String.format(Locale.ROOT, "%.2e", row.difference()),
          String.format(Locale.ROOT, "%.3g", row.scale()),
          String.format(Locale.ROOT, "%.1e", row.relative()));
    }
    report.print(table);
    check
        .unknown()
        .forEach(name -> report.println("not compared: the network has no layer " + name));
    if (!check.isWithin(tolerance)) {
      OutputCheck.Row first =
          check.rows().stream()
              .filter(row -> !(row.relative() <= tolerance))
              .findFirst()
              .orElseThrow();
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%s: %s differs by %.1e of its largest value, more than %.1e; nothing was written",
              sample,
              first.name(),
              first.relative(),
              tolerance));
    }
    report.printf(Locale.ROOT, "agrees with %s to %.1e%n", sample, tolerance);
  }

  private static String stem(Path file) {
    Path name = file.getFileName();
    return name == null ? "import" : name.toString().replaceFirst("(?<=.)\\.[^.]*$", "");
  }

  /**
   * The names of a backbone's first and last weights: they tell how many channels and classes a file has.
   *
   * @param first the first convolution's weight, {@code [width, channels, k, k]}
   * @param classifier the last layer's weight {@code [classes, width]} and bias; of segmentation those
   *     of all its classifiers
   */
  private record Ends(String first, List<String> classifier) {
    private static final double NARROW = 0.05; // names do not depend on it

    static Ends of(String backbone) {
      try (PointerScope scope = new PointerScope()) {
        List<String> names =
            List.copyOf(
                StateDict.parameters(Classifier.builder(backbone).classes(2).width(NARROW).build())
                    .keySet());
        String weight =
            names.stream()
                .filter(name -> name.endsWith(".weight"))
                .reduce((first, second) -> second)
                .orElseThrow();
        return new Ends(names.get(0), List.of(weight, weight.replace(".weight", ".bias")));
      }
    }

    Optional<Integer> classes(Map<String, Tensor> weights) {
      Tensor weight = weights.get(classifier.get(0));
      return weight == null || weight.dim() < 1
          ? Optional.empty()
          : Optional.of((int) Math.max(1, weight.size(0)));
    }

    int channels(Map<String, Tensor> weights) {
      Tensor weight = weights.get(first);
      return weight != null && weight.dim() == 4 && weight.size(1) == 1 ? 1 : 3;
    }
  }
}
