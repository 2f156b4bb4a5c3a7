package io.fovea.training;

import com.fasterxml.jackson.annotation.JsonIgnore;
import io.fovea.data.Augmentation;

/**
 * How a network is trained: stochastic gradient descent with momentum, a linear warm-up and a cosine
 * schedule down to zero.
 *
 * @param epochs how often each training image is seen, at least 1
 * @param batchSize images a step, at least 2 (batch normalisation needs more than one)
 * @param learningRate the highest learning rate, reached after the warm-up
 * @param momentum of the gradient, 0 to less than 1
 * @param weightDecay of convolutions and linear layers; not of batch norms, biases and gammas
 * @param warmup the share of all steps in which the learning rate rises, 0 to 1
 * @param labelSmoothing the probability taken from the label and spread over all classes, 0 to less
 *     than 1
 * @param cropPadding pixels of zeros around a training image before a random crop; 0 for none
 * @param flip whether training images are mirrored at random
 * @param seed of initial weights, order and augmentation
 */
public record TrainingSpec(
    int epochs,
    int batchSize,
    double learningRate,
    double momentum,
    double weightDecay,
    double warmup,
    double labelSmoothing,
    int cropPadding,
    boolean flip,
    long seed) {

  /** Ten epochs in small steps with a long warm-up: for a network that is to be good after minutes. */
  public static final TrainingSpec DEFAULT =
      new TrainingSpec(10, 16, 0.1, 0.9, 5e-4, 0.2, 0, 2, true, 1);

  /**
   * Checks the ranges.
   *
   * @throws IllegalArgumentException if a value is out of range
   */
  public TrainingSpec {
    check(epochs >= 1, "epochs must be at least 1, got " + epochs);
    check(batchSize >= 2, "the batch size must be at least 2, got " + batchSize);
    check(
        learningRate > 0 && learningRate < Double.POSITIVE_INFINITY,
        "the learning rate must be above 0, got " + learningRate);
    check(momentum >= 0 && momentum < 1, "momentum must be 0 to less than 1, got " + momentum);
    check(
        weightDecay >= 0 && weightDecay < 1,
        "weight decay must be 0 to less than 1, got " + weightDecay);
    check(warmup >= 0 && warmup <= 1, "warm-up must be 0 to 1, got " + warmup);
    check(
        labelSmoothing >= 0 && labelSmoothing < 1,
        "label smoothing must be 0 to less than 1, got " + labelSmoothing);
    check(cropPadding >= 0, "the crop padding must be at least 0, got " + cropPadding);
  }

  private static void check(boolean holds, String message) {
    if (!holds) {
      throw new IllegalArgumentException(message);
    }
  }

  /** The same with another seed. */
  public TrainingSpec withSeed(long other) {
    return new TrainingSpec(
        epochs,
        batchSize,
        learningRate,
        momentum,
        weightDecay,
        warmup,
        labelSmoothing,
        cropPadding,
        flip,
        other);
  }

  /** How training images are varied. */
  @JsonIgnore
  public Augmentation augmentation() {
    return new Augmentation(cropPadding, flip);
  }

  /**
   * The learning rate of a step: rises in a line through the warm-up, then falls along half a cosine
   * (Loshchilov, Hutter: <a href="https://arxiv.org/abs/1608.03983">SGDR</a>, without restarts).
   *
   * @param step from 0
   * @param steps how many there are
   */
  double learningRate(long step, long steps) {
    double warm = warmup * steps;
    if (step + 1 < warm) {
      return learningRate * (step + 1) / warm;
    }
    double progress = (step + 1 - warm) / Math.max(1, steps - warm);
    return learningRate * (1 + Math.cos(Math.PI * Math.min(1, progress))) / 2;
  }
}
