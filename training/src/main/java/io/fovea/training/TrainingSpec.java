package io.fovea.training;

import static io.fovea.errors.SpecException.check;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import io.fovea.errors.SpecException;
import java.util.function.Consumer;

/**
 * The settings of a training, with the additional settings of the task.
 *
 * <pre>{@code
 * TrainingSpec spec = Tasks.CLASSIFICATION.training().withEpochs(30).withSeed(2);
 * }</pre>
 *
 * @param epochs the number of epochs, at least 1
 * @param batchSize the batch size, at least 1, for classification 2 (batch normalisation needs more
 *     than one value)
 * @param learningRate the peak learning rate
 * @param momentum the momentum, from 0 to below 1; AdamW has none
 * @param weightDecay the weight decay of convolutions and linear layers; it is not applied to batch
 *     norms, biases and gammas
 * @param flip whether training images are mirrored at random
 * @param seed the seed of order and augmentation, and of the initial weights if {@link Training}
 *     creates the network
 * @param extras the additional settings of the task: {@link ClassificationExtras} or {@link
 *     SegmentationExtras}
 * @param transfer the treatment of a network that starts from trained weights
 * @param optimization the optimiser, the largest gradient and the patience
 * @param schedule how the learning rate changes
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
        Extras extras,
    Transfer transfer,
    Optimization optimization,
    Schedule schedule) {

  /** Ten epochs with small batches and a long warm-up, for a good classifier after some minutes. */
  public static final TrainingSpec CLASSIFICATION =
      new TrainingSpec(10, 16, 0.1, 0.9, 5e-4, true, 1, ClassificationExtras.DEFAULT);

  /** Twenty epochs on random crops of 384 pixels, as in DANet's paper. */
  public static final TrainingSpec SEGMENTATION =
      new TrainingSpec(20, 8, 0.1, 0.9, 1e-4, true, 1, SegmentationExtras.DEFAULT);

  /** The additional settings of a task. */
  public sealed interface Extras permits ClassificationExtras, SegmentationExtras {
    /** The smallest batch size. */
    int smallestBatch();

    /** The weight of each class in the loss; null for 1. */
    ClassWeights classWeights();

    /** Returns settings with other class weights, or null for 1. */
    Extras withClassWeights(ClassWeights other);

    /** The schedule of the learning rate if there is no other. */
    Schedule usualSchedule();
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
    check(momentum >= 0 && momentum < 1, "momentum must be from 0 to below 1, got " + momentum);
    check(
        weightDecay >= 0 && weightDecay < 1,
        "weight decay must be from 0 to below 1, got " + weightDecay);
    schedule = schedule == null ? extras.usualSchedule() : schedule; // in files of older versions
  }

  /**
   * Creates settings with {@link Transfer#NONE}, {@link Optimization#DEFAULT} and the usual schedule
   * of the task.
   */
  public TrainingSpec(
      int epochs,
      int batchSize,
      double learningRate,
      double momentum,
      double weightDecay,
      boolean flip,
      long seed,
      Extras extras) {
    this(
        epochs,
        batchSize,
        learningRate,
        momentum,
        weightDecay,
        flip,
        seed,
        extras,
        Transfer.NONE,
        Optimization.DEFAULT,
        extras.usualSchedule());
  }

  /** Returns settings with another number of epochs. */
  public TrainingSpec withEpochs(int other) {
    return with(draft -> draft.epochs = other);
  }

  /** Returns settings with another batch size. */
  public TrainingSpec withBatchSize(int other) {
    return with(draft -> draft.batchSize = other);
  }

  /** Returns settings with another peak learning rate. */
  public TrainingSpec withLearningRate(double other) {
    return with(draft -> draft.learningRate = other);
  }

  /** Returns settings with another momentum. */
  public TrainingSpec withMomentum(double other) {
    return with(draft -> draft.momentum = other);
  }

  /** Returns settings with another weight decay. */
  public TrainingSpec withWeightDecay(double other) {
    return with(draft -> draft.weightDecay = other);
  }

  /** Returns settings with or without random mirroring. */
  public TrainingSpec withFlip(boolean other) {
    return with(draft -> draft.flip = other);
  }

  /** Returns settings with another seed. */
  public TrainingSpec withSeed(long other) {
    return with(draft -> draft.seed = other);
  }

  /** Returns settings with the additional settings of a task. */
  public TrainingSpec withExtras(Extras other) {
    return with(draft -> draft.extras = other);
  }

  /** Returns settings with another treatment of trained weights. */
  public TrainingSpec withTransfer(Transfer other) {
    return with(draft -> draft.transfer = other);
  }

  /** Returns settings with another optimiser, largest gradient or patience. */
  public TrainingSpec withOptimization(Optimization other) {
    return with(draft -> draft.optimization = other);
  }

  /** Returns settings with another schedule of the learning rate. */
  public TrainingSpec withSchedule(Schedule other) {
    return with(draft -> draft.schedule = other);
  }

  private TrainingSpec with(Consumer<Draft> change) {
    Draft draft = new Draft(this);
    change.accept(draft);
    return draft.done();
  }

  /** The same settings, of which one is about to change. */
  private static final class Draft {
    private int epochs;
    private int batchSize;
    private double learningRate;
    private double momentum;
    private double weightDecay;
    private boolean flip;
    private long seed;
    private Extras extras;
    private Transfer transfer;
    private Optimization optimization;
    private Schedule schedule;

    Draft(TrainingSpec from) {
      epochs = from.epochs;
      batchSize = from.batchSize;
      learningRate = from.learningRate;
      momentum = from.momentum;
      weightDecay = from.weightDecay;
      flip = from.flip;
      seed = from.seed;
      extras = from.extras;
      transfer = from.transfer;
      optimization = from.optimization;
      schedule = from.schedule;
    }

    TrainingSpec done() {
      return new TrainingSpec(
          epochs,
          batchSize,
          learningRate,
          momentum,
          weightDecay,
          flip,
          seed,
          extras,
          transfer,
          optimization,
          schedule);
    }
  }
}
