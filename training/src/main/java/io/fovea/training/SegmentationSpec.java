package io.fovea.training;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.fovea.data.mask.LabelledImage;
import io.fovea.data.mask.SegmentationDataset;
import java.util.Arrays;
import java.util.List;

/**
 * How a segmentation network is trained: stochastic gradient descent with momentum and the "poly"
 * schedule, on random crops of randomly scaled and mirrored images (Fu and others: <a
 * href="https://arxiv.org/abs/1809.02983">Dual Attention Network for Scene Segmentation</a>, section
 * 4.1.2).
 *
 * @param epochs how often each training image is seen, at least 1
 * @param batchSize images a step, at least 1
 * @param learningRate the learning rate of the first step
 * @param headRate what it is multiplied by in the head, above 0
 * @param power of the schedule: the rate falls as {@code (1 - step / steps) ^ power}; 0.9 in the paper
 * @param momentum of the gradient, 0 to less than 1
 * @param weightDecay of convolutions; not of batch norms, biases and gammas
 * @param auxiliaryWeight of the losses of the single branches, where the head has two; 0 for none
 * @param cropSize the side of the random crops in pixels; smaller images are filled up with ignored
 *     pixels of the mean colour
 * @param minScale the smallest factor that an image is scaled by before the crop, above 0
 * @param maxScale the largest
 * @param flip whether images are mirrored at random
 * @param classWeights what the loss of each class is multiplied by, null for 1
 * @param keepStatistics whether the backbone's batch norms keep their statistics
 * @param seed of initial weights, order and augmentation
 */
@JsonInclude(JsonInclude.Include.ALWAYS)
public record SegmentationSpec(
    int epochs,
    int batchSize,
    double learningRate,
    double headRate,
    double power,
    double momentum,
    double weightDecay,
    double auxiliaryWeight,
    int cropSize,
    double minScale,
    double maxScale,
    boolean flip,
    List<Double> classWeights,
    boolean keepStatistics,
    long seed) {

  /**
   * Checks the ranges.
   *
   * @throws IllegalArgumentException if a value is out of range
   */
  public SegmentationSpec {
    check(epochs >= 1, "epochs must be at least 1, got " + epochs);
    check(batchSize >= 1, "the batch size must be at least 1, got " + batchSize);
    check(
        learningRate > 0 && learningRate < Double.POSITIVE_INFINITY,
        "the learning rate must be above 0, got " + learningRate);
    check(
        headRate > 0 && headRate < Double.POSITIVE_INFINITY,
        "the head's factor of the learning rate must be above 0, got " + headRate);
    check(
        power >= 0 && power < Double.POSITIVE_INFINITY,
        "the power of the schedule must be at least 0, got " + power);
    check(momentum >= 0 && momentum < 1, "momentum must be 0 to less than 1, got " + momentum);
    check(
        weightDecay >= 0 && weightDecay < 1,
        "weight decay must be 0 to less than 1, got " + weightDecay);
    check(
        auxiliaryWeight >= 0 && auxiliaryWeight < Double.POSITIVE_INFINITY,
        "the weight of the auxiliary losses must be at least 0, got " + auxiliaryWeight);
    check(cropSize >= 8, "the crop must be at least 8 pixels, got " + cropSize);
    check(
        minScale > 0 && minScale <= maxScale && maxScale <= 16,
        "scales must be above 0, at most 16, and the smaller one first, got "
            + minScale
            + " to "
            + maxScale);
    if (classWeights != null) {
      check(
          classWeights.stream().allMatch(weight -> weight >= 0 && Double.isFinite(weight))
              && classWeights.stream().anyMatch(weight -> weight > 0),
          "class weights must be at least 0 and not all 0, got " + classWeights);
      classWeights = List.copyOf(classWeights);
    }
  }

  private static void check(boolean holds, String message) {
    if (!holds) {
      throw new IllegalArgumentException(message);
    }
  }

  /** The same with another seed. */
  public SegmentationSpec withSeed(long other) {
    return new SegmentationSpec(
        epochs,
        batchSize,
        learningRate,
        headRate,
        power,
        momentum,
        weightDecay,
        auxiliaryWeight,
        cropSize,
        minScale,
        maxScale,
        flip,
        classWeights,
        keepStatistics,
        other);
  }

  /** The same with a weight for each class. */
  public SegmentationSpec withClassWeights(List<Double> weights) {
    return new SegmentationSpec(
        epochs,
        batchSize,
        learningRate,
        headRate,
        power,
        momentum,
        weightDecay,
        auxiliaryWeight,
        cropSize,
        minScale,
        maxScale,
        flip,
        weights,
        keepStatistics,
        seed);
  }

  /**
   * The learning rate of a step.
   *
   * @param step from 0
   * @param steps how many there are
   */
  double learningRate(long step, long steps) {
    return learningRate * Math.pow(1 - (double) step / steps, power);
  }

  /**
   * Weights that make rare classes count more, {@code 1 / ln(1.02 + share of pixels)}, 1.4 to 50 (Paszke
   * and others: <a href="https://arxiv.org/abs/1606.02147">ENet</a>, section 5.2).
   *
   * @param data whose pixels are counted, all of them
   */
  public static List<Double> balanced(SegmentationDataset data) {
    long[] counts = new long[data.classes().size()];
    long all = 0;
    for (int i = 0; i < data.size(); i++) {
      for (byte label : data.read(i).labels()) {
        int value = Byte.toUnsignedInt(label);
        if (value != LabelledImage.IGNORED) {
          counts[value]++;
          all++;
        }
      }
    }
    double total = Math.max(1, all);
    return Arrays.stream(counts).mapToObj(n -> 1 / Math.log(1.02 + n / total)).toList();
  }
}
