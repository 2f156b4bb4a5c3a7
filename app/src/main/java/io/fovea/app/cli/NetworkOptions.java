package io.fovea.app.cli;

import io.fovea.data.ImageData;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.Precision;
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
              + " models lists. Of segmentation small, resnet18, resnet50 or resnet101; of video a residual"
              + " network with c2d- or i3d- before it. Default: resnet8, of ablate nonlocal resnet14, of"
              + " segmentation small, of video c2d-resnet8.")
  private String backbone;

  @ForTask({Task.CLASSIFICATION, Task.VIDEO})
  @Option(
      names = "--width",
      paramLabel = "FACTOR",
      description = "Multiplies the backbone's channels. Default: 1, of ablate 2.")
  private Double width;

  private int frames;

  @Mixin private ThreadOptions threadOptions;
  @Mixin private PrecisionOptions precisionOptions;

  /** Sets what is taken where nothing was given. */
  void defaults(String backbone, double width) {
    this.backbone = this.backbone == null ? backbone : this.backbone;
    this.width = this.width == null ? width : this.width;
  }

  /** The same for networks for video. */
  void videoDefaults(int frames) {
    defaults("c2d-resnet8", 1);
    if (!backbone().isVideo()) {
      throw new IllegalArgumentException(
          backbone + " takes images; --task video takes c2d-" + backbone + " or i3d-" + backbone);
    }
    this.frames = frames;
  }

  /** The backbone's name. */
  String name() {
    return backbone;
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

  /** What convolutions compute in; the processor can. */
  Precision precision() {
    precisionOptions.check();
    return precisionOptions.precision();
  }

  /** Fails early, before data are read, if there is no such network. */
  void check(String attention) {
    if (backbone().isVideo() != frames > 0) {
      throw new IllegalArgumentException(backbone + " is for --task video");
    }
    model(2, 3, attention).create().close();
  }

  ModelSpec model(ImageData data, String attention) {
    return model(data.train().classes().size(), data.train().channels(), attention);
  }

  private ModelSpec model(int classes, int channels, String attention) {
    return new ModelSpec(backbone, classes, channels, width, frames, attention);
  }
}
