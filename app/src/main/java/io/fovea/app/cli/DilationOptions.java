package io.fovea.app.cli;

import io.fovea.models.SegmenterSpec;
import io.fovea.training.Task;
import picocli.CommandLine.Option;

/** The options that say how the backbone of a segmentation network is dilated. */
final class DilationOptions {
  @ForTask(Task.SEGMENTATION)
  @Option(
      names = "--output-stride",
      paramLabel = "N",
      defaultValue = "8",
      description =
          "Of segmentation: by how much the backbone reduces the sides, 8, 16 or, not of small, 32. Default:"
              + " ${DEFAULT-VALUE}.")
  private int outputStride;

  @ForTask(Task.SEGMENTATION)
  @Option(
      names = "--multi-grid",
      description =
          "Of segmentation: dilations of 1, 2 and 4 times the last stage's in its blocks.")
  private boolean multiGrid;

  /** The network that has it so. */
  SegmenterSpec model(String backbone, int classes, int channels, String head) {
    return new SegmenterSpec(backbone, classes, channels, head, outputStride, multiGrid);
  }

  int outputStride() {
    return outputStride;
  }

  boolean isMultiGrid() {
    return multiGrid;
  }
}
