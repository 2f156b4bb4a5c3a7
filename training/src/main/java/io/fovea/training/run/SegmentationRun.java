package io.fovea.training.run;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.fovea.data.DataException;
import io.fovea.data.Normalization;
import io.fovea.data.mask.SegmentationData;
import io.fovea.data.source.SegmentationSource;
import io.fovea.models.Segmenter;
import io.fovea.models.SegmenterSpec;
import io.fovea.training.SegmentationMetrics;
import io.fovea.training.SegmentationSpec;
import io.fovea.training.SegmentationTrainer;
import io.fovea.training.Task;
import io.fovea.training.TrainingListener;
import java.nio.file.Path;
import java.util.List;

/**
 * The folder that a training of a segmentation network leaves, with the same files as a {@link
 * RunFolder}; {@code best.safetensors} are the weights after the epoch with the highest mIoU on the test
 * images.
 */
public final class SegmentationRun {
  /**
   * What {@code config.json} holds.
   *
   * @param format names this layout
   * @param task {@code segmentation}
   * @param model the network
   * @param training how it was trained; null if elsewhere
   * @param data what it was trained on
   * @param precision what convolutions computed in, null for float32
   * @param machine where
   */
  public record Config(
      String format,
      String task,
      SegmenterSpec model,
      SegmentationSpec training,
      Data data,
      @JsonInclude(JsonInclude.Include.NON_NULL) String precision,
      Machine machine) {}

  /**
   * The data set of a run, as far as using the network needs it.
   *
   * @param spec where the images come from; null if the network was trained elsewhere
   * @param description one line about them
   * @param classes the names of the classes, in the order of the scores
   * @param trainImages how many images it was trained on
   * @param normalization of its pixels
   */
  @JsonInclude(JsonInclude.Include.ALWAYS)
  public record Data(
      SegmentationSource spec,
      String description,
      List<String> classes,
      int trainImages,
      Normalization normalization) {
    /**
     * What is known of the images that weights from elsewhere were trained on.
     *
     * @param file where the weights come from
     */
    public static Data ofImport(Path file, List<String> classes, Normalization normalization) {
      return new Data(null, "imported from " + file, classes, 0, normalization);
    }
  }

  private final RunFiles files;
  private final Config config;

  private SegmentationRun(RunFiles files, Config config) {
    this.files = files;
    this.config = config;
  }

  /**
   * Opens the folder of a finished (or interrupted) training.
   *
   * @throws DataException if it is not one of segmentation
   */
  public static SegmentationRun open(Path path) {
    RunFiles files = new RunFiles(path);
    Config config = files.config(Config.class, Task.SEGMENTATION);
    if (config.model() == null || config.data() == null) {
      throw new DataException(files.config() + ": has no model or no data");
    }
    return new SegmentationRun(files, config);
  }

  /**
   * Trains a network and writes its folder as it goes: after each epoch the folder is complete.
   *
   * @param path made if it is not there; must not hold a run already
   * @param listener told of steps and epochs
   * @return the folder
   * @throws DataException if the folder holds a run, cannot be written, or the training fails
   */
  public static SegmentationRun train(
      Path path,
      Segmenter network,
      SegmenterSpec model,
      SegmentationSource source,
      SegmentationData data,
      SegmentationSpec training,
      TrainingListener listener) {
    RunFiles files = new RunFiles(path);
    files.requireFree();
    Data described =
        new Data(
            source,
            data.description(),
            data.train().classes(),
            data.train().size(),
            data.normalization());
    Config config = config(network, model, training, described);
    files.writeConfig(config);
    SegmentationTrainer.train(network, data, training, files.keeping(network, listener));
    return new SegmentationRun(files, config);
  }

  /**
   * Writes the folder of a network that was trained elsewhere, with its weights as {@code
   * last.safetensors}.
   *
   * @param path made if it is not there; must not hold a run already
   * @param model the network
   * @param data what its images are like
   * @return the folder
   * @throws DataException if the folder holds a run or cannot be written
   */
  public static SegmentationRun write(
      Path path, Segmenter network, SegmenterSpec model, Data data) {
    RunFiles files = new RunFiles(path);
    files.requireFree();
    Config config = config(network, model, null, data);
    files.writeConfig(config);
    files.save(network, RunFolder.Weights.LAST);
    return new SegmentationRun(files, config);
  }

  private static Config config(
      Segmenter network, SegmenterSpec model, SegmentationSpec training, Data data) {
    return new Config(
        RunFiles.FORMAT,
        Task.SEGMENTATION.toString(),
        model,
        training,
        data,
        RunFiles.precision(network),
        Machine.current());
  }

  /** Where the folder is. */
  public Path path() {
    return files.path();
  }

  /** What {@code config.json} holds. */
  public Config config() {
    return config;
  }

  /**
   * What the epochs came to.
   *
   * @throws DataException if a line is damaged
   */
  public List<SegmentationMetrics> metrics() {
    return files.metrics(SegmentationMetrics.class);
  }

  /**
   * Makes the trained network, in evaluation mode.
   *
   * @throws DataException if the weights are not there or do not fit
   */
  public Segmenter load(RunFolder.Weights weights) {
    return files.load(weights, config.model()::create);
  }
}
