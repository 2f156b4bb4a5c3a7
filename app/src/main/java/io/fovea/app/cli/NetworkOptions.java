package io.fovea.app.cli;

import io.fovea.models.Precision;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The options that say which backbone, and what computes it. */
final class NetworkOptions {
  @Option(
      names = "--backbone",
      paramLabel = "NAME",
      description =
          "Backbone name; see fovea models. Default: resnet8 (ablate nonlocal: resnet14; segmentation:"
              + " small; video: c2d-resnet8).")
  private String backbone;

  @Mixin private ThreadOptions threadOptions;
  @Mixin private PrecisionOptions precisionOptions;

  /** The backbone that was asked for, or what is given. */
  String backbone(String usual) {
    return backbone == null ? usual : backbone;
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
}
