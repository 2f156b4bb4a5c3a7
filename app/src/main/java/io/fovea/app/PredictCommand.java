package io.fovea.app;

import io.fovea.models.Classifier;
import io.fovea.training.DataException;
import io.fovea.training.Images;
import io.fovea.training.Prediction;
import io.fovea.training.RunFolder;
import io.fovea.training.Task;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.Function;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fovea predict}: what is in these images. */
@Command(
    name = "predict",
    description = "Classify images with a trained network.",
    footer = {
      "",
      "Examples:",
      "  fovea predict --run runs/resnet8-cbam-1 boot.png shirt.jpg",
      "  fovea predict --onnx resnet8-cbam-1.onnx boot.png"
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
      description = "JPEG, PNG, BMP or WebP files of any size.")
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
    var out = spec.commandLine().getOut();
    int status = 0;
    for (Path image : images) {
      try {
        List<Prediction> predictions = classify.apply(image);
        out.println(image);
        predictions.stream()
            .limit(top)
            .forEach(
                prediction ->
                    out.printf(
                        Locale.ROOT,
                        "  %5.1f %%  %s%n",
                        100 * prediction.probability(),
                        prediction.name()));
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
