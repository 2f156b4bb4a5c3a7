package io.fovea.training;

import static io.fovea.errors.SpecException.check;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.fovea.data.MaskedImage;
import io.fovea.data.SegmentationDataset;
import java.util.Arrays;
import java.util.List;

/**
 * The additional settings for training a segmentation network: random crops of randomly scaled
 * images, losses of auxiliary scores (Fu and others: <a
 * href="https://arxiv.org/abs/1809.02983">Dual Attention Network for Scene Segmentation</a>,
 * section 4.1.2).
 *
 * @param auxiliaryWeight the factor for the losses of the auxiliary scores, beside {@link
 *     io.fovea.models.Segmenter#auxiliaryWeight}; 0 for none
 * @param cropSize the side of the random crops in pixels; smaller images are filled up with ignored
 *     pixels of the mean colour
 * @param minScale the smallest scale of an image before the crop, above 0
 * @param maxScale the largest scale of an image before the crop
 * @param classWeights the weight of each class in the loss, or null for 1
 * @param keepStatistics whether the batch norms of the backbone keep their running statistics
 */
@JsonInclude(JsonInclude.Include.ALWAYS)
public record SegmentationExtras(
    double auxiliaryWeight,
    int cropSize,
    double minScale,
    double maxScale,
    ClassWeights classWeights,
    boolean keepStatistics)
    implements TrainingSpec.Extras {
  /** Default settings: crops of 384 pixels, scales from 0.5 to 2, equal class weights. */
  public static final SegmentationExtras DEFAULT =
      new SegmentationExtras(1, 384, 0.5, 2, null, false);

  /**
   * Checks the ranges.
   *
   * @throws io.fovea.errors.SpecException if a value is out of range
   */
  public SegmentationExtras {
    check(
        auxiliaryWeight >= 0 && auxiliaryWeight < Double.POSITIVE_INFINITY,
        "the factor for the auxiliary losses must be at least 0, got " + auxiliaryWeight);
    check(cropSize >= 8, "the crop must be at least 8 pixels, got " + cropSize);
    check(
        minScale > 0 && minScale <= maxScale && maxScale <= 16,
        "scales must be above 0, at most 16, and the smaller one first, got "
            + minScale
            + " to "
            + maxScale);
  }

  /** Returns settings with another weight of the branches' losses. */
  public SegmentationExtras withAuxiliaryWeight(double other) {
    return new SegmentationExtras(
        other, cropSize, minScale, maxScale, classWeights, keepStatistics);
  }

  /** Returns settings with another crop size. */
  public SegmentationExtras withCropSize(int other) {
    return new SegmentationExtras(
        auxiliaryWeight, other, minScale, maxScale, classWeights, keepStatistics);
  }

  /** Returns settings with other scales. */
  public SegmentationExtras withScales(double smallest, double largest) {
    return new SegmentationExtras(
        auxiliaryWeight, cropSize, smallest, largest, classWeights, keepStatistics);
  }

  @Override
  public SegmentationExtras withClassWeights(ClassWeights weights) {
    return new SegmentationExtras(
        auxiliaryWeight, cropSize, minScale, maxScale, weights, keepStatistics);
  }

  /** Returns settings in which the backbone's batch norms keep their running statistics, or not. */
  public SegmentationExtras withKeptStatistics(boolean other) {
    return new SegmentationExtras(
        auxiliaryWeight, cropSize, minScale, maxScale, classWeights, other);
  }

  @Override
  public int smallestBatch() {
    return 1;
  }

  @Override
  public Schedule usualSchedule() {
    return Schedule.POLY;
  }

  /**
   * Returns class weights that are larger for rare classes, {@code 1 / ln(1.02 + share of pixels)},
   * from 1.4 to 50 (Paszke and others: <a href="https://arxiv.org/abs/1606.02147">ENet</a>, section
   * 5.2).
   *
   * @param data the images, all of whose pixels are counted
   */
  public static List<Double> balanced(SegmentationDataset data) {
    long[] counts = new long[data.classes().size()];
    long all = 0;
    for (int i = 0; i < data.size(); i++) {
      for (byte label : data.sample(i).labels()) {
        int value = Byte.toUnsignedInt(label);
        if (value != MaskedImage.IGNORED) {
          counts[value]++;
          all++;
        }
      }
    }
    double total = Math.max(1, all);
    return Arrays.stream(counts).mapToObj(n -> 1 / Math.log(1.02 + n / total)).toList();
  }
}
