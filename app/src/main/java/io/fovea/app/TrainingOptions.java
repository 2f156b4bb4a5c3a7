package io.fovea.app;

import io.fovea.training.Task;
import io.fovea.training.TrainingSpec;
import picocli.CommandLine.Option;

/** The options that say how to train. */
final class TrainingOptions {
  /** From how many epochs on augmentation repays. */
  private static final int AUGMENTED = 5;

  @Option(
      names = "--epochs",
      paramLabel = "N",
      description = "How often each image is seen. Default: 10 of train, 2 of compare and ablate.")
  private Integer epochs;

  @Option(
      names = "--batch-size",
      paramLabel = "N",
      description = "Images a step. Default: ${DEFAULT-VALUE}.")
  private int batchSize = TrainingSpec.DEFAULT.batchSize();

  @Option(
      names = "--learning-rate",
      paramLabel = "RATE",
      description = "The highest learning rate. Default: ${DEFAULT-VALUE}.")
  private double learningRate = TrainingSpec.DEFAULT.learningRate();

  @Option(
      names = "--momentum",
      paramLabel = "M",
      description = "Momentum of the gradient. Default: ${DEFAULT-VALUE}.")
  private double momentum = TrainingSpec.DEFAULT.momentum();

  @Option(
      names = "--weight-decay",
      paramLabel = "D",
      description = "Weight decay, not of batch norms and biases. Default: ${DEFAULT-VALUE}.")
  private double weightDecay = TrainingSpec.DEFAULT.weightDecay();

  @ForTask(Task.CLASSIFICATION)
  @Option(
      names = "--warmup",
      paramLabel = "SHARE",
      description =
          "The share of steps in which the learning rate rises, before it falls along a cosine."
              + " Default: ${DEFAULT-VALUE}.")
  private double warmup = TrainingSpec.DEFAULT.warmup();

  @ForTask(Task.CLASSIFICATION)
  @Option(
      names = "--label-smoothing",
      paramLabel = "P",
      description = "Probability spread over all classes. Default: ${DEFAULT-VALUE}.")
  private double labelSmoothing = TrainingSpec.DEFAULT.labelSmoothing();

  @ForTask(Task.CLASSIFICATION)
  @Option(
      names = "--crop-padding",
      paramLabel = "PIXELS",
      description =
          "Zeros around a training image before a random crop; 0 for none. Default: 2 from 5 epochs"
              + " on; fewer do not repay it.")
  private Integer cropPadding;

  @Option(
      names = "--flip",
      negatable = true,
      description = "Mirror training images at random, or not. Default: from 5 epochs on.")
  private Boolean flip;

  TrainingSpec spec(long seed, int defaultEpochs) {
    int times = epochs == null ? defaultEpochs : epochs;
    boolean augment = times >= AUGMENTED;
    return new TrainingSpec(
        times,
        batchSize,
        learningRate,
        momentum,
        weightDecay,
        warmup,
        labelSmoothing,
        cropPadding != null ? cropPadding : augment ? TrainingSpec.DEFAULT.cropPadding() : 0,
        flip != null ? flip : augment,
        seed);
  }
}
