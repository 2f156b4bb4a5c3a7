package io.fovea.app.cli;

import io.fovea.app.console.ConsoleProgress;
import io.fovea.app.console.ExitStatus;
import io.fovea.app.export.OnnxModel;
import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.errors.FoveaException;
import io.fovea.models.FusedNetwork;
import io.fovea.models.Network;
import io.fovea.models.Precision;
import io.fovea.training.Capability;
import io.fovea.training.Tasks;
import io.fovea.training.evaluate.ClipPrediction;
import io.fovea.training.evaluate.Prediction;
import io.fovea.training.evaluate.Predictions;
import io.fovea.training.evaluate.TestTimeAugmentation;
import io.fovea.training.run.Run;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.stream.Collectors;
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
      arity = "1..*",
      description =
          "Folder of a run (default: the newest in runs/), then JPEG, PNG, BMP or WebP files"
              + " of any size; for a video network, video files (MP4, MKV, WebM, MOV, AVI, ...) or"
              + " folders of frames.")
  private List<Path> arguments;

  @Option(
      names = "--top",
      paramLabel = "N",
      defaultValue = "3",
      description = "Print the N most probable classes. Default: ${DEFAULT-VALUE}.")
  private int top;

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
    if (files.isEmpty()) {
      throw new FoveaException("expected image or video files after " + arguments.get(0));
    }
    return predict(trained.find(null, ConsoleProgress.standard()), files);
  }

  private int predictOnnx() {
    (trained.task() == null ? Tasks.CLASSIFICATION : trained.task())
        .require(Capability.ONNX_PREDICTION);
    if (trained.isRunGiven() || spec.commandLine().getParseResult().hasMatchedOption("--weights")) {
      throw new FoveaException("--onnx cannot be combined with --run or --weights");
    }
    if (trained.precision() != Precision.FLOAT32) {
      throw new FoveaException(
          "--precision cannot be combined with --onnx; an ONNX file has a fixed precision");
    }
    try (OnnxModel model = new OnnxModel(onnx)) {
      return each(arguments, file -> lines(model.predict(file)));
    }
  }

  private <N extends Network, D extends Dataset<?>> int predict(Run<N, D> run, List<Path> files) {
    TaskOptions.requireOptionsOf(run.task(), spec);
    MaskOptions.Writer masks = maskOptions.writer(run.task().namesPixels() ? files : List.of());
    TestTimeAugmentation inference = maskOptions.inference();
    N network = trained.load(run);
    FusedNetwork fused = network.fuse(); // both live as long as the process
    return each(
        files,
        file -> {
          Predictions predictions =
              fused.infer(() -> run.task().predict(network, file, run.preprocessing(), inference));
          return text(predictions)
              + predictions.mask().map(mask -> masks.write(file, mask)).orElse("");
        });
  }

  private String text(Predictions predictions) {
    if (predictions.moments().isEmpty()) {
      return lines(predictions.ranked());
    }
    StringBuilder text = new StringBuilder();
    for (ClipPrediction moment : predictions.moments()) {
      text.append(line(when(moment), moment.predictions()));
    }
    if (predictions.moments().size() > 1) {
      text.append(line("whole video", predictions.ranked()));
    }
    return text.toString();
  }

  private String lines(List<Prediction> predictions) {
    return predictions.stream()
        .limit(top)
        .map(prediction -> "  " + text(prediction) + "\n")
        .collect(Collectors.joining());
  }

  private String line(String when, List<Prediction> predictions) {
    String classes =
        predictions.stream().limit(top).map(PredictCommand::text).collect(Collectors.joining("  "));
    return String.format("  %-18s %s%n", when, classes);
  }

  private static String text(Prediction prediction) {
    return String.format(
        Locale.ROOT, "%5.1f %%  %s", 100 * prediction.probability(), prediction.name());
  }

  private static String when(ClipPrediction moment) {
    return Double.isNaN(moment.from())
        ? "frames " + moment.first() + " to " + moment.last()
        : String.format(Locale.ROOT, "%.1f s to %.1f s", moment.from(), moment.to());
  }

  private int each(List<Path> files, Function<Path, String> describe) {
    PrintWriter console = spec.commandLine().getOut();
    int status = 0;
    for (Path file : files) {
      try {
        String text = describe.apply(file);
        console.println(file);
        console.print(text);
      } catch (DataException e) { // continue with the other files
        console.flush();
        spec.commandLine().getErr().println("fovea: " + e.getMessage());
        status = ExitStatus.MISTAKE;
      }
    }
    console.flush();
    return status;
  }
}
