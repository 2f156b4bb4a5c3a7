package io.fovea.app.cli;

import io.fovea.data.AugmentSpec;
import io.fovea.training.ClassificationExtras;
import picocli.CommandLine.Option;

/** The options of networks that predict one class for an image or a video. */
@ForTask({"classification", "video"})
final class ClassOptions {
  static final String HEADING = "%nFor images and videos with one class each:%n";

  @Option(
      names = "--width",
      paramLabel = "FACTOR",
      description = "Width multiplier of the backbone. Default: 1 (ablate: 2 for small backbones).")
  Double width;

  @Option(
      names = "--image-size",
      paramLabel = "PIXELS",
      description =
          "Scale and crop the images of a folder to this side. Default: the backbone's, 32 for small"
              + " backbones and 224 for those of ImageNet.")
  Integer imageSize;

  @Option(names = "--grey", description = "Convert images to greyscale.")
  boolean grey;

  @Option(
      names = "--label-smoothing",
      paramLabel = "P",
      description = "Label smoothing: probability that is spread over all classes. Default: 0.")
  Double labelSmoothing;

  @Option(
      names = "--balance",
      description =
          "Show each class equally often: repeat images of rare classes, and leave out others."
              + " Default: each image once in an epoch.")
  boolean balance;

  @Option(
      names = "--crop-padding",
      paramLabel = "PIXELS",
      description =
          "Pixels of zero padding before a random crop. Default: 2; 0 for videos, and for trainings"
              + " shorter than 5 epochs, where it does not pay off.")
  Integer cropPadding;

  @ForTask("classification")
  @Option(
      names = "--augment",
      paramLabel = "STEPS",
      description =
          "Random changes of the training images, in this order, such as"
              + " 'crop=0.35,1;trivial;erase=0.25;mixup=0.2'. Steps: crop=MIN,MAX, flip, vflip,"
              + " rotate=DEGREES, jitter=BRIGHTNESS,CONTRAST,SATURATION,HUE, trivial, rand=N,M,"
              + " erase=P, mixup=ALPHA, cutmix=ALPHA; see docs/augmentation.md. Default: none but"
              + " --crop-padding and --flip.")
  String augment;

  /**
   * Returns the additional settings for training a classifier.
   *
   * @param usual the defaults for options that were not given
   */
  ClassificationExtras extras(ClassificationExtras usual) {
    return new ClassificationExtras(
        labelSmoothing != null ? labelSmoothing : usual.labelSmoothing(),
        cropPadding != null ? cropPadding : usual.cropPadding(),
        augment == null ? usual.augment() : AugmentSpec.parse(augment),
        usual.classWeights(),
        balance || usual.balance());
  }
}
