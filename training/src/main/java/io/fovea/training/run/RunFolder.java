package io.fovea.training.run;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.fovea.data.DataException;
import io.fovea.data.ImageData;
import io.fovea.data.Normalization;
import io.fovea.data.source.DataSpec;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.training.EpochMetrics;
import io.fovea.training.Task;
import io.fovea.training.Trainer;
import io.fovea.training.TrainingListener;
import io.fovea.training.TrainingSpec;
import java.nio.file.Path;
import java.util.List;

/**
 * The folder that a training or an import leaves: {@code config.json} (everything that is needed to make the network
 * and to feed it), {@code metrics.jsonl} (a line for each epoch), {@code last.safetensors} and {@code
 * best.safetensors} (the weights after the last epoch, and after the one with the highest top-1 on the
 * test images).
 */
public final class RunFolder {
  /** Which weights. */
  public enum Weights {
    /** After the epoch with the highest top-1 on the test images. */
    BEST,
    /** After the last epoch. */
    LAST;

    String file() {
      return (this == BEST ? "best" : "last") + ".safetensors";
    }
  }

  /**
   * What {@code config.json} holds.
   *
   * @param format names this layout
   * @param task {@code video}, or null for classification
   * @param model the network
   * @param training how it was trained, null if elsewhere
   * @param data what it was trained on
   * @param precision what convolutions computed in, null for float32
   * @param machine where
   */
  public record Config(
      String format,
      @JsonInclude(JsonInclude.Include.NON_NULL) String task,
      ModelSpec model,
      TrainingSpec training,
      Data data,
      @JsonInclude(JsonInclude.Include.NON_NULL) String precision,
      Machine machine) {
    static Config of(ModelSpec model, TrainingSpec training, Data data, String precision) {
      return new Config(
          RunFiles.FORMAT,
          model.frames() > 0 ? Task.VIDEO.toString() : null,
          model,
          training,
          data,
          precision,
          Machine.current());
    }
  }

  /**
   * The data set of a run, as far as using the network needs it.
   *
   * @param spec where the images come from, null if that is not known
   * @param description one line about them
   * @param classes the names of the classes, in the order of the scores
   * @param size the side of the images in pixels
   * @param trainImages how many images it was trained on
   * @param normalization of its pixels
   */
  public record Data(
      DataSpec spec,
      String description,
      List<String> classes,
      int size,
      int trainImages,
      Normalization normalization) {
    /**
     * What is known of the images that weights from elsewhere were trained on.
     *
     * @param spec images of the same classes to evaluate with, or null
     * @param file where the weights come from
     */
    public static Data ofImport(
        DataSpec spec, Path file, List<String> classes, int size, Normalization normalization) {
      return new Data(spec, "imported from " + file, classes, size, 0, normalization);
    }

    public static Data of(DataSpec spec, ImageData data) {
      return new Data(
          spec,
          data.description(),
          data.train().classes(),
          data.train().height(),
          data.train().size(),
          data.normalization());
    }
  }

  private final RunFiles files;
  private final Config config;

  private RunFolder(Path path, Config config) {
    this.files = new RunFiles(path);
    this.config = config;
  }

  /**
   * Opens the folder of a finished (or interrupted) training.
   *
   * @throws DataException if it is not one, or one of another task
   */
  public static RunFolder open(Path path) {
    RunFiles files = new RunFiles(path);
    Config config =
        files.config(Config.class, files.task() == Task.VIDEO ? Task.VIDEO : Task.CLASSIFICATION);
    if (config.model() == null || config.data() == null) {
      throw new DataException(files.config() + ": has no model or no data");
    }
    return new RunFolder(path, config);
  }

  /**
   * Tells what the network in a folder was trained to do.
   *
   * @throws DataException if the folder holds no run
   */
  public static Task task(Path path) {
    return new RunFiles(path).task();
  }

  /**
   * Trains a network and writes its folder as it goes: after each epoch the folder is complete.
   *
   * @param path made if it is not there; must not hold a run already
   * @param listener told of steps and epochs
   * @return the folder
   * @throws DataException if the folder holds a run, cannot be written, or the training fails
   */
  public static RunFolder train(
      Path path,
      Classifier network,
      ModelSpec model,
      DataSpec spec,
      ImageData data,
      TrainingSpec training,
      TrainingListener listener) {
    requireFree(path);
    RunFolder folder =
        new RunFolder(
            path, Config.of(model, training, Data.of(spec, data), RunFiles.precision(network)));
    folder.files.writeConfig(folder.config);
    Trainer.train(network, data, training, folder.files.keeping(network, listener));
    return folder;
  }

  /**
   * Fails if a folder holds a run.
   *
   * @throws DataException if it does
   */
  public static void requireFree(Path path) {
    new RunFiles(path).requireFree();
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
  public static RunFolder write(Path path, Classifier network, ModelSpec model, Data data) {
    requireFree(path);
    RunFolder folder = new RunFolder(path, Config.of(model, null, data, null));
    folder.files.writeConfig(folder.config);
    folder.files.save(network, Weights.LAST);
    return folder;
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
  public List<EpochMetrics> metrics() {
    return files.metrics(EpochMetrics.class);
  }

  /**
   * Makes the trained network, in evaluation mode.
   *
   * @throws DataException if the weights are not there or do not fit
   */
  public Classifier load(Weights weights) {
    return files.load(weights, config.model()::create);
  }
}
