package io.fovea;

import io.fovea.data.AugmentSpec;
import io.fovea.errors.SpecException;
import io.fovea.training.ClassWeights;
import io.fovea.training.ClassificationExtras;
import io.fovea.training.Optimization;
import io.fovea.training.Recipe;
import io.fovea.training.Schedule;
import io.fovea.training.SegmentationExtras;
import io.fovea.training.Task;
import io.fovea.training.Tasks;
import io.fovea.training.TrainingSpec;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * How a network is trained: the optimiser, the schedule of its learning rate, the augmentation of
 * the images. Immutable: each method returns settings that differ in one thing.
 *
 * <pre>{@code
 * Training training = Training.defaults().epochs(30).onEpoch(System.out::println);
 * }</pre>
 */
public final class Training {
  private final Recipe recipe;
  private final UnaryOperator<TrainingSpec> changes;
  private final Consumer<Epoch> onEpoch;
  private final ProgressListener progress;
  private final BooleanSupplier stop;
  private final @Nullable Duration saveEvery;

  private Training(
      Recipe recipe,
      UnaryOperator<TrainingSpec> changes,
      Consumer<Epoch> onEpoch,
      ProgressListener progress,
      BooleanSupplier stop,
      @Nullable Duration saveEvery) {
    this.recipe = recipe;
    this.changes = changes;
    this.saveEvery = saveEvery;
    this.onEpoch = onEpoch;
    this.progress = progress;
    this.stop = stop;
  }

  private static Training of(Recipe recipe) {
    return new Training(
        recipe, spec -> spec, epoch -> {}, ProgressListener.NONE, () -> false, null);
  }

  /**
   * The settings of {@code fovea train}. For a classifier: 10 epochs, batches of 16, a learning rate
   * of at most 0.1, a weight decay of 0.0005, images that are shifted and mirrored at random (not in
   * fewer than 5 epochs, which do not repay it). For a
   * segmentation network those of DANet's paper: 20 epochs, batches of 8, a learning rate that falls
   * from 0.1, random crops of images that are scaled at random.
   */
  public static Training defaults() {
    return of(Recipe.named(Recipe.SCRATCH));
  }

  /**
   * Settings for a model that starts from trained weights: as {@link #defaults}, but with a learning
   * rate of at most 0.01, and ten times as much for what starts fresh.
   */
  public static Training finetune() {
    return of(Recipe.named(Recipe.FINETUNE));
  }

  /**
   * The settings of a recipe, which the methods change.
   *
   * @param nameOrFile {@code scratch}, {@code finetune}, {@code paper}, {@code torchvision-v2}, or a
   *     text file as {@link Model#recipe} writes it
   * @throws SpecException if there is no such recipe, or a line of it is wrong
   * @throws io.fovea.data.DataException if the file cannot be read
   */
  public static Training ofRecipe(String nameOrFile) {
    return of(Recipe.of(nameOrFile)).with(spec -> spec);
  }

  /**
   * Keeps trained weights, and the running statistics of their batch norms.
   *
   * @param what {@code backbone}, or the number of the last of the backbone's stages, counted from
   *     1, that is kept with all before it and the stem. What starts fresh is trained in any case.
   * @throws SpecException if it is neither
   */
  public Training freeze(String what) {
    return with(s -> s.withTransfer(s.transfer().withFreeze(what)));
  }

  /** A mistake is named here, not when the images have been read. */
  private Training with(UnaryOperator<TrainingSpec> change) {
    fits(change);
    return new Training(
        recipe, s -> change.apply(changes.apply(s)), onEpoch, progress, stop, saveEvery);
  }

  /** These settings with a change, for the first task that has them all. */
  private TrainingSpec fits(UnaryOperator<TrainingSpec> change) {
    SpecException ofOthers = null; // of settings before, which are for another task
    SpecException mistake = null;
    for (Task<?, ?> task : Tasks.all()) {
      TrainingSpec before;
      try {
        before = spec(task);
      } catch (SpecException e) {
        ofOthers = e;
        continue;
      }
      try {
        return change.apply(before);
      } catch (SpecException e) {
        mistake = mistake == null ? e : mistake;
      }
    }
    throw mistake == null ? Objects.requireNonNull(ofOthers) : mistake;
  }

  /** Changes what images and videos with one class have. */
  private Training ofClasses(String what, UnaryOperator<ClassificationExtras> change) {
    return with(
        s -> {
          if (!(s.extras() instanceof ClassificationExtras extras)) {
            throw new SpecException(what + " is for samples with one class, not for masks");
          }
          return s.withExtras(change.apply(extras));
        });
  }

  /** Changes what images with masks have. */
  private Training ofMasks(String what, UnaryOperator<SegmentationExtras> change) {
    return with(
        s -> {
          if (!(s.extras() instanceof SegmentationExtras extras)) {
            throw new SpecException(what + " is for images with masks");
          }
          return s.withExtras(change.apply(extras));
        });
  }

  /**
   * The number of passes over the training images.
   *
   * @throws SpecException if it is less than 1
   */
  public Training epochs(int epochs) {
    return with(s -> s.withEpochs(epochs).withOptimization(s.optimization().withSeconds(0)));
  }

  /**
   * Trains for about a time instead of a number of epochs: as many as fit, at least one.
   *
   * @throws SpecException if it is negative
   */
  public Training time(Duration time) {
    double seconds = time.toMillis() / 1000.0;
    return with(s -> s.withOptimization(s.optimization().withSeconds(seconds)));
  }

  /**
   * The number of images of a step.
   *
   * @throws SpecException if it is less than 1; {@link Model#train} throws it for 1 image with one
   *     class, because batch norms need more than one value
   */
  public Training batchSize(int images) {
    return with(s -> s.withBatchSize(images));
  }

  /**
   * The highest learning rate of the schedule.
   *
   * @throws SpecException if it is not above 0
   */
  public Training learningRate(double rate) {
    return with(s -> s.withLearningRate(rate));
  }

  /**
   * The weight decay of convolutions and linear layers; batch norms and biases have none.
   *
   * @throws SpecException if it is not from 0 to below 1
   */
  public Training weightDecay(double decay) {
    return with(s -> s.withWeightDecay(decay));
  }

  /**
   * The optimiser: {@code sgd}, {@code adamw} or {@code rmsprop}; default {@code sgd}. Learning rate
   * and weight decay have other defaults with AdamW (0.001 and 0.05) and RMSprop (0.001 and 0.00001);
   * with {@link #finetune} the rate is a tenth of it.
   *
   * @throws SpecException if there is no such optimiser
   */
  public Training optimizer(String name) {
    return with(s -> s.withOptimization(s.optimization().withMethod(Optimization.Method.of(name))));
  }

  /**
   * How the learning rate changes, such as {@code cosine:warmup=0.1} or {@code step:size=30}; see
   * {@code docs/training.md}. By default it rises during a fifth of the training, and falls along
   * half a cosine.
   *
   * @throws SpecException if there is no such schedule, or a value is out of range
   */
  public Training schedule(String schedule) {
    return with(s -> s.withSchedule(Schedule.parse(schedule)));
  }

  /**
   * The momentum of {@code sgd} and {@code rmsprop}; default 0.9.
   *
   * @throws SpecException if it is not from 0 to below 1
   */
  public Training momentum(double momentum) {
    return with(s -> s.withMomentum(momentum));
  }

  /**
   * Scales the gradients of all weights together to this norm if theirs is larger.
   *
   * @param norm the largest norm; 0, the default, for any
   * @throws SpecException if it is below 0
   */
  public Training clipGradient(double norm) {
    return with(s -> s.withOptimization(s.optimization().withClip(norm)));
  }

  /**
   * Ends the training after some epochs without a better score on the test images.
   *
   * @param epochs the number of epochs; 0, the default, for all
   * @throws SpecException if it is below 0
   */
  public Training patience(int epochs) {
    return with(s -> s.withOptimization(s.optimization().withPatience(epochs)));
  }

  /**
   * The number of batches whose gradients make a step, as with a batch that many times as large;
   * default 1.
   *
   * @throws SpecException if it is less than 1
   */
  public Training accumulate(int batches) {
    return with(s -> s.withOptimization(s.optimization().withAccumulate(batches)));
  }

  /**
   * Keeps a moving average of the weights, evaluates it after each epoch, and saves it; {@link
   * Run#openAverage} opens it.
   *
   * @param decay the decay of a step, such as 0.9998, below which it stays at the beginning; 0, the
   *     default, for no average
   * @throws SpecException if it is not from 0 to below 1
   */
  public Training ema(double decay) {
    return with(s -> s.withOptimization(s.optimization().withEma(decay)));
  }

  /**
   * The weight of each class in the loss, in the order of the classes; default 1 for all.
   *
   * @throws SpecException if one is below 0, or all are 0. {@link Model#train} throws it if there is
   *     not one for each class.
   */
  public Training classWeights(List<Double> weights) {
    return with(s -> s.withExtras(s.extras().withClassWeights(ClassWeights.of(weights))));
  }

  /**
   * Weighs the images in the loss so that all classes count the same, whatever their number; the
   * pixels of masks by {@code 1 / ln(1.02 + share)}, as in ENet.
   */
  public Training balancedClassWeights() {
    return with(s -> s.withExtras(s.extras().withClassWeights(ClassWeights.BALANCED)));
  }

  /**
   * Whether each class is shown equally often in an epoch; default false.
   *
   * @throws SpecException if settings for masks were changed before
   */
  public Training balance(boolean balance) {
    return ofClasses("balance", e -> e.withBalance(balance));
  }

  /** Whether training images are mirrored at random. */
  public Training flip(boolean flip) {
    return with(s -> s.withFlip(flip));
  }

  /**
   * The probability that label smoothing spreads over all classes; default 0.
   *
   * @throws SpecException if it is not from 0 to below 1, or settings for masks were changed before
   */
  public Training labelSmoothing(double probability) {
    return ofClasses("label smoothing", e -> e.withLabelSmoothing(probability));
  }

  /**
   * Changes training images at random; see {@code docs/augmentation.md}.
   *
   * @param steps the changes in their order, such as {@code crop=0.35,1;trivial;erase=0.25;mixup=0.2}
   * @throws SpecException if there is no such step, or settings for masks were changed before
   */
  public Training augment(String steps) {
    AugmentSpec parsed = AugmentSpec.parse(steps);
    return ofClasses("augment", e -> e.withAugment(parsed));
  }

  /**
   * The side of the random crops of images with masks; default 384.
   *
   * @param pixels at least 8
   * @throws SpecException if it is smaller, or settings for samples with one class were changed before
   */
  public Training cropSize(int pixels) {
    return ofMasks("the size of crops", e -> e.withCropSize(pixels));
  }

  /**
   * The range of the random scale of images with masks before the crop; default 0.5 to 2.
   *
   * @throws SpecException if the smallest is not above 0, they are not in this order, or settings for
   *     samples with one class were changed before
   */
  public Training scales(double smallest, double largest) {
    return ofMasks("the range of scales", e -> e.withScales(smallest, largest));
  }

  /**
   * The factor for the losses of the auxiliary classifiers of a segmentation network; default 1, and
   * 0 for none.
   *
   * @throws SpecException if it is below 0, or settings for samples with one class were changed before
   */
  public Training auxiliaryWeight(double factor) {
    return ofMasks("the weight of auxiliary losses", e -> e.withAuxiliaryWeight(factor));
  }

  /**
   * Whether the batch norms in the backbone of a segmentation network keep their running statistics,
   * as is better for trained weights and batches of less than 8 images; default false.
   *
   * @throws SpecException if settings for samples with one class were changed before
   */
  public Training keepStatistics(boolean keep) {
    return ofMasks("keeping statistics", e -> e.withKeptStatistics(keep));
  }

  /** Calls a listener after each epoch and its test, on the thread that trains. */
  public Training onEpoch(Consumer<Epoch> listener) {
    return new Training(recipe, changes, onEpoch.andThen(listener), progress, stop, saveEvery);
  }

  /** Tells a listener of the progress in images, on the thread that trains. */
  public Training progress(ProgressListener listener) {
    return new Training(recipe, changes, onEpoch, listener, stop, saveEvery);
  }

  /**
   * Ends the training when a condition holds. It is asked after each step. {@link Model#train} then
   * throws a {@link java.util.concurrent.CancellationException}; the folder of the run has the
   * weights after the last whole epoch.
   */
  public Training cancelWhen(BooleanSupplier condition) {
    return new Training(recipe, changes, onEpoch, progress, condition, saveEvery);
  }

  /**
   * Also saves the state within the epochs, so that less is lost if a training with long epochs is
   * interrupted.
   *
   * @param time the least time between two states; null, the default, for after each epoch
   */
  public Training saveEvery(Duration time) {
    return new Training(recipe, changes, onEpoch, progress, stop, time);
  }

  @Nullable Duration saveEvery() {
    return saveEvery;
  }

  /** The settings for a task, with new weights and one's own data. */
  TrainingSpec spec(Task<?, ?> task) {
    return spec(task, false, false);
  }

  /**
   * The settings for a task.
   *
   * @param fromWeights whether the network starts from trained weights
   * @param bundled whether the data are bundled ones
   * @throws SpecException if they do not fit it
   */
  TrainingSpec spec(Task<?, ?> task, boolean fromWeights, boolean bundled) {
    TrainingSpec first = changes.apply(recipe.settings(task));
    // defaults depend on what was chosen, in whatever order
    TrainingSpec usual =
        recipe.settings(task, first.epochs(), first.optimization().method(), recipe.keepsWeights());
    return changes.apply(
        usual.extras() instanceof SegmentationExtras masks
            ? usual.withExtras(recipe.fitted(task, masks, first.batchSize(), fromWeights, bundled))
            : usual);
  }

  Consumer<Epoch> onEpoch() {
    return onEpoch;
  }

  ProgressListener progress() {
    return progress;
  }

  boolean isCancelled() {
    return stop.getAsBoolean();
  }

  /** Epochs, batches and learning rate; where the defaults differ, those of classifiers. */
  @Override
  public String toString() {
    TrainingSpec spec = fits(same -> same);
    double seconds = spec.optimization().seconds();
    return (seconds > 0 ? seconds + " seconds" : spec.epochs() + " epochs")
        + ", batches of "
        + spec.batchSize()
        + ", learning rate up to "
        + spec.learningRate();
  }
}
