package io.fovea.training;

import static io.fovea.errors.SpecException.check;

import io.fovea.data.AugmentSpec;
import io.fovea.data.Augmentation;

/**
 * The additional settings for training a classifier of images or videos: label smoothing, random
 * crops of padded images and other augmentation.
 *
 * @param labelSmoothing the probability that is taken from the label and spread over all classes,
 *     from 0 to below 1
 * @param cropPadding the zero padding of a training image before a random crop, in pixels; 0 for no
 *     crop
 * @param augment further changes of training images
 * @param classWeights the weight of each class in the loss, or null for 1
 * @param balance whether each class is shown equally often in an epoch; images of rare classes are
 *     then repeated, and some of the others are left out
 */
public record ClassificationExtras(
    double labelSmoothing,
    int cropPadding,
    AugmentSpec augment,
    ClassWeights classWeights,
    boolean balance)
    implements TrainingSpec.Extras {
  /** Default settings: no label smoothing, two pixels of padding. */
  public static final ClassificationExtras DEFAULT = new ClassificationExtras(0, 2);

  /**
   * Checks the ranges.
   *
   * @throws io.fovea.errors.SpecException if a value is out of range
   */
  public ClassificationExtras {
    check(
        labelSmoothing >= 0 && labelSmoothing < 1,
        "label smoothing must be from 0 to below 1, got " + labelSmoothing);
    augment = augment == null ? AugmentSpec.NONE : augment; // in files of older versions
    check(cropPadding >= 0, "the crop padding must be at least 0, got " + cropPadding);
  }

  /** Creates settings without further changes of the images. */
  public ClassificationExtras(double labelSmoothing, int cropPadding) {
    this(labelSmoothing, cropPadding, AugmentSpec.NONE, null, false);
  }

  /** Returns settings with other changes of the training images. */
  public ClassificationExtras withAugment(AugmentSpec other) {
    return new ClassificationExtras(labelSmoothing, cropPadding, other, classWeights, balance);
  }

  /** Returns settings with another label smoothing. */
  public ClassificationExtras withLabelSmoothing(double other) {
    return new ClassificationExtras(other, cropPadding, augment, classWeights, balance);
  }

  /** Returns settings with another padding. */
  public ClassificationExtras withCropPadding(int other) {
    return new ClassificationExtras(labelSmoothing, other, augment, classWeights, balance);
  }

  @Override
  public ClassificationExtras withClassWeights(ClassWeights other) {
    return new ClassificationExtras(labelSmoothing, cropPadding, augment, other, balance);
  }

  /** Returns settings in which each class is shown equally often, or not. */
  public ClassificationExtras withBalance(boolean other) {
    return new ClassificationExtras(labelSmoothing, cropPadding, augment, classWeights, other);
  }

  /** The augmentation of training images. */
  Augmentation augmentation(boolean flip) {
    return new Augmentation(cropPadding, flip, augment);
  }

  @Override
  public int smallestBatch() {
    return 2;
  }

  @Override
  public Schedule usualSchedule() {
    return Schedule.COSINE;
  }
}
