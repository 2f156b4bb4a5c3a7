package io.fovea.app.cli;

import io.fovea.training.Task;
import io.fovea.training.TrainingSpec;
import picocli.CommandLine.Option;

/** The options that say how to train. */
final class TrainingOptions {
  /** From how many epochs on augmentation repays. */
  private static final int AUGMENTED = 5;

  private static final int VIDEO_EPOCHS = 15;
  private static final double VIDEO_LEARNING_RATE = 0.05;

  @Option(
      names = "--epochs",
      paramLabel = "N",
      description =
          "How often each image is seen. Default: 10 of train, 3 of compare and ablate; of segmentation"
              + " 20 of train and 10 of compare; of video 15.")
  private Integer epochs;

  @Option(
      names = "--batch-size",
      paramLabel = "N",
      description = "Images a step. Default: 16, of segmentation 8.")
  private Integer batchSize;

  @Option(
      names = "--learning-rate",
      paramLabel = "RATE",
      description =
          "The highest learning rate. Default: 0.1, of segmentation with --init 0.01, of video 0.05.")
  private Double learningRate;

  @Option(
      names = "--momentum",
      paramLabel = "M",
      description = "Momentum of the gradient. Default: ${DEFAULT-VALUE}.")
  private double momentum = TrainingSpec.DEFAULT.momentum();

  @Option(
      names = "--weight-decay",
      paramLabel = "D",
      description =
          "Weight decay, not of batch norms and biases. Default: 0.0005, of segmentation 0.0001.")
  private Double weightDecay;

  @ForTask({Task.CLASSIFICATION, Task.VIDEO})
  @Option(
      names = "--warmup",
      paramLabel = "SHARE",
      description =
          "The share of steps in which the learning rate rises, before it falls along a cosine."
              + " Default: ${DEFAULT-VALUE}.")
  private double warmup = TrainingSpec.DEFAULT.warmup();

  @ForTask({Task.CLASSIFICATION, Task.VIDEO})
  @Option(
      names = "--label-smoothing",
      paramLabel = "P",
      description = "Probability spread over all classes. Default: ${DEFAULT-VALUE}.")
  private double labelSmoothing = TrainingSpec.DEFAULT.labelSmoothing();

  @ForTask({Task.CLASSIFICATION, Task.VIDEO})
  @Option(
      names = "--crop-padding",
      paramLabel = "PIXELS",
      description =
          "Zeros around a training image before a random crop; 0 for none. Default: 2 from 5 epochs"
              + " on; fewer do not repay it. Of --task video: 0.")
  private Integer cropPadding;

  @Option(
      names = "--flip",
      negatable = true,
      description =
          "Mirror training images at random, or not. Default: from 5 epochs on, of segmentation"
              + " always.")
  private Boolean flip;

  /** The epochs that were asked for, or what is given. */
  int epochs(int otherwise) {
    return epochs != null ? epochs : otherwise;
  }

  /** The batch size that was asked for, or what is given. */
  int batchSize(int otherwise) {
    return batchSize != null ? batchSize : otherwise;
  }

  /** The learning rate that was asked for, or what is given. */
  double learningRate(double otherwise) {
    return learningRate != null ? learningRate : otherwise;
  }

  /** The momentum. */
  double momentum() {
    return momentum;
  }

  /** The weight decay that was asked for, or what is given. */
  double weightDecay(double otherwise) {
    return weightDecay != null ? weightDecay : otherwise;
  }

  /** Whether to mirror, as was asked for, or what is given. */
  boolean flip(boolean otherwise) {
    return flip != null ? flip : otherwise;
  }

  TrainingSpec spec(long seed, int defaultEpochs) {
    TrainingSpec usual = TrainingSpec.DEFAULT;
    return spec(seed, defaultEpochs, usual.learningRate(), usual.cropPadding());
  }

  /** For video: what happens near the border may be what it is about, so nothing is cropped. */
  TrainingSpec videos(long seed) {
    return spec(seed, VIDEO_EPOCHS, VIDEO_LEARNING_RATE, 0);
  }

  private TrainingSpec spec(long seed, int defaultEpochs, double usualRate, int usualPadding) {
    int times = epochs(defaultEpochs);
    boolean augment = times >= AUGMENTED;
    return new TrainingSpec(
        times,
        batchSize(TrainingSpec.DEFAULT.batchSize()),
        learningRate(usualRate),
        momentum,
        weightDecay(TrainingSpec.DEFAULT.weightDecay()),
        warmup,
        labelSmoothing,
        cropPadding != null ? cropPadding : augment ? usualPadding : 0,
        flip(augment),
        seed);
  }
}
