package io.fovea.training;

import com.fasterxml.jackson.annotation.JsonValue;
import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.data.EvaluationData;
import io.fovea.data.Image;
import io.fovea.data.Normalization;
import io.fovea.data.Progress;
import io.fovea.data.SampleSource;
import io.fovea.data.TrainingData;
import io.fovea.data.source.DataSpec;
import io.fovea.data.source.Preprocessing;
import io.fovea.data.video.Sampling;
import io.fovea.errors.FoveaException;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.models.transfer.ExportLayout;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.evaluate.Metric;
import io.fovea.training.evaluate.Predictions;
import io.fovea.training.evaluate.SampleResult;
import io.fovea.training.evaluate.TestTimeAugmentation;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.bytedeco.pytorch.Tensor;

/**
 * A task of networks: its samples, its metrics and its predictions for a file. All code uses tasks
 * through this class; {@link Tasks} lists them.
 *
 * @param <N> the type of the networks
 * @param <D> the type of the data sets
 */
public abstract class Task<N extends Network, D extends Dataset<?>> {
  private static final int FINE_ENOUGH = 200;

  private final String name;
  private final List<Metric> metrics;
  private final Set<Capability> capabilities;

  Task(String name, List<Metric> metrics, Capability... capabilities) {
    this.name = name;
    this.metrics = metrics;
    this.capabilities = EnumSet.noneOf(Capability.class);
    this.capabilities.addAll(Arrays.asList(capabilities));
  }

  /** The name on the command line and in files. */
  @JsonValue
  @Override
  public final String toString() {
    return name;
  }

  /** The metrics of the task: the first is its score, the last is the share of correct labels. */
  public final List<Metric> metrics() {
    return metrics;
  }

  /** The score of the task: the first of {@link #metrics}. */
  public final Metric score() {
    return metrics.get(0);
  }

  /** The share of correct labels: the last of {@link #metrics}. */
  public final Metric accuracy() {
    return metrics.get(metrics.size() - 1);
  }

  /** Whether the task supports an operation. */
  public final boolean can(Capability capability) {
    return capabilities.contains(capability);
  }

  /**
   * Throws an exception if the task does not support an operation.
   *
   * @throws FoveaException if it is not supported; the message names the tasks that support it
   */
  public final void require(Capability capability) {
    if (!can(capability)) {
      String others =
          Tasks.all().stream()
              .filter(task -> task.can(capability))
              .map(Task::toString)
              .collect(Collectors.joining(" and "));
      throw new FoveaException(
          "networks for "
              + name
              + " cannot "
              + capability.text()
              + " yet; those for "
              + others
              + " can"
              + capability.instead().map(text -> "; " + text).orElse(""));
    }
  }

  /** The plural name of its samples, such as {@code images}. */
  public abstract String units();

  /**
   * How much a single test sample changes the share of correct ones, in words: {@code one image is
   * 2.9 points}. Empty for 200 samples or more, for which it is half a point, and for a task whose
   * samples have many labels each.
   *
   * @param samples the number of test samples
   */
  public final Optional<String> shareOfOne(int samples) {
    if (samples >= FINE_ENOUGH || namesPixels()) {
      return Optional.empty();
    }
    String unit = units().substring(0, units().length() - 1);
    return Optional.of(String.format(Locale.ROOT, "one %s is %.1f points", unit, 100.0 / samples));
  }

  /** Whether its networks predict the class of each pixel instead of one class. */
  public boolean namesPixels() {
    return false;
  }

  /** The prefix of its run names; empty for the default task. */
  public String prefix() {
    return name + "-";
  }

  // Defaults.

  /** The bundled samples, which are the default. */
  public abstract DataSpec data();

  /** The default backbone, which is small. */
  public abstract String backbone();

  /**
   * The default backbone for photographs, for which the small one sees too little; empty if the
   * default is the same for images of all sizes.
   */
  public Optional<String> backboneOfPhotographs() {
    return Optional.empty();
  }

  /**
   * Returns the spec of a backbone without attention, for two classes of colour images.
   *
   * @param sampling the sampling of videos, which determines the number of frames; null for images
   * @throws io.fovea.errors.SpecException if the task has no such backbone
   */
  public abstract NetworkSpec<N> network(String backbone, Sampling sampling);

  /** The default settings of a training. */
  public abstract TrainingSpec training();

  /** The default number of epochs if many networks are trained. */
  public abstract int epochsOfMany();

  /** The default attention for a backbone: a spec, or {@code none}. */
  public abstract String attention(NetworkSpec<N> network);

  /** The default attentions of a comparison, {@code none} first. */
  public abstract List<String> attentions(NetworkSpec<N> network);

  /** The attentions that a search tries unless it is told which: all that there are. */
  public abstract List<String> candidates(NetworkSpec<N> network);

  /**
   * The placements in which a search tries an attention that names none; empty if the networks have
   * only one place.
   */
  public abstract List<String> placements();

  /** The batch size of the second latency in a comparison. */
  public abstract int latencyBatch();

  // Data.

  /**
   * Reads samples.
   *
   * @param progress told of downloads and decoding
   * @throws DataException if the images do not exist or cannot be used
   */
  public abstract TrainingData<D> open(DataSpec spec, Progress progress);

  /**
   * Reads samples to evaluate a network that was trained on other ones: all samples of a folder, or
   * the test part of a split one. They have the classes of the network, matched by name.
   *
   * @param classes the classes of the network, in the order of its scores
   * @param progress told of downloads and decoding
   * @throws DataException if the samples do not exist or have none of the classes
   */
  public abstract EvaluationData<D> openAll(DataSpec spec, List<String> classes, Progress progress);

  /**
   * The size of a network's input, as for {@link Network#macs}: height and width, for a clip with
   * the frames before them.
   */
  public final int[] size(TrainingData<D> data) {
    Image first = data.test().sample(0).image();
    return first.frames() == 0
        ? new int[] {first.height(), first.width()}
        : new int[] {first.frames(), first.height(), first.width()};
  }

  /**
   * The preprocessing for a network that was trained on some data.
   *
   * @param spec the source of the data
   */
  public abstract Preprocessing preprocessing(TrainingData<D> data, DataSpec spec);

  /**
   * The preprocessing for an imported network.
   *
   * @param network the spec of the network
   * @param size the side of its training images
   */
  public abstract Preprocessing preprocessing(
      N network, List<String> classes, int size, Normalization normalization);

  // Training.

  /** The class of its network specs, for reading files. */
  public abstract Class<? extends NetworkSpec<N>> networkType();

  /**
   * Returns complete settings, in which values that depend on the data are computed.
   *
   * @throws io.fovea.errors.SpecException if they do not fit the data
   */
  TrainingSpec completed(TrainingSpec spec, TrainingData<D> data) {
    return spec;
  }

  /** The source of samples for the batches of a training. */
  abstract SampleSource samples(D data, Normalization normalization, TrainingSpec spec);

  /**
   * The class of each sample if each class is to be shown equally often, otherwise null.
   */
  int[] balanced(D data, TrainingSpec spec) {
    return null;
  }

  /** Sets training mode. */
  abstract void toTrainingMode(N network, TrainingSpec spec);

  /**
   * Returns the function that computes the loss of a batch. Its tensors live as long as the open
   * scope.
   */
  abstract Loop.Objective objective(N network, TrainingSpec spec);

  /**
   * Converts weights from which a network of this task can start, such as those of an image
   * network, to the names and shapes of the network.
   *
   * @param weights the weights by name
   * @param backboneOnly whether everything but the backbone is left out
   */
  Map<String, Tensor> adapted(N network, Map<String, Tensor> weights, boolean backboneOnly) {
    return weights;
  }

  /**
   * Whether a weight that is missing starts fresh, apart from classifier and attention.
   *
   * @param weights the names of all weights that are there
   */
  boolean startsFresh(String name, Set<String> weights) {
    return false;
  }

  /** Whether a parameter belongs to the head, which has a learning rate of its own. */
  boolean isHead(String parameter) {
    return false;
  }

  // Use.

  /**
   * Evaluates a network in evaluation mode, and restores the mode of the network and its parts.
   *
   * @param network the network, with the channels and classes of the images
   * @param data the samples
   * @param normalization the normalisation of the training
   * @param inference the test-time augmentation of segmentation networks; {@link
   *     TestTimeAugmentation#WHOLE} for others
   * @param progress receives the progress in samples
   * @throws DataException if a sample cannot be read
   */
  public final Evaluation evaluate(
      N network,
      D data,
      Normalization normalization,
      TestTimeAugmentation inference,
      Progress progress) {
    return evaluate(network, data, normalization, inference, progress, result -> {});
  }

  /**
   * The same as {@link #evaluate(Network, Dataset, Normalization, TestTimeAugmentation, Progress)},
   * with the result of each sample.
   *
   * @param each receives the result of each sample, in the order of the samples
   */
  public abstract Evaluation evaluate(
      N network,
      D data,
      Normalization normalization,
      TestTimeAugmentation inference,
      Progress progress,
      Consumer<SampleResult> each);

  /**
   * Predicts several images or clips of one size together.
   *
   * @param scores the network in evaluation mode, as {@link Network#scores}: images {@code [B, C,
   *     H, W]} or clips {@code [B, C, T, H, W]} to unnormalised scores
   * @param images the images, prepared by {@link Preprocessing}, all of one shape; at least one
   * @param preprocessing the preprocessing of the training
   * @param inference the test-time augmentation of segmentation networks; {@link
   *     TestTimeAugmentation#WHOLE} for others
   * @return the predictions, in the order of the images
   */
  public abstract List<Predictions> predict(
      UnaryOperator<Tensor> scores,
      List<Image> images,
      Preprocessing preprocessing,
      TestTimeAugmentation inference);

  /** The same for one image or clip. */
  public final Predictions predict(
      UnaryOperator<Tensor> scores,
      Image image,
      Preprocessing preprocessing,
      TestTimeAugmentation inference) {
    return predict(scores, List.of(image), preprocessing, inference).get(0);
  }

  /** The same for one image or clip and a network of this task. */
  public final Predictions predict(
      N network, Image image, Preprocessing preprocessing, TestTimeAugmentation inference) {
    return predict(network::scores, image, preprocessing, inference);
  }

  /** Whether its files are images, which {@link Preprocessing#read} reads. */
  public boolean predictsImages() {
    return true;
  }

  /** The indices of the test samples for a report: at most ten, from several classes. */
  public abstract List<Integer> examples(D test);

  /**
   * Converts the weights of a network to the names of another library.
   *
   * @param model the spec of the network
   * @throws FoveaException if the library has no such network, or none for this task
   */
  public Map<String, Tensor> weights(N network, NetworkSpec<N> model, ExportLayout layout) {
    require(Capability.LAYOUTS);
    throw new AssertionError(this + " can, but does not");
  }

  /**
   * Predicts a file.
   *
   * @param scores the network in evaluation mode, as {@link Network#scores}
   * @param file an image or a video
   * @param preprocessing the preprocessing of the training
   * @param inference the test-time augmentation of segmentation networks; {@link
   *     TestTimeAugmentation#WHOLE} for others
   * @throws DataException if the file cannot be read
   */
  public Predictions predict(
      UnaryOperator<Tensor> scores,
      Path file,
      Preprocessing preprocessing,
      TestTimeAugmentation inference) {
    return predict(scores, preprocessing.read(file), preprocessing, inference);
  }
}
