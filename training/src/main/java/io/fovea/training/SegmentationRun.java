package io.fovea.training;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.fovea.models.Segmenter;
import io.fovea.models.SegmenterSpec;
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
   * @param training how it was trained
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
   * @param spec where the images come from
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
      Normalization normalization) {}

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
    Config config =
        new Config(
            RunFiles.FORMAT,
            Task.SEGMENTATION.toString(),
            model,
            training,
            described,
            RunFiles.precision(network),
            Machine.current());
    files.writeConfig(config);
    SegmentationTrainer.train(network, data, training, files.keeping(network, listener));
    return new SegmentationRun(files, config);
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
