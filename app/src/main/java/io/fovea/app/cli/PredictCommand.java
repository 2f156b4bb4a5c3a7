package io.fovea.app.cli;

import io.fovea.app.console.ConsoleProgress;
import io.fovea.app.console.ExitStatus;
import io.fovea.app.export.OnnxModel;
import io.fovea.data.DataException;
import io.fovea.data.image.Images;
import io.fovea.data.mask.LabelledImage;
import io.fovea.data.mask.Masks;
import io.fovea.data.video.VideoSource;
import io.fovea.explain.Overlay;
import io.fovea.models.Classifier;
import io.fovea.models.FusedNetwork;
import io.fovea.models.Precision;
import io.fovea.models.Segmenter;
import io.fovea.tensor.internal.AtomicFile;
import io.fovea.training.Task;
import io.fovea.training.evaluate.SegmentationEvaluation;
import io.fovea.training.evaluate.TestTimeAugmentation;
import io.fovea.training.run.ClipPrediction;
import io.fovea.training.run.Prediction;
import io.fovea.training.run.RunFolder;
import io.fovea.training.run.SegmentationRun;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.stream.Collectors;
import javax.imageio.ImageIO;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fovea predict}: what is in these images. */
@Command(
    name = "predict",
    description =
        "Classify images, or videos over time, with a trained network, or the pixels of each image: then"
            + " into a mask and an overlay.",
    footer = {
      "",
      "Examples:",
      "  fovea predict --run runs/resnet8-cbam-1 boot.png shirt.jpg",
      "  fovea predict --onnx resnet8-cbam-1.onnx boot.png",
      "  fovea predict --task segmentation --out masks street.jpg",
      "  fovea predict --run runs/video-c2d-resnet8-1 clip.mp4 frames-of-another-clip/"
    })
public final class PredictCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private PrecisionOptions precisionOptions;
  @Mixin private ThreadOptions threadOptions;
  @Mixin private RunOptions runOptions;
  @Mixin private InferenceOptions inferenceOptions;

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
          "JPEG, PNG, BMP or WebP files of any size; for a network for video, files of"
              + " video (MP4, MKV, WebM, MOV, AVI, ...) or folders of frames.")
  private List<Path> images;

  @Option(
      names = "--top",
      paramLabel = "N",
      defaultValue = "3",
      description =
          "How many classes to print, the most probable, of segmentation those of the most pixels."
              + " Default: ${DEFAULT-VALUE}.")
  private int top;

  @ForTask(Task.SEGMENTATION)
  @Option(
      names = "--out",
      paramLabel = "DIR",
      defaultValue = "predictions",
      description =
          "Of segmentation: where NAME-mask.png (the classes, with Pascal VOC's palette) and"
              + " NAME-overlay.png go. Default: ${DEFAULT-VALUE}.")
  private Path out;

  @ForTask(Task.SEGMENTATION)
  @Option(
      names = "--opacity",
      paramLabel = "SHARE",
      defaultValue = "0.5",
      description =
          "Of segmentation: of the colours in the overlay, 0 to 1. Default: ${DEFAULT-VALUE}.")
  private double opacity;

  @Override
  public Integer call() {
    if (top < 1) {
      throw new IllegalArgumentException("--top must be at least 1, got " + top);
    }
    threadOptions.apply();
    precisionOptions.check();
    if (onnx == null) {
      Path found = RunOptions.find(run, task, ConsoleProgress.standard());
      Task of = RunFolder.task(found);
      TaskOptions.requireOptionsOf(of, spec);
      return switch (of) {
        case CLASSIFICATION -> predict(ofRun(RunFolder.open(found)));
        case VIDEO -> predictVideos(RunFolder.open(found));
        case SEGMENTATION -> predict(ofRun(SegmentationRun.open(found)));
      };
    }
    TaskOptions.requireOptionsOf(Task.CLASSIFICATION, spec);
    if (task == Task.SEGMENTATION) {
      throw new IllegalArgumentException("--onnx is for classification");
    }
    if (run != null || spec.commandLine().getParseResult().hasMatchedOption("--weights")) {
      throw new IllegalArgumentException("--onnx is in place of --run and --weights");
    }
    if (precisionOptions.precision() != Precision.FLOAT32) {
      throw new IllegalArgumentException("--precision is for runs; an ONNX file has its own");
    }
    try (OnnxModel model = new OnnxModel(onnx)) {
      return predict(model::predict);
    }
  }

  private Function<Path, List<Prediction>> ofRun(RunFolder folder) {
    Classifier network = precisionOptions.applied(folder.load(runOptions.weights()));
    RunFolder.Data data = folder.config().data();
    FusedNetwork fused = network.fuse(); // both as long as the process
    return image -> {
      byte[] pixels = Images.read(image, network.channels(), data.size());
      return fused.infer(() -> Prediction.of(network, pixels, data));
    };
  }

  /** Writes mask and overlay; what is told are the classes' shares of the pixels. */
  private Function<Path, List<Prediction>> ofRun(SegmentationRun run) {
    if (!(opacity >= 0 && opacity <= 1)) {
      throw new IllegalArgumentException("--opacity must be 0 to 1, got " + opacity);
    }
    requireDifferentNames();
    TestTimeAugmentation inference = inferenceOptions.inference();
    Segmenter network = precisionOptions.applied(run.load(runOptions.weights()));
    SegmentationRun.Data data = run.config().data();
    FusedNetwork fused = network.fuse();
    return file -> {
      Images.Picture pixels = Images.readWhole(file, network.channels());
      LabelledImage image =
          new LabelledImage(pixels.height(), pixels.width(), pixels.values(), new byte[0]);
      byte[] labels =
          fused.infer(
              () ->
                  SegmentationEvaluation.predict(network, image, data.normalization(), inference));
      BufferedImage picture =
          Overlay.image(pixels.values(), network.channels(), pixels.height(), pixels.width());
      write(file, "mask", Masks.image(labels, pixels.height(), pixels.width()));
      write(file, "overlay", Overlay.over(picture, labels, opacity));
      double[] shares = new double[data.classes().size()];
      for (byte label : labels) {
        shares[Byte.toUnsignedInt(label)] += 1.0 / labels.length;
      }
      return Prediction.ranked(data.classes(), shares).stream()
          .filter(prediction -> prediction.probability() > 0)
          .toList();
    };
  }

  private void requireDifferentNames() {
    Set<String> names = new HashSet<>();
    for (Path image : images) {
      if (!names.add(stem(image))) {
        throw new IllegalArgumentException(
            "two of the images are called " + stem(image) + "; predict them into different --out");
      }
    }
  }

  private static String stem(Path file) {
    String name = file.getFileName().toString();
    int dot = name.lastIndexOf('.');
    return dot > 0 ? name.substring(0, dot) : name;
  }

  private void write(Path image, String what, BufferedImage picture) {
    Path file = out.resolve(stem(image) + "-" + what + ".png");
    try {
      Files.createDirectories(out);
      AtomicFile.write(file, partial -> ImageIO.write(picture, "png", partial.toFile()));
    } catch (IOException e) {
      throw new DataException(file + ": cannot be written: " + e.getMessage(), e);
    }
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
    Classifier network = precisionOptions.applied(folder.load(runOptions.weights()));
    RunFolder.Data data = folder.config().data();
    if (data.spec() == null || data.spec().sampling() == null) {
      throw new DataException(folder.path() + ": does not say how videos are sampled");
    }
    FusedNetwork fused = network.fuse();
    return each(
        path -> {
          VideoSource video = VideoSource.open(path);
          List<ClipPrediction> moments =
              fused.infer(() -> ClipPrediction.over(network, video, data));
          StringBuilder text = new StringBuilder();
          for (ClipPrediction moment : moments) {
            text.append(line(when(moment, video), moment.predictions()));
          }
          if (moments.size() > 1) {
            text.append(line("all of it", ClipPrediction.mean(moments, data.classes())));
          }
          return text.toString();
        });
  }

  private String line(String when, List<Prediction> predictions) {
    String classes =
        predictions.stream().limit(top).map(PredictCommand::text).collect(Collectors.joining("  "));
    return String.format("  %-18s %s%n", when, classes);
  }

  private static String when(ClipPrediction moment, VideoSource video) {
    double from = video.seconds(moment.first());
    double to = video.seconds(moment.last() + 1);
    return Double.isNaN(from)
        ? "frames " + moment.first() + " to " + moment.last()
        : String.format(Locale.ROOT, "%.1f s to %.1f s", from, to);
  }

  private int each(Function<Path, String> describe) {
    var console = spec.commandLine().getOut();
    int status = 0;
    for (Path image : images) {
      try {
        String text = describe.apply(image);
        console.println(image);
        console.print(text);
      } catch (DataException e) { // the other images are still wanted
        console.flush();
        spec.commandLine().getErr().println("fovea: " + e.getMessage());
        status = ExitStatus.MISTAKE;
      }
    }
    console.flush();
    return status;
  }
}
