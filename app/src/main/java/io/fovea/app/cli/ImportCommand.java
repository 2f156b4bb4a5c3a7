package io.fovea.app.cli;

import io.fovea.app.console.TextTable;
import io.fovea.data.Dataset;
import io.fovea.data.Normalization;
import io.fovea.data.folder.ClassList;
import io.fovea.data.image.ImageFolder;
import io.fovea.data.source.DataSpec;
import io.fovea.errors.FoveaException;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.transfer.OutputCheck;
import io.fovea.models.transfer.Recognition;
import io.fovea.models.transfer.WeightsFile;
import io.fovea.training.Task;
import io.fovea.training.Tasks;
import io.fovea.training.run.Importer;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fovea import}: turns weights from PyTorch into a run. */
@Command(
    name = "import",
    description = {
      "Load the weights of a PyTorch or safetensors file into a network, without Python,"
          + " and save it as a run for fovea predict and fovea evaluate. Nothing in the file is"
          + " executed. The network and its attention are recognised by names and shapes of known"
          + " libraries; use --rename for others. See docs/import.md."
    },
    footer = {
      "",
      "Examples:",
      "  fovea import resnet50.pth --out runs/resnet50",
      "  fovea import cbam.pth --check sample.safetensors",
      "  fovea import resnet50.pth --backbone resnet50 --attention se --partial --classes my-images",
      "  fovea import danet_r50-d8.pth --classes names.txt"
    })
public final class ImportCommand implements Callable<Integer> {
  private static final int NAMES_SHOWN = 5;

  @Spec private CommandSpec spec;
  @Mixin private ThreadOptions threadOptions;

  @ArgGroup(validate = false, order = 1, heading = ClassOptions.HEADING)
  private FileOptions images = new FileOptions();

  @ArgGroup(validate = false, order = 2, heading = PlacementOptions.HEADING)
  private PlacementOptions placementOptions = new PlacementOptions();

  @ArgGroup(validate = false, order = 3, heading = DilationOptions.HEADING)
  private DilationOptions dilation = new DilationOptions();

  @Parameters(
      paramLabel = "FILE",
      description =
          "File to import: .safetensors, or a .pt or .pth file of any version of PyTorch.")
  private Path file;

  @Option(
      names = "--task",
      paramLabel = "TASK",
      converter = TaskConverter.class,
      completionCandidates = TaskConverter.Names.class,
      description = "${COMPLETION-CANDIDATES}. Default: recognised by the names in the file.")
  private Task<?, ?> task;

  @Option(
      names = "--backbone",
      paramLabel = "NAME",
      description =
          "Backbone of the network; see fovea models. Default: recognised by the names and shapes in"
              + " the file.")
  private String backbone;

  @Option(
      names = "--attention",
      paramLabel = "SPEC",
      description =
          "Attention in the network, as for fovea train. Default: recognised by the names and shapes"
              + " in the file.")
  private String given;

  @Option(
      names = "--rename",
      paramLabel = "RULES",
      description =
          "Text file with lines \"regex -> replacement\", which are applied to the names"
              + " before anything else.")
  private Path rules;

  @Option(
      names = "--key",
      paramLabel = "KEY",
      description =
          "Which weights to take of a file with several, such as state_dict_ema. Default: the usual"
              + " ones; the command says which.")
  private String key;

  @Option(
      names = "--new-classifier",
      description =
          "Initialise the classifier anew if --classes has another number of classes than the file.")
  private boolean newClassifier;

  @Option(
      names = "--partial",
      description = "Load the weights that fit, and initialise and list the others.")
  private boolean partial;

  @Option(
      names = "--classes",
      paramLabel = "CLASSES",
      description =
          "Classes in the order of the training: a number, a text file with one name on each line, or"
              + " a folder of class folders. Default: the number in the file, without names.")
  private String classes;

  @Option(
      names = "--mean",
      paramLabel = "R,G,B",
      split = ",",
      description =
          "Mean of each channel, for pixels from 0 to 1. Default for ImageNet backbones: that"
              + " of ImageNet.")
  private List<Double> mean;

  @Option(
      names = "--std",
      paramLabel = "R,G,B",
      split = ",",
      description = "Standard deviation. Default: as for --mean.")
  private List<Double> std;

  @Option(
      names = "--check",
      paramLabel = "SAMPLE",
      description =
          "File with the tensors input, output and optionally layer/NAME that Python"
              + " computed. Compare the results of the network with them, and write nothing if they"
              + " differ.")
  private Path sample;

  @Option(
      names = "--tolerance",
      paramLabel = "T",
      defaultValue = "1e-4",
      description = "Largest relative difference that --check accepts. Default: ${DEFAULT-VALUE}.")
  private double tolerance;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description = "Folder of the run. Default: the name of the file, in runs/.")
  private Path out;

  @Option(names = "--verbose", description = "Print all names, not only the first of each kind.")
  private boolean verbose;

  /** The properties of a classifier that the file does not contain. */
  @ForTask({"classification", "video"})
  static final class FileOptions {
    @Option(
        names = "--width",
        paramLabel = "FACTOR",
        description = "Width multiplier of the backbone. Default: 1.")
    private Double width;

    @Option(
        names = "--image-size",
        paramLabel = "PIXELS",
        description = "Side of the training images in pixels. Default: that of the backbone.")
    private Integer imageSize;

    @ForTask("classification")
    @Option(
        names = "--resize",
        paramLabel = "PIXELS",
        description =
            "Length of the shorter side before the crop (torchvision: 256, v2: 232). Default: no"
                + " crop.")
    private Integer resize;

    @ForTask("video")
    @Option(
        names = "--frames",
        paramLabel = "T",
        description =
            "Number of frames in a clip. Default: that of the configuration in the file, or 8.")
    private Integer frames;
  }

  @Override
  public Integer call() throws IOException {
    threadOptions.apply();
    PrintWriter report = spec.commandLine().getOut();
    try {
      atLeastPossible();
      read(report);
      return 0;
    } finally {
      report.flush();
    }
  }

  private void atLeastPossible() {
    DataOptions.atLeastOne("--image-size", images.imageSize);
    DataOptions.atLeastOne("--frames", images.frames);
    if (!(tolerance > 0)) {
      throw new FoveaException("--tolerance must be above 0, got " + tolerance);
    }
    if ((mean == null) != (std == null)) {
      throw new FoveaException("--mean and --std must be given together");
    }
    if (mean != null && Stream.concat(mean.stream(), std.stream()).anyMatch(value -> value > 1)) {
      throw new FoveaException(
          "--mean and --std are for pixels from 0 to 1; for pixels from 0 to 255 divide both by 255:"
              + " --mean "
              + divided(mean)
              + " --std "
              + divided(std));
    }
  }

  private static String divided(List<Double> values) {
    return values.stream()
        .map(value -> String.format(Locale.ROOT, "%.4g", value / 255))
        .collect(Collectors.joining(","));
  }

  private void read(PrintWriter report) throws IOException {
    if (given == null || given.strip().equals(PlacedAttention.NONE)) {
      placementOptions.requireNothing();
    }
    String placed = given == null ? null : placementOptions.apply(given);
    try (PointerScope scope = new PointerScope()) {
      WeightsFile weights =
          WeightsFile.read(
              file,
              key,
              rules,
              new Recognition.Known(backbone, placed, images.width, images.frames));
      NetworkSpec<?> network = weights.recognition().orElseThrow().spec();
      Task<?, ?> found = Tasks.of(network);
      if (task != null && task != found) {
        throw new FoveaException(
            file + ": is recognised as a network for " + found + ", not for " + task);
      }
      TaskOptions.requireOptionsOf(found, spec);
      run(dilation.applied(network), weights, report);
    }
  }

  private <N extends Network> void run(
      NetworkSpec<N> network, WeightsFile weights, PrintWriter report) throws IOException {
    importer(Tasks.of(network), network, report).read(weights, out());
  }

  private Path out() {
    return out != null ? out : Path.of("runs", stem(file));
  }

  private <N extends Network, D extends Dataset<?>> Importer<N, D> importer(
      Task<N, D> task, NetworkSpec<N> network, PrintWriter report) throws IOException {
    Importer<N, D> importer =
        Importer.of(task, network)
            .key(key)
            .rename(rules)
            .partial(partial)
            .newClassifier(newClassifier)
            .listener(new Printed(report));
    if (classes != null) {
      classes(importer, task);
    }
    if (images.imageSize != null) {
      importer.imageSize(images.imageSize);
    }
    if (images.resize != null) {
      importer.resize(images.resize);
    }
    if (mean != null) {
      importer.normalization(new Normalization(mean, std));
    }
    if (sample != null) {
      importer.check(sample, tolerance);
    }
    return importer;
  }

  private void classes(Importer<?, ?> importer, Task<?, ?> task) throws IOException {
    Path where = Path.of(classes);
    if (classes.matches("[0-9]{1,9}")) {
      DataOptions.atLeastOne("--classes", Integer.valueOf(classes));
      importer.classes(Integer.parseInt(classes));
    } else if (Files.isDirectory(where) && task.namesPixels()) {
      throw new FoveaException(
          "--classes: expected a number or a text file with the names, got the folder " + where);
    } else if (Files.isDirectory(where)) {
      importer.classes(ImageFolder.classes(where)).data(DataSpec.of(classes));
    } else if (!Files.exists(where)) {
      throw new FoveaException(
          "--classes: expected a number, a text file or a folder, got \"" + where + "\"");
    } else {
      List<String> names = ClassList.read(where).names();
      if (names.isEmpty()) {
        throw new FoveaException(where + ": contains no class names");
      }
      importer.classes(names);
    }
  }

  /** Prints the findings of an import. */
  private final class Printed implements Importer.Listener {
    private final PrintWriter report;

    Printed(PrintWriter report) {
      this.report = report;
    }

    @Override
    public void line(String line) {
      report.println(line);
    }

    @Override
    public void names(String what, Collection<String> names) {
      report.println(what + ": " + names.size());
      names.stream()
          .limit(verbose ? Long.MAX_VALUE : NAMES_SHOWN)
          .forEach(name -> report.println("  " + name));
      if (!verbose && names.size() > NAMES_SHOWN) {
        report.println("  and " + (names.size() - NAMES_SHOWN) + " more; --verbose prints them");
      }
    }

    @Override
    public void compared(OutputCheck check) {
      TextTable table = new TextTable("layer", "largest difference", "largest value", "relative");
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
          .forEach(
              name -> report.println("not compared, because the network has no layer " + name));
    }
  }

  private static String stem(Path file) {
    Path name = file.getFileName();
    return name == null ? "import" : name.toString().replaceFirst("(?<=.)\\.[^.]*$", "");
  }
}
