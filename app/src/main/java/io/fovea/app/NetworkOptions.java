package io.fovea.app;

import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.training.ImageData;
import io.fovea.training.Task;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The options that say which backbone, and how many threads compute. */
final class NetworkOptions {
  @Option(
      names = "--backbone",
      paramLabel = "NAME",
      description =
          "resnet8, resnet14, resnet20, ... (depth 6n+2, for small images), or one of those that fovea"
              + " models lists. Default: resnet8, of ablate nonlocal resnet14.")
  private String backbone;

  @ForTask(Task.CLASSIFICATION)
  @Option(
      names = "--width",
      paramLabel = "FACTOR",
      description = "Multiplies the backbone's channels. Default: 1, of ablate 2.")
  private Double width;

  @Mixin private ThreadOptions threadOptions;

  /** Sets what is taken where nothing was given. */
  void defaults(String backbone, double width) {
    this.backbone = this.backbone == null ? backbone : this.backbone;
    this.width = this.width == null ? width : this.width;
  }

  /** The backbone with nothing in it yet. */
  Classifier.Builder<?> backbone() {
    return Classifier.builder(backbone);
  }

  /** What its channels are multiplied by. */
  double width() {
    return width;
  }

  /** Sets the number of threads for the whole process. */
  void applyThreads() {
    threadOptions.apply();
  }

  /** Fails early, before data are read, if there is no such network. */
  void check(String attention) {
    model(2, 3, attention).create().close();
  }

  ModelSpec model(ImageData data, String attention) {
    return model(data.train().classes().size(), data.train().channels(), attention);
  }

  private ModelSpec model(int classes, int channels, String attention) {
    return new ModelSpec(backbone, classes, channels, width, attention);
  }
}
