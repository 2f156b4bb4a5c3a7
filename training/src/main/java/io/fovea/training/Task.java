package io.fovea.training;

import com.fasterxml.jackson.annotation.JsonValue;
import io.fovea.data.DataException;
import io.fovea.data.Dataset;
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
import io.fovea.training.evaluate.TestTimeAugmentation;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.bytedeco.pytorch.Tensor;

/**
 * What networks are trained to do: which samples they learn from, what they are judged by, and what they
 * make of a file. All of Fovea works with tasks through this class; {@link Tasks} has the three.
 *
 * @param <N> the networks
 * @param <D> the data sets
 */
public abstract class Task<N extends Network, D extends Dataset<?>> {
  private final String name;
  private final List<Metric> metrics;
  private final Set<Capability> capabilities;

  Task(String name, List<Metric> metrics, Capability... capabilities) {
    this.name = name;
    this.metrics = metrics;
    this.capabilities = EnumSet.noneOf(Capability.class);
    this.capabilities.addAll(Arrays.asList(capabilities));
  }

  /** What it is called on the command line and in files. */
  @JsonValue
  @Override
  public final String toString() {
    return name;
  }

  /** What it is measured by: first what it is judged by, last the share of labels that were right. */
  public final List<Metric> metrics() {
    return metrics;
  }

  /** What it is judged by: the first of {@link #metrics}. */
  public final Metric score() {
    return metrics.get(0);
  }

  /** The share of labels that were right: the last of {@link #metrics}. */
  public final Metric accuracy() {
    return metrics.get(metrics.size() - 1);
  }

  /** Whether its networks can do something. */
  public final boolean can(Capability capability) {
    return capabilities.contains(capability);
  }

  /**
   * Fails if its networks cannot do something.
   *
   * @throws FoveaException with what cannot be done, and which tasks' networks can
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

  /** What its samples are called, several of them: {@code images}. */
  public abstract String units();

  /** Whether its networks name the class of each pixel, and not one for the whole. */
  public boolean namesPixels() {
    return false;
  }

  /** What the names of its runs begin with; nothing for the task that is taken where none is named. */
  public String prefix() {
    return name + "-";
  }

  // Defaults.

  /** The bundled samples that it is tried on. */
  public abstract DataSpec data();

  /** The backbone that it is tried with: small. */
  public abstract String backbone();

  /**
   * The network of a backbone, with no attention yet, for two classes of images in colour.
   *
   * @param sampling of videos, which tells their frames; null for images
   * @throws io.fovea.errors.SpecException if there is no such backbone for this task
   */
  public abstract NetworkSpec<N> network(String backbone, Sampling sampling);

  /** How a training of it usually goes. */
  public abstract TrainingSpec training();

  /** The epochs of a training that is one of many. */
  public abstract int epochsOfMany();

  /** The attention that a network of a backbone usually has: a spec, or {@code none}. */
  public abstract String attention(NetworkSpec<N> network);

  /** The attention that a network has whose weights come from elsewhere, unless it is said. */
  public String attentionElsewhere(NetworkSpec<N> network) {
    return attention(network);
  }

  /** The attentions that are worth a comparison, {@code none} first. */
  public abstract List<String> attentions(NetworkSpec<N> network);

  /** How many images at once the second latency of a comparison is that of. */
  public abstract int latencyBatch();

  // Data.

  /**
   * Reads samples.
   *
   * @param progress told of downloads and decoding
   * @throws DataException if they are not there or not usable
   */
  public abstract TrainingData<D> open(DataSpec spec, Progress progress);

  /**
   * The size of what a network takes, as {@link Network#macs} takes it: height and width, of a clip frames
   * before them.
   */
  public final int[] size(TrainingData<D> data) {
    Image first = data.test().sample(0).image();
    return first.frames() == 0
        ? new int[] {first.height(), first.width()}
        : new int[] {first.frames(), first.height(), first.width()};
  }

  /**
   * What has to be known to use a network that was trained on some data.
   *
   * @param spec where the data come from
   */
  public abstract Preprocessing preprocessing(TrainingData<D> data, DataSpec spec);

  /**
   * What has to be known to use a network that was trained elsewhere.
   *
   * @param network what its scores and inputs are like
   * @param size the side of the images that it was trained on
   */
  public abstract Preprocessing preprocessing(
      N network, List<String> classes, int size, Normalization normalization);

  // Training.

  /** The class that its networks' specs are of, in files. */
  public abstract Class<? extends NetworkSpec<N>> networkType();

  /**
   * Settings that are complete: what depends on the data is worked out.
   *
   * @throws io.fovea.errors.SpecException if they do not fit the data
   */
  TrainingSpec completed(TrainingSpec spec, TrainingData<D> data) {
    return spec;
  }

  /** What a training makes batches of. */
  abstract SampleSource samples(D data, Normalization normalization, TrainingSpec spec);

  /** Sets training mode. */
  abstract void toTrainingMode(N network, TrainingSpec spec);

  /** What is learnt from a batch; what it needs for that lives as long as the open scope. */
  abstract Loop.Objective objective(N network, TrainingSpec spec);

  /**
   * Puts weights from elsewhere into a fresh network, before it is trained.
   *
   * @param weights a file, or a run
   * @return one line that says what was done
   * @throws FoveaException if the weights do not fit, or this task cannot
   */
  public String initialise(N network, Path weights) {
    require(Capability.INITIAL_WEIGHTS);
    throw new AssertionError(this + " can, but does not");
  }

  // Use.

  /**
   * Evaluates a network, in evaluation mode; it and its parts are left in the mode they were in.
   *
   * @param network takes the images' channels and scores their classes
   * @param data what to look at
   * @param normalization as in training
   * @param inference how a segmentation network looks at an image, {@link TestTimeAugmentation#WHOLE} for others
   * @param progress told of each sample
   * @throws DataException if a sample cannot be read
   */
  public abstract Evaluation evaluate(
      N network,
      D data,
      Normalization normalization,
      TestTimeAugmentation inference,
      Progress progress);

  /**
   * What a network makes of one image or clip.
   *
   * @param network in evaluation mode
   * @param image as {@link Preprocessing} wants it
   * @param preprocessing as in training
   * @param inference how a segmentation network looks at an image, {@link TestTimeAugmentation#WHOLE} for others
   */
  public abstract Predictions predict(
      N network, Image image, Preprocessing preprocessing, TestTimeAugmentation inference);

  /** Which test samples a report shows: at most ten, of several classes. */
  public abstract List<Integer> examples(D test);

  /**
   * Writes a network as an ONNX file; the file appears whole or not at all.
   *
   * @param version of what writes, for those who look into the file
   * @param metadata free text that the file carries
   * @throws FoveaException if this task's networks cannot be written so
   * @throws IOException if the file cannot be written; then it is as it was before
   */
  public void writeOnnx(N network, Path file, String version, Map<String, String> metadata)
      throws IOException {
    require(Capability.ONNX);
    throw new AssertionError(this + " can, but does not");
  }

  /**
   * A network's weights under the names that other code gives them.
   *
   * @param model the network's spec
   * @throws FoveaException if the other code has no such network, or none of this task
   */
  public Map<String, Tensor> weights(N network, NetworkSpec<N> model, ExportLayout layout) {
    require(Capability.LAYOUTS);
    throw new AssertionError(this + " can, but does not");
  }

  /**
   * What a network makes of a file.
   *
   * @param network in evaluation mode
   * @param file an image, or a video
   * @param preprocessing as in training
   * @param inference how a segmentation network looks at an image, {@link TestTimeAugmentation#WHOLE} for others
   * @throws DataException if the file cannot be read
   */
  public Predictions predict(
      N network, Path file, Preprocessing preprocessing, TestTimeAugmentation inference) {
    return predict(network, preprocessing.read(file), preprocessing, inference);
  }
}
