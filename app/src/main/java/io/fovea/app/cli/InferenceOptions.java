package io.fovea.app.cli;

import io.fovea.training.Task;
import io.fovea.training.evaluate.TestTimeAugmentation;
import java.util.List;
import picocli.CommandLine.Option;

/** The options that say how a trained segmentation network looks at an image. */
final class InferenceOptions {
  @ForTask(Task.SEGMENTATION)
  @Option(
      names = "--scales",
      paramLabel = "S",
      split = ",",
      defaultValue = "1",
      description =
          "Of segmentation: look at each image at these scales, and average; the paper has"
              + " 0.5,0.75,1,1.25,1.5,1.75,2. Default: ${DEFAULT-VALUE}.")
  private List<Double> scales;

  @ForTask(Task.SEGMENTATION)
  @Option(
      names = "--mirror",
      description = "Of segmentation: look at each image mirrored, too, and average.")
  private boolean mirror;

  @ForTask(Task.SEGMENTATION)
  @Option(
      names = "--window",
      paramLabel = "PIXELS",
      defaultValue = "0",
      description =
          "Of segmentation: slide a window of this side over images that are larger, two thirds of it"
              + " a step; 0 looks at whole images. Default: ${DEFAULT-VALUE}.")
  private int window;

  TestTimeAugmentation inference() {
    return new TestTimeAugmentation(scales, mirror, window);
  }
}
