package io.fovea.app.cli;

import io.fovea.errors.SpecException;
import io.fovea.training.SegmentationExtras;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Option;

/** The options for training segmentation networks. */
@ForTask("segmentation")
final class SegmentationOptions extends DilationOptions {
  static final String HEADING =
      "%nFor segmentation (--data: a folder of images/ and masks/, of Pascal VOC or of Cityscapes;"
          + " or scenes, bundled, the default; --attention: a mechanism, none, or one of the heads psp,"
          + " aspp, ocr and ann):%n";

  @Option(
      names = "--classes",
      paramLabel = "FILE",
      description =
          "Text file with one class name on each line, in the order of the labels. Default:"
              + " classes.txt in the folder, or the names of the layout.")
  Path classes;

  @Option(
      names = "--crop-size",
      paramLabel = "PIXELS",
      description =
          "Side of the random crops in pixels. Default: 384 (scenes: the side of the scene).")
  Integer cropSize;

  @Option(
      names = "--scale",
      paramLabel = "MIN,MAX",
      split = ",",
      description =
          "Range of the random scale before the crop; 1,1 for no scaling. Default: 0.5,2"
              + " (scenes: 1,1).")
  List<Double> scale;

  @Option(
      names = "--auxiliary-weight",
      paramLabel = "W",
      description =
          "Factor for the losses of the auxiliary classifiers, whose weights are those of the"
              + " authors' code; 0 for none. Default: 1.")
  Double auxiliaryWeight;

  @Option(
      names = "--keep-statistics",
      negatable = true,
      description =
          "Keep the running statistics of the backbone's batch norms instead of using those"
              + " of each batch. Default: on with --init and batches below 8.")
  Boolean keepStatistics;

  /**
   * Returns the additional settings for training a segmentation network.
   *
   * @param usual the defaults for options that were not given
   */
  SegmentationExtras extras(SegmentationExtras usual) {
    if (scale != null && scale.size() != 2) {
      throw new SpecException("--scale needs two numbers, got " + scale);
    }
    return new SegmentationExtras(
        auxiliaryWeight != null ? auxiliaryWeight : usual.auxiliaryWeight(),
        cropSize != null ? cropSize : usual.cropSize(),
        scale != null ? scale.get(0) : usual.minScale(),
        scale != null ? scale.get(1) : usual.maxScale(),
        usual.classWeights(),
        keepStatistics != null ? keepStatistics : usual.keepStatistics());
  }
}
