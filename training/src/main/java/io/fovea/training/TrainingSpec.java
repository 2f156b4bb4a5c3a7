package io.fovea.training;

import static io.fovea.errors.SpecException.check;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import io.fovea.errors.SpecException;

/**
 * How a network is trained: stochastic gradient descent with momentum, and what each task adds to that.
 *
 * <pre>{@code
 * TrainingSpec spec = Tasks.CLASSIFICATION.training().withEpochs(30).withSeed(2);
 * }</pre>
 *
 * @param epochs how often each training image is seen, at least 1
 * @param batchSize images a step, at least 1, for classification 2 (batch normalisation needs more than
 *     one value)
 * @param learningRate the peak learning rate
 * @param momentum of the gradient, 0 to less than 1
 * @param weightDecay of convolutions and linear layers; not of batch norms, biases and gammas
 * @param flip whether training images are mirrored at random
 * @param seed of order and augmentation, and of the initial weights where {@link Training} makes the
 *     network
 * @param extras what the task adds: {@link ClassificationExtras} or {@link SegmentationExtras}
 */
public record TrainingSpec(
    int epochs,
    int batchSize,
    double learningRate,
    double momentum,
    double weightDecay,
    boolean flip,
    long seed,
    @JsonTypeInfo(use = JsonTypeInfo.Id.DEDUCTION)
        @JsonSubTypes({
          @JsonSubTypes.Type(ClassificationExtras.class),
          @JsonSubTypes.Type(SegmentationExtras.class)
        })
        Extras extras) {

  /** Ten epochs in small steps with a long warm-up: for a classifier that is to be good after minutes. */
  public static final TrainingSpec CLASSIFICATION =
      new TrainingSpec(10, 16, 0.1, 0.9, 5e-4, true, 1, ClassificationExtras.DEFAULT);

  /** Twenty epochs on random crops of 384 pixels, as DANet's paper trains. */
  public static final TrainingSpec SEGMENTATION =
      new TrainingSpec(20, 8, 0.1, 0.9, 1e-4, true, 1, SegmentationExtras.DEFAULT);

  /** What a task adds to a training. */
  public sealed interface Extras permits ClassificationExtras, SegmentationExtras {
    /** The fewest images of a step. */
    int smallestBatch();

    /**
     * The learning rate of a step.
     *
     * @param peak the highest
     * @param step from 0
     * @param steps how many there are
     */
    double learningRate(double peak, long step, long steps);

    /** What the learning rate of a parameter is multiplied by, by the parameter's name. */
    default double rate(String parameter) {
      return 1;
    }
  }

  /**
   * Checks the ranges.
   *
   * @throws SpecException if a value is out of range
   */
  public TrainingSpec {
    check(epochs >= 1, "epochs must be at least 1, got " + epochs);
    check(
        batchSize >= extras.smallestBatch(),
        "the batch size must be at least " + extras.smallestBatch() + ", got " + batchSize);
    check(
        learningRate > 0 && learningRate < Double.POSITIVE_INFINITY,
        "the learning rate must be above 0, got " + learningRate);
    check(momentum >= 0 && momentum < 1, "momentum must be 0 to less than 1, got " + momentum);
    check(
        weightDecay >= 0 && weightDecay < 1,
        "weight decay must be 0 to less than 1, got " + weightDecay);
  }

  /** The same with another number of epochs. */
  public TrainingSpec withEpochs(int other) {
    return new TrainingSpec(
        other, batchSize, learningRate, momentum, weightDecay, flip, seed, extras);
  }

  /** The same with another batch size. */
  public TrainingSpec withBatchSize(int other) {
    return new TrainingSpec(epochs, other, learningRate, momentum, weightDecay, flip, seed, extras);
  }

  /** The same with another peak learning rate. */
  public TrainingSpec withLearningRate(double other) {
    return new TrainingSpec(epochs, batchSize, other, momentum, weightDecay, flip, seed, extras);
  }

  /** The same with another momentum. */
  public TrainingSpec withMomentum(double other) {
    return new TrainingSpec(
        epochs, batchSize, learningRate, other, weightDecay, flip, seed, extras);
  }

  /** The same with another weight decay. */
  public TrainingSpec withWeightDecay(double other) {
    return new TrainingSpec(epochs, batchSize, learningRate, momentum, other, flip, seed, extras);
  }

  /** The same with images mirrored at random, or not. */
  public TrainingSpec withFlip(boolean other) {
    return new TrainingSpec(
        epochs, batchSize, learningRate, momentum, weightDecay, other, seed, extras);
  }

  /** The same with another seed. */
  public TrainingSpec withSeed(long other) {
    return new TrainingSpec(
        epochs, batchSize, learningRate, momentum, weightDecay, flip, other, extras);
  }

  /** The same with what a task adds. */
  public TrainingSpec withExtras(Extras other) {
    return new TrainingSpec(
        epochs, batchSize, learningRate, momentum, weightDecay, flip, seed, other);
  }
}
