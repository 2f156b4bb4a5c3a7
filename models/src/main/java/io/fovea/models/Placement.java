package io.fovea.models;

import io.fovea.attention.AttentionSpec;

/** Where in a residual network attention is put. Stages are numbered from 1, as in {@code layer1}. */
public enum Placement {
  /** In every block, after the last convolution and batch norm, before the addition. */
  STANDARD,
  /** At the end of a stage, before the next one downsamples. */
  STAGE;

  /**
   * Where the mechanism's paper puts it: SE and CBAM into every block; BAM, PAM, CAM, dual and
   * non-local at the end of stages.
   */
  static Placement ofPaper(AttentionSpec attention) {
    return switch (attention.mechanism()) {
      case "se", "cbam" -> STANDARD;
      default -> STAGE;
    };
  }
}
