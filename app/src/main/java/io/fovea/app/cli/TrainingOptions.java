package io.fovea.app.cli;

import io.fovea.errors.FoveaException;
import io.fovea.training.ClassWeights;
import io.fovea.training.ClassificationExtras;
import io.fovea.training.Optimization;
import io.fovea.training.Schedule;
import io.fovea.training.SegmentationExtras;
import io.fovea.training.Task;
import io.fovea.training.TrainingSpec;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Option;

/** The options for the training of all tasks. */
final class TrainingOptions {
  /** The number of epochs from which augmentation pays off. */
  private static final int AUGMENTED = 5;

  /** Larger rates would destroy what trained weights know. */
  private static final double SLOWER_WITH_WEIGHTS = 10;

  /** For optimisers that divide by the size of the gradients. */
  private static final double ADAPTIVE_RATE = 1e-3;

  private static final double DECOUPLED_DECAY = 0.05; // multiplied by the learning rate
  private static final double RMSPROP_DECAY = 1e-5; // as in torchvision's recipe of MobileNetV3

  static final String HEADING = "%nTraining:%n";

  @Option(
      names = "--epochs",
      paramLabel = "N",
      description =
          "Passes over the training images. Default: 10 (compare, ablate: 3; segmentation: 20,"
              + " compare 10; video: 15).")
  private Integer epochs;

  @ArgGroup(validate = false, order = 1, heading = HEADING)
  private Details details = new Details();

  /** The options that most users leave alone. */
  private static final class Details {
    @Option(
        names = "--batch-size",
        paramLabel = "N",
        description = "Batch size. Default: 16 (segmentation: 8).")
    private Integer batchSize;

    @Option(
        names = "--learning-rate",
        paramLabel = "RATE",
        description =
            "Peak learning rate. Default: 0.1 (video: 0.05; adamw, rmsprop: 0.001); a tenth with"
                + " trained weights.")
    private Double learningRate;

    @Option(
        names = "--schedule",
        paramLabel = "NAME[:...]",
        description =
            "How the learning rate changes: cosine[:lowest=SHARE], poly[:power=P],"
                + " step[:size=EPOCHS,gamma=G], multistep:milestones=EPOCH,...[,gamma=G],"
                + " plateau[:patience=EPOCHS,gamma=G] or constant; see docs/training.md. Default:"
                + " cosine (segmentation: poly).")
    private String schedule;

    @Option(
        names = "--warmup",
        paramLabel = "SHARE",
        description =
            "Share of the training in which the learning rate rises to its peak. Default: 0.2"
                + " (segmentation, and with --schedule: 0).")
    private Double warmup;

    @Option(
        names = "--optimizer",
        paramLabel = "NAME",
        description = "sgd, adamw or rmsprop. Default: sgd.")
    private Optimization.Method optimizer = Optimization.Method.SGD;

    @Option(
        names = "--clip-gradient",
        paramLabel = "NORM",
        description = "Scale the gradients to this norm if theirs is larger. Default: not at all.")
    private double clip;

    @Option(
        names = "--accumulate",
        paramLabel = "N",
        description =
            "Add up the gradients of N batches for a step, as with a batch N times as large."
                + " Default: 1.")
    private Integer accumulate;

    @Option(
        names = "--ema",
        paramLabel = "DECAY",
        description =
            "Keep a moving average of the weights, such as 0.9998, evaluate it after each epoch,"
                + " and save it for --weights ema. Default: no average.")
    private Double ema;

    @Option(
        names = "--class-weights",
        paramLabel = "WEIGHTS",
        description =
            "Weight of each class in the loss: numbers separated by commas, a file with a line"
                + " NAME WEIGHT for each class, or balanced (larger for rare classes). Default: 1"
                + " for all.")
    private String classWeights;

    @Option(
        names = "--patience",
        paramLabel = "N",
        description =
            "Stop after N epochs without a better score on the test images. Default: train all"
                + " epochs.")
    private Integer patience;

    @Option(
        names = "--momentum",
        paramLabel = "M",
        description = "Momentum of the gradient descent. Default: 0.9.")
    private Double momentum;

    @Option(
        names = "--weight-decay",
        paramLabel = "D",
        description =
            "Weight decay; not applied to batch norms and biases. Default: 0.0005 (segmentation:"
                + " 0.0001; adamw: 0.05; rmsprop: 0.00001).")
    private Double weightDecay;

    @Option(
        names = "--flip",
        negatable = true,
        description =
            "Mirror training images at random. Default: on for 5 epochs or more (segmentation:"
                + " always).")
    private Boolean flip;
  }

  /**
   * Returns the settings of the training.
   *
   * @param task the task, whose default settings are used for options that were not given
   * @param many whether many networks are trained, so that the default number of epochs is smaller
   * @param bundled whether the data are bundled ones
   */
  TrainingSpec spec(
      Task<?, ?> task,
      boolean many,
      boolean bundled,
      ClassOptions images,
      SegmentationOptions masks,
      StartOptions start) {
    TrainingSpec usual = task.training();
    if (details.optimizer == Optimization.Method.ADAMW && details.momentum != null) {
      throw new FoveaException("--momentum is for sgd and rmsprop; adamw has none");
    }
    int times = epochs != null ? epochs : many ? task.epochsOfMany() : usual.epochs();
    int batch = details.batchSize != null ? details.batchSize : usual.batchSize();
    boolean augment = times >= AUGMENTED;
    boolean flipped;
    TrainingSpec.Extras extras;
    if (usual.extras() instanceof SegmentationExtras ofMasks) {
      extras =
          masks.extras(ofMasks, batch, bundled, start.isGiven()).withClassWeights(classWeights());
      flipped = usual.flip();
    } else {
      extras =
          images
              .extras((ClassificationExtras) usual.extras(), augment)
              .withClassWeights(classWeights());
      flipped = augment;
    }
    return new TrainingSpec(
        times,
        batch,
        details.learningRate != null ? details.learningRate : learningRate(usual, start),
        details.momentum != null ? details.momentum : usual.momentum(),
        details.weightDecay != null ? details.weightDecay : weightDecay(usual),
        details.flip != null ? details.flip : flipped,
        0,
        extras,
        start.transfer(task),
        optimization(usual.optimization()),
        schedule(usual));
  }

  private ClassWeights classWeights() {
    return details.classWeights == null ? null : ClassWeights.parse(details.classWeights);
  }

  private Schedule schedule(TrainingSpec usual) {
    Schedule schedule =
        details.schedule != null ? Schedule.parse(details.schedule) : usual.schedule();
    return details.warmup == null ? schedule : schedule.withWarmup(details.warmup);
  }

  private Optimization optimization(Optimization usual) {
    DataOptions.atLeastOne("--patience", details.patience);
    DataOptions.atLeastOne("--accumulate", details.accumulate);
    return usual
        .withMethod(details.optimizer)
        .withClip(details.clip)
        .withPatience(details.patience != null ? details.patience : usual.patience())
        .withAccumulate(details.accumulate != null ? details.accumulate : usual.accumulate())
        .withEma(details.ema != null ? details.ema : usual.ema());
  }

  private double learningRate(TrainingSpec usual, StartOptions start) {
    double rate =
        details.optimizer == Optimization.Method.SGD ? usual.learningRate() : ADAPTIVE_RATE;
    return start.isGiven() ? rate / SLOWER_WITH_WEIGHTS : rate;
  }

  private double weightDecay(TrainingSpec usual) {
    return switch (details.optimizer) {
      case SGD -> usual.weightDecay();
      case ADAMW -> DECOUPLED_DECAY;
      case RMSPROP -> RMSPROP_DECAY;
    };
  }
}
