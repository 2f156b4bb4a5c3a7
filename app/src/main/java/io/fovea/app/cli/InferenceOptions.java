package io.fovea.app.cli;

import io.fovea.training.evaluate.TestTimeAugmentation;
import java.util.List;
import picocli.CommandLine.Option;

/** The options for test-time augmentation of segmentation networks. */
@ForTask("segmentation")
class InferenceOptions {
  @Option(
      names = "--scales",
      paramLabel = "S",
      split = ",",
      description =
          "Look at each image at these scales, and average; the paper has"
              + " 0.5,0.75,1,1.25,1.5,1.75,2. Default: 1.")
  private List<Double> scales;

  @Option(names = "--mirror", description = "Look at each image mirrored as well, and average.")
  private boolean mirror;

  @Option(
      names = "--window",
      paramLabel = "PIXELS",
      description =
          "Slide a window of this side over larger images, two thirds of it a step; 0 looks at whole"
              + " images. Default: 0.")
  private int window;

  /** The selected test-time augmentation. */
  TestTimeAugmentation inference() {
    return new TestTimeAugmentation(scales == null ? List.of(1.0) : scales, mirror, window);
  }
}
