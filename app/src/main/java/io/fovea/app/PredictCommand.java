package io.fovea.app;

import io.fovea.models.Classifier;
import io.fovea.training.DataException;
import io.fovea.training.Images;
import io.fovea.training.Moment;
import io.fovea.training.Prediction;
import io.fovea.training.RunFolder;
import io.fovea.training.Task;
import io.fovea.training.VideoSource;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fovea predict}: what is in these images. */
@Command(
    name = "predict",
    description = "Classify images, or videos over time, with a trained network.",
    footer = {
      "",
      "Examples:",
      "  fovea predict --run runs/resnet8-cbam-1 boot.png shirt.jpg",
      "  fovea predict --onnx resnet8-cbam-1.onnx boot.png",
      "  fovea predict --run runs/c2d-resnet8-1 clip.avi frames-of-another-clip/"
    })
final class PredictCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private RunOptions runOptions;

  @Option(
      names = "--task",
      paramLabel = "TASK",
      description =
          "What the run was trained for: ${COMPLETION-CANDIDATES}. Default: what the run says.")
  private Task task;

  @Option(
      names = "--run",
      paramLabel = "RUN",
      description = "The folder that fovea train wrote. Default: the newest in runs/.")
  private Path run;

  @ForTask(Task.CLASSIFICATION)
  @Option(
      names = "--onnx",
      paramLabel = "MODEL",
      description = "A file that fovea export wrote, in place of a run; it is run by ONNX Runtime.")
  private Path onnx;

  @Parameters(
      paramLabel = "IMAGE",
      arity = "1..*",
      description =
          "JPEG, PNG, BMP or WebP files of any size; for a network for video, AVI files (Motion JPEG) or"
              + " folders of frames.")
  private List<Path> images;

  @ForTask(Task.CLASSIFICATION)
  @Option(
      names = "--top",
      paramLabel = "N",
      defaultValue = "3",
      description = "How many classes to print. Default: ${DEFAULT-VALUE}.")
  private int top;

  @Override
  public Integer call() {
    if (top < 1) {
      throw new IllegalArgumentException("--top must be at least 1, got " + top);
    }
    if (onnx == null) {
      Path found = RunOptions.find(run, task, ConsoleProgress.standard());
      Task of = RunFolder.task(found);
      TaskOptions.requireOptionsOf(of, spec);
      return switch (of) {
        case CLASSIFICATION -> predict(ofRun(RunFolder.open(found)));
        case VIDEO -> predictVideos(RunFolder.open(found));
        case SEGMENTATION -> throw new IllegalArgumentException("--task segmentation: not yet");
      };
    }
    TaskOptions.requireOptionsOf(Task.CLASSIFICATION, spec);
    if (run != null || spec.commandLine().getParseResult().hasMatchedOption("--weights")) {
      throw new IllegalArgumentException("--onnx is in place of --run and --weights");
    }
    try (OnnxModel model = new OnnxModel(onnx)) {
      return predict(model::predict);
    }
  }

  private Function<Path, List<Prediction>> ofRun(RunFolder folder) {
    Classifier network = folder.load(runOptions.weights());
    RunFolder.Data data = folder.config().data();
    return image ->
        Prediction.of(network, Images.read(image, network.channels(), data.size()), data);
  }

  private int predict(Function<Path, List<Prediction>> classify) {
    return each(
        image ->
            classify.apply(image).stream()
                .limit(top)
                .map(prediction -> "  " + text(prediction) + "\n")
                .collect(Collectors.joining()));
  }

  private static String text(Prediction prediction) {
    return String.format(
        Locale.ROOT, "%5.1f %%  %s", 100 * prediction.probability(), prediction.name());
  }

  /** The top classes of a video's parts, one after the other, and of all of it. */
  private int predictVideos(RunFolder folder) {
    Classifier network = folder.load(runOptions.weights());
    RunFolder.Data data = folder.config().data();
    if (data.spec() == null || data.spec().sampling() == null) {
      throw new DataException(folder.path() + ": does not say how videos are sampled");
    }
    return each(
        path -> {
          VideoSource video = VideoSource.open(path);
          List<Moment> moments = Moment.over(network, video, data);
          StringBuilder text = new StringBuilder();
          for (Moment moment : moments) {
            text.append(line(when(moment, video.framesPerSecond()), moment.predictions()));
          }
          if (moments.size() > 1) {
            text.append(line("all of it", Moment.mean(moments, data.classes())));
          }
          return text.toString();
        });
  }

  private String line(String when, List<Prediction> predictions) {
    String classes =
        predictions.stream().limit(top).map(PredictCommand::text).collect(Collectors.joining("  "));
    return String.format("  %-18s %s%n", when, classes);
  }

  private static String when(Moment moment, double framesPerSecond) {
    return Double.isNaN(framesPerSecond)
        ? "frames " + moment.first() + " to " + moment.last()
        : String.format(
            Locale.ROOT,
            "%.1f s to %.1f s",
            moment.first() / framesPerSecond,
            (moment.last() + 1) / framesPerSecond);
  }

  private int each(Function<Path, String> describe) {
    var out = spec.commandLine().getOut();
    int status = 0;
    for (Path image : images) {
      try {
        String text = describe.apply(image);
        out.println(image);
        out.print(text);
      } catch (DataException e) { // the other images are still wanted
        out.flush();
        spec.commandLine().getErr().println("fovea: " + e.getMessage());
        status = Fovea.MISTAKE;
      }
    }
    out.flush();
    return status;
  }
}
