package io.fovea.app.cli;

import io.fovea.app.console.ConsoleProgress;
import io.fovea.app.console.ExitStatus;
import io.fovea.app.export.OnnxModel;
import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.data.source.Preprocessing;
import io.fovea.errors.FoveaException;
import io.fovea.models.Network;
import io.fovea.models.Precision;
import io.fovea.training.Predictor;
import io.fovea.training.Task;
import io.fovea.training.run.Run;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Tensor;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fovea predict}: predicts the classes of images, pixels or videos. */
@Command(
    name = "predict",
    description =
        "Predict the classes of images, of videos (over time) or of pixels (mask and overlay"
            + " PNGs).",
    footer = {
      "",
      "Examples:",
      "  fovea predict runs/resnet8-cbam-1 boot.png shirt.jpg",
      "  fovea predict runs/resnet8-cbam-1 photographs/ --format csv --top 1 > classes.csv",
      "  find photographs -newer last.csv | fovea predict runs/resnet8-cbam-1 - --format json",
      "  fovea predict --onnx resnet8-cbam-1.onnx boot.png",
      "  fovea predict --task segmentation --out masks street.jpg",
      "  fovea predict runs/video-c2d-resnet8-1 clip.mp4 frames-of-another-clip/"
    })
public final class PredictCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private TrainedOptions trained;

  @ArgGroup(validate = false, heading = DilationOptions.HEADING)
  private MaskOptions maskOptions = new MaskOptions();

  @Option(
      names = "--onnx",
      paramLabel = "MODEL",
      description =
          "ONNX file written by fovea export, to use instead of a run. It runs in ONNX Runtime.")
  private Path onnx;

  @Parameters(
      paramLabel = "[RUN] IMAGE",
      arity = "0..*",
      description =
          "Folder of a run (default: the newest in runs/), then JPEG, PNG, BMP or WebP files"
              + " of any size, folders with such files, patterns such as 'in/**.jpg', or - for a"
              + " list of paths from the standard input; for a video network, video files (MP4,"
              + " MKV, WebM, MOV, AVI, ...) or folders of frames.")
  private List<Path> arguments = List.of();

  @Option(
      names = "--list",
      paramLabel = "FILE",
      description = "Predict the files that this text file lists, with a path on each line.")
  private Path list;

  @Option(
      names = "--format",
      paramLabel = "FORMAT",
      defaultValue = "text",
      description =
          "Print text, json (one object on each line) or csv (one line for each file)."
              + " Default: ${DEFAULT-VALUE}.")
  private PredictionWriter.Format format;

  @Option(
      names = "--top",
      paramLabel = "N",
      defaultValue = "3",
      description = "Print the N most probable classes. Default: ${DEFAULT-VALUE}.")
  private int top;

  @ArgGroup private Values values = new Values();

  /** Which values are printed. */
  private static final class Values {
    @Option(names = "--probabilities", description = "Print probabilities, which is the default.")
    @SuppressWarnings("UnusedVariable") // says the default aloud, and excludes --scores
    private boolean probabilities;

    @ForTask("classification")
    @Option(
        names = "--scores",
        description = "Print the scores of the network before the softmax, not probabilities.")
    private boolean scores;
  }

  private int failures;

  @Override
  public Integer call() {
    if (top < 1) {
      throw new FoveaException("--top must be at least 1, got " + top);
    }
    trained.apply();
    if (onnx != null) {
      return predictOnnx();
    }
    List<Path> files = trained.take(arguments);
    requireSomething(files);
    ConsoleProgress progress = ConsoleProgress.standard();
    return predict(trained.find(null, progress), files, progress);
  }

  private void requireSomething(List<Path> files) {
    if (files.isEmpty() && list == null) {
      throw new FoveaException(
          (arguments.isEmpty()
                  ? "no IMAGE given"
                  : "expected image or video files after " + arguments.get(0))
              + "; name files or folders, or give --list FILE");
    }
  }

  private List<InputFiles.Input> inputs(List<Path> files, boolean videos) {
    return InputFiles.of(files, list, videos, System.in);
  }

  private int predictOnnx() {
    if (trained.isRunGiven() || spec.commandLine().getParseResult().hasMatchedOption("--weights")) {
      throw new FoveaException("--onnx cannot be combined with --run or --weights");
    }
    if (trained.precision() != Precision.FLOAT32) {
      throw new FoveaException(
          "--precision cannot be combined with --onnx; an ONNX file has a fixed precision");
    }
    requireSomething(arguments);
    try (OnnxModel model = new OnnxModel(onnx)) {
      Task<?, ?> task = model.task();
      if (trained.task() != null && trained.task() != task) {
        throw new FoveaException(onnx + " is for " + task + ", not for " + trained.task());
      }
      TaskOptions.requireOptionsOf(task, spec);
      Preprocessing preprocessing = model.preprocessing();
      UnaryOperator<Tensor> scores = model::scores;
      return predict(
          task,
          preprocessing,
          arguments,
          () -> new Predictor(task, scores, preprocessing, maskOptions.inference()));
    }
  }

  private <N extends Network, D extends Dataset<?>> int predict(
      Run<N, D> run, List<Path> files, ConsoleProgress progress) {
    TaskOptions.requireOptionsOf(run.task(), spec);
    Preprocessing preprocessing = run.preprocessing();
    return predict(
        run.task(),
        preprocessing,
        files,
        () ->
            new Predictor(
                run.task(), trained.load(run, progress), preprocessing, maskOptions.inference()));
  }

  private int predict(
      Task<?, ?> task, Preprocessing preprocessing, List<Path> files, Supplier<Predictor> create) {
    List<InputFiles.Input> inputs = inputs(files, !task.predictsImages());
    MaskOptions.Writer masks = maskOptions.writer(task.namesPixels() ? inputs : List.of());
    PredictionWriter writer = writer(preprocessing.classes().size());
    Iterator<InputFiles.Input> named = inputs.iterator();
    try (Predictor predictor = create.get()) {
      predictor.predict(
          inputs.stream().map(InputFiles.Input::path).iterator(),
          result -> {
            InputFiles.Input input = named.next();
            if (result.failure() != null) {
              fail(writer, result.item(), result.failure());
              return;
            }
            writer.write(
                result.item(),
                result.predictions(),
                result
                    .predictions()
                    .mask()
                    .map(mask -> masks.write(input.name(), mask))
                    .orElse(Map.of()));
          });
    }
    writer.flush();
    return status(inputs.size());
  }

  private PredictionWriter writer(int classes) {
    return new PredictionWriter(
        format, spec.commandLine().getOut(), Math.min(top, classes), values.scores);
  }

  /** Reports a file that cannot be read; the others are predicted nevertheless. */
  private void fail(PredictionWriter writer, Path file, DataException failure) {
    writer.writeFailure(file, failure.getMessage());
    writer.flush();
    spec.commandLine().getErr().println("fovea: " + failure.getMessage());
    failures++;
  }

  private int status(int files) {
    if (failures > 1) {
      spec.commandLine().getErr().printf("fovea: %d of %d files failed%n", failures, files);
    }
    return failures == 0 ? 0 : ExitStatus.MISTAKE;
  }
}
