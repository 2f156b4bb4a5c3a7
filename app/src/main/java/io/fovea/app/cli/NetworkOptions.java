package io.fovea.app.cli;

import io.fovea.models.Precision;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The options for the backbone, the precision and the number of threads. */
final class NetworkOptions {
  @Option(
      names = "--backbone",
      paramLabel = "NAME",
      description =
          "Backbone; fovea models lists them. Default: resnet8 (train on photographs: resnet18;"
              + " segmentation: small; video: c2d-resnet8; ablate nonlocal: resnet14).")
  private String backbone;

  @Mixin private ThreadOptions threadOptions;
  @Mixin private PrecisionOptions precisionOptions;

  /** Whether a backbone was selected. */
  boolean isGiven() {
    return backbone != null;
  }

  /** The selected backbone, or the given default. */
  String backbone(String usual) {
    return backbone == null ? usual : backbone;
  }

  /** Sets the number of threads for the whole process. */
  void applyThreads() {
    threadOptions.apply();
  }

  /** Sets the number of threads for the whole process, with another default. */
  void applyThreads(int usual) {
    threadOptions.apply(usual);
  }

  /** The precision of convolutions, which the processor supports. */
  Precision precision() {
    precisionOptions.check();
    return precisionOptions.precision();
  }
}
