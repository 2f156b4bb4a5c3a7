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
          "Evaluate each image at these scales, and average the probabilities; the paper uses"
              + " 0.5,0.75,1,1.25,1.5,1.75,2. Default: 1.")
  private List<Double> scales;

  @Option(names = "--mirror", description = "Also evaluate each image mirrored, and average.")
  private boolean mirror;

  @Option(
      names = "--window",
      paramLabel = "PIXELS",
      description =
          "Side of a sliding window for larger images; it moves by two thirds of its side. 0"
              + " evaluates whole images. Default: 0.")
  private int window;

  /** The selected test-time augmentation. */
  TestTimeAugmentation inference() {
    return new TestTimeAugmentation(scales == null ? List.of(1.0) : scales, mirror, window);
  }
}
