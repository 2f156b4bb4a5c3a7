package io.fovea.app.cli;

import io.fovea.errors.FoveaException;
import io.fovea.training.ClassWeights;
import io.fovea.training.ClassificationExtras;
import io.fovea.training.Optimization;
import io.fovea.training.Recipe;
import io.fovea.training.Schedule;
import io.fovea.training.SegmentationExtras;
import io.fovea.training.Task;
import io.fovea.training.TrainingSpec;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Option;

/** The options for the training of all tasks. */
final class TrainingOptions {
  static final String HEADING = "%nTraining:%n";

  @Option(
      names = "--epochs",
      paramLabel = "N",
      description =
          "Passes over the training images. Default: 10 (compare, ablate: 3; segmentation: 20,"
              + " compare 10; video: 15).")
  private Integer epochs;

  @Option(
      names = "--recipe",
      paramLabel = "NAME|FILE",
      description =
          "Settings that other options change: scratch, finetune, paper, torchvision-v2, or a file"
              + " (also @FILE). Default: scratch (with trained weights: finetune).")
  private String recipe;

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
    private Optimization.Method optimizer;

    @Option(
        names = "--clip-gradient",
        paramLabel = "NORM",
        description = "Scale the gradients to this norm if theirs is larger. Default: not at all.")
    private Double clip;

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
   * @param many the default number of epochs if many networks are trained; null for a single one
   * @param bundled whether the data are bundled ones
   */
  TrainingSpec spec(
      Task<?, ?> task,
      Integer many,
      boolean bundled,
      ClassOptions images,
      SegmentationOptions masks,
      StartOptions start) {
    Recipe recipe = recipe(start);
    TrainingSpec plain = recipe.settings(task);
    Optimization.Method method =
        details.optimizer != null ? details.optimizer : plain.optimization().method();
    if (method == Optimization.Method.ADAMW && details.momentum != null) {
      throw new FoveaException("--momentum is for sgd and rmsprop; adamw has none");
    }
    boolean asUsually = many == null || recipe.sets(task, "--epochs");
    int times = epochs != null ? epochs : asUsually ? plain.epochs() : many;
    TrainingSpec usual = recipe.settings(task, times, method, isSlower(start));
    int batch = details.batchSize != null ? details.batchSize : usual.batchSize();
    TrainingSpec.Extras extras =
        usual.extras() instanceof SegmentationExtras ofMasks
            ? masks.extras(recipe.fitted(task, ofMasks, batch, start.isGiven(), bundled))
            : images.extras((ClassificationExtras) usual.extras());
    if (details.classWeights != null) {
      extras = extras.withClassWeights(ClassWeights.parse(details.classWeights));
    }
    return new TrainingSpec(
        times,
        batch,
        details.learningRate != null ? details.learningRate : usual.learningRate(),
        details.momentum != null ? details.momentum : usual.momentum(),
        details.weightDecay != null ? details.weightDecay : usual.weightDecay(),
        details.flip != null ? details.flip : usual.flip(),
        0,
        extras,
        start.transfer(task, usual.transfer()),
        optimization(usual.optimization()),
        schedule(usual));
  }

  private Recipe recipe(StartOptions start) {
    return recipe != null
        ? Recipe.of(recipe)
        : Recipe.named(start.isGiven() ? Recipe.FINETUNE : Recipe.SCRATCH);
  }

  /** Whether trained weights are to be kept by small steps. */
  private boolean isSlower(StartOptions start) {
    return start.isGiven() && !isFromScratch();
  }

  /** Whether the user asked for the recipe of new weights. */
  boolean isFromScratch() {
    return Recipe.SCRATCH.equals(recipe);
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
        .withClip(details.clip != null ? details.clip : usual.clip())
        .withPatience(details.patience != null ? details.patience : usual.patience())
        .withAccumulate(details.accumulate != null ? details.accumulate : usual.accumulate())
        .withEma(details.ema != null ? details.ema : usual.ema())
        .withSeconds(epochs != null ? 0 : usual.seconds());
  }
}
