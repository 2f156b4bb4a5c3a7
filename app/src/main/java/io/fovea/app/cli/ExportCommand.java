package io.fovea.app.cli;

import io.fovea.app.console.ConsoleProgress;
import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.errors.FoveaException;
import io.fovea.models.Network;
import io.fovea.models.onnx.Onnx;
import io.fovea.models.transfer.ExportLayout;
import io.fovea.models.weights.Safetensors;
import io.fovea.models.weights.StateDict;
import io.fovea.training.run.BuildInfo;
import io.fovea.training.run.ModelCard;
import io.fovea.training.run.Run;
import io.fovea.training.run.ServingFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
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

/** {@code fovea export}: writes a trained network into one file for other programs. */
@Command(
    name = "export",
    description = {
      "Write a trained network of any task into one file for other programs: ONNX, which also"
          + " holds the classes and the normalisation, or the weights as safetensors for PyTorch."
    },
    footer = {
      "",
      "Examples:",
      "  fovea export runs/resnet8-cbam-1",
      "  fovea export runs/segmentation-small-1 --argmax",
      "  fovea export runs/mine --for djl --out shoes-djl",
      "  fovea export runs/mine --format safetensors --layout torchvision --out resnet18.safetensors"
    })
public final class ExportCommand implements Callable<Integer> {
  /** The format of the file. */
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
  @Mixin private OverwriteOption overwriteOption;

  @Parameters(
      paramLabel = "RUN",
      arity = "0..1",
      description =
          "The folder that fovea train or fovea import wrote. Default: the newest in runs/.")
  private Path run;

  @Option(
      names = "--format",
      paramLabel = "FORMAT",
      description = "Format of the file: ${COMPLETION-CANDIDATES}. Default: onnx.")
  private Format format;

  @Option(
      names = "--for",
      paramLabel = "SERVER",
      description =
          "Write a folder that a server or library loads without code for the network:"
              + " ${COMPLETION-CANDIDATES}. djl: a folder for DJL's Criteria<Image,"
              + " Classifications>, whose network takes images of any size as they are decoded."
              + " triton: a model repository of NVIDIA Triton.")
  private ServingFolder server;

  @Option(
      names = "--layout",
      paramLabel = "LAYOUT",
      description =
          "Safetensors: use the names of another library: ${COMPLETION-CANDIDATES}. Default:"
              + " Fovea's names, which are torchvision's for the backbone and those of the"
              + " reference implementations for attention.")
  private ExportLayout layout;

  @ForTask("segmentation")
  @Option(
      names = "--argmax",
      description =
          "ONNX: return the class of each pixel (labels, int64) instead of the scores of all"
              + " classes.")
  private boolean argmax;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      description =
          "Output file, or with --for the output folder. Default: the name of the run with the"
              + " extension of the format, or with -djl or -triton, in this folder.")
  private Path out;

  @Override
  public Integer call() {
    threadOptions.apply();
    if (layout != null && format != Format.SAFETENSORS) {
      throw new FoveaException("--layout needs --format safetensors");
    }
    if (argmax && format == Format.SAFETENSORS) {
      throw new FoveaException("--argmax needs --format onnx");
    }
    if (server != null && (argmax || format != null)) {
      throw new FoveaException(
          "--for "
              + server
              + " decides what is written; leave out "
              + (argmax ? "--argmax" : "--format"));
    }
    try (ConsoleProgress progress = ConsoleProgress.standard()) {
      export(runOptions.find(run, null, progress), progress);
      return 0;
    }
  }

  private <N extends Network, D extends Dataset<?>> void export(
      Run<N, D> run, ConsoleProgress progress) {
    TaskOptions.requireOptionsOf(run.task(), spec);
    if (server != null) {
      serve(run, progress);
      return;
    }
    Path file =
        out != null ? out : Path.of(run.name() + "." + (format == null ? Format.ONNX : format));
    refuseTheRunsOwn(run, file);
    overwriteOption.check(file);
    OutputFiles.requireWritable(file);
    runOptions.tell(run, progress);
    N network = run.load(runOptions.weights(run));
    try {
      write(run, network, file);
      spec.commandLine()
          .getOut()
          .printf(Locale.ROOT, "%s, %.1f MB%n", file, Files.size(file) / 1e6);
    } catch (IOException e) {
      throw new DataException(file + ": cannot be written: " + e.getMessage(), e);
    }
  }

  private <N extends Network, D extends Dataset<?>> void serve(
      Run<N, D> run, ConsoleProgress progress) {
    server.require(run);
    Path folder = out != null ? out : Path.of(run.name() + "-" + server);
    if (Files.exists(folder) && !Files.isDirectory(folder)) {
      throw new FoveaException(folder + ": is a file; --for " + server + " writes a folder");
    }
    List<Path> files = server.files(folder, run.name());
    for (Path file : files) {
      overwriteOption.check(file);
      OutputFiles.requireWritable(file);
    }
    runOptions.tell(run, progress);
    server.write(folder, run, run.load(runOptions.weights(run)), runOptions.weights(run));
    files.forEach(file -> spec.commandLine().getOut().println(file));
  }

  private static void refuseTheRunsOwn(Run<?, ?> folder, Path file) {
    Path parent = file.toAbsolutePath().normalize().getParent();
    if (folder.path().toAbsolutePath().normalize().equals(parent)
        && file.getFileName().toString().matches("(best|last)\\.safetensors")) {
      throw new FoveaException(file + " holds the weights of the run; choose another file");
    }
  }

  private <N extends Network, D extends Dataset<?>> void write(Run<N, D> run, N network, Path file)
      throws IOException {
    Map<String, String> metadata = ModelCard.metadata(run, runOptions.weights(run));
    if (format != Format.SAFETENSORS) {
      Onnx.Result result = argmax ? Onnx.Result.LABELS : Onnx.Result.SCORES;
      Onnx.write(file, network, result, BuildInfo.version(), metadata);
      return;
    }
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> weights =
          layout == null
              ? StateDict.of(network)
              : run.task().weights(network, run.config().model(), layout);
      Map<String, String> all = new LinkedHashMap<>();
      all.put("format", "pt"); // marks files of PyTorch for the safetensors library
      all.putAll(metadata);
      Safetensors.write(file, weights, all);
    }
  }
}
