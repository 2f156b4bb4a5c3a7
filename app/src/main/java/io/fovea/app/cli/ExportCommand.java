package io.fovea.app.cli;

import io.fovea.app.console.BuildInfo;
import io.fovea.app.console.ConsoleProgress;
import io.fovea.app.export.ModelCard;
import io.fovea.data.DataException;
import io.fovea.models.Classifier;
import io.fovea.models.onnx.Onnx;
import io.fovea.models.transfer.ExportLayout;
import io.fovea.models.weights.Safetensors;
import io.fovea.models.weights.StateDict;
import io.fovea.training.run.RunFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fovea export}: a trained network as one file for other programs. */
@Command(
    name = "export",
    description = {
      "Write a trained network into one file for other programs: ONNX for whatever runs it (the"
          + " classes and how pixels are prepared are in it), or its weights as safetensors for"
          + " PyTorch."
    },
    footer = {
      "",
      "Examples:",
      "  fovea export runs/resnet8-cbam-1",
      "  fovea export runs/mine --format safetensors --layout torchvision --out resnet18.safetensors"
    })
public final class ExportCommand implements Callable<Integer> {
  /** What kind of file. */
  enum Format {
    ONNX,
    SAFETENSORS;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  @Spec private CommandSpec spec;
  @Mixin private RunOptions runOptions;
  @Mixin private ThreadOptions threadOptions;

  @Parameters(
      paramLabel = "RUN",
      arity = "0..1",
      description = "The folder that fovea train wrote. Default: the newest in runs/.")
  private Path run;

  @Option(
      names = "--format",
      paramLabel = "FORMAT",
      defaultValue = "onnx",
      description = "${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}.")
  private Format format;

  @Option(
      names = "--layout",
      paramLabel = "LAYOUT",
      description =
          "Of safetensors: name the weights as other code does, ${COMPLETION-CANDIDATES}. Default:"
              + " Fovea's names, which are torchvision's and, of attention, those of the papers'"
              + " PyTorch code.")
  private ExportLayout layout;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      description = "Default: the run's name with the format's ending, in this folder.")
  private Path out;

  @Override
  public Integer call() {
    threadOptions.apply();
    if (layout != null && format != Format.SAFETENSORS) {
      throw new IllegalArgumentException("--layout needs --format safetensors");
    }
    RunFolder folder = RunOptions.open(run, ConsoleProgress.standard());
    Classifier network = folder.load(runOptions.weights());
    Path file = out != null ? out : defaultFile(folder);
    refuseTheRunsOwn(folder, file);
    try {
      Path parent = file.toAbsolutePath().getParent();
      Files.createDirectories(parent);
      write(folder, network, file);
      spec.commandLine()
          .getOut()
          .printf(Locale.ROOT, "%s, %.1f MB%n", file, Files.size(file) / 1e6);
      return 0;
    } catch (IOException e) {
      throw new DataException(file + ": cannot be written: " + e.getMessage(), e);
    }
  }

  private Path defaultFile(RunFolder folder) {
    return Path.of(folder.path().toAbsolutePath().normalize().getFileName() + "." + format);
  }

  private static void refuseTheRunsOwn(RunFolder folder, Path file) {
    Path parent = file.toAbsolutePath().normalize().getParent();
    if (folder.path().toAbsolutePath().normalize().equals(parent)
        && file.getFileName().toString().matches("(best|last)\\.safetensors")) {
      throw new IllegalArgumentException(file + " are the run's own weights; choose another file");
    }
  }

  private void write(RunFolder folder, Classifier network, Path file) throws IOException {
    Map<String, String> metadata = ModelCard.metadata(folder.config());
    if (format == Format.ONNX) {
      Onnx.write(file, network, BuildInfo.version(), metadata);
      return;
    }
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> weights =
          layout == null ? StateDict.of(network) : layout.weights(folder.config().model(), network);
      Map<String, String> all = new LinkedHashMap<>();
      all.put("format", "pt"); // how the safetensors library knows PyTorch's
      all.putAll(metadata);
      Safetensors.write(file, weights, all);
    }
  }
}
