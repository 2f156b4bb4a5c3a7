package io.fovea.training;

import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.Safetensors;
import io.fovea.models.State;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/**
 * The folder that a training or an import leaves: {@code config.json} (everything that is needed to make the network
 * and to feed it), {@code metrics.jsonl} (a line for each epoch), {@code last.safetensors} and {@code
 * best.safetensors} (the weights after the last epoch, and after the one with the highest top-1 on the
 * test images).
 */
public final class RunFolder {
  private static final String FORMAT = "fovea-run/1";
  private static final String CONFIG = "config.json";

  /** Which weights. */
  public enum Weights {
    /** After the epoch with the highest top-1 on the test images. */
    BEST,
    /** After the last epoch. */
    LAST;

    private String file() {
      return (this == BEST ? "best" : "last") + ".safetensors";
    }
  }

  /**
   * What {@code config.json} holds.
   *
   * @param format names this layout
   * @param model the network
   * @param training how it was trained, null if elsewhere
   * @param data what it was trained on
   * @param machine where
   */
  public record Config(
      String format, ModelSpec model, TrainingSpec training, Data data, Machine machine) {}

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

    static Data of(DataSpec spec, ImageData data) {
      return new Data(
          spec,
          data.description(),
          data.train().classes(),
          data.train().height(),
          data.train().size(),
          data.normalization());
    }
  }

  private final Path path;
  private final Config config;

  private RunFolder(Path path, Config config) {
    this.path = path;
    this.config = config;
  }

  /**
   * Opens the folder of a finished (or interrupted) training.
   *
   * @throws DataException if it is not one
   */
  public static RunFolder open(Path path) {
    if (!Files.isRegularFile(path.resolve(CONFIG))) {
      throw new DataException(path + ": not a run folder: it has no " + CONFIG);
    }
    Config config = Json.read(path.resolve(CONFIG), Config.class);
    if (!FORMAT.equals(config.format()) || config.model() == null || config.data() == null) {
      throw new DataException(
          path.resolve(CONFIG) + ": expected format " + FORMAT + ", got " + config.format());
    }
    return new RunFolder(path, config);
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
            path, new Config(FORMAT, model, training, Data.of(spec, data), Machine.current()));
    folder.write(() -> Json.write(path.resolve(CONFIG), folder.config));
    double[] best = {-1};
    Trainer.train(
        network,
        data,
        training,
        new TrainingListener() {
          @Override
          public void step(int images, double loss) {
            listener.step(images, loss);
          }

          @Override
          public void epoch(EpochMetrics metrics, Evaluation test) {
            folder.write(
                () -> {
                  folder.save(network, Weights.LAST);
                  if (metrics.testTop1() > best[0]) {
                    best[0] = metrics.testTop1();
                    folder.save(network, Weights.BEST);
                  }
                  folder.append(metrics);
                });
            listener.epoch(metrics, test);
          }
        });
    return folder;
  }

  /**
   * Fails if a folder holds a run.
   *
   * @throws DataException if it does
   */
  public static void requireFree(Path path) {
    if (Files.exists(
        path.resolve(Weights.LAST.file()))) { // without weights, a training that failed
      throw new DataException(path + ": holds a run already; choose another folder");
    }
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
    RunFolder folder =
        new RunFolder(path, new Config(FORMAT, model, null, data, Machine.current()));
    folder.write(
        () -> {
          Json.write(path.resolve(CONFIG), folder.config);
          folder.save(network, Weights.LAST);
        });
    return folder;
  }

  private interface Writing {
    void run() throws IOException;
  }

  private void write(Writing writing) {
    try {
      writing.run();
    } catch (IOException e) {
      throw new DataException(path + ": cannot be written: " + e.getMessage(), e);
    }
  }

  private void save(Classifier network, Weights weights) throws IOException {
    try (PointerScope scope = new PointerScope()) {
      Safetensors.write(
          path.resolve(weights.file()), State.of(network), Map.of("format", "pt", "fovea", FORMAT));
    }
  }

  private void append(EpochMetrics metrics) throws IOException {
    Files.writeString(
        path.resolve("metrics.jsonl"),
        Json.line(metrics) + "\n",
        StandardOpenOption.CREATE,
        StandardOpenOption.APPEND);
  }

  /** Where the folder is. */
  public Path path() {
    return path;
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
    Path file = path.resolve("metrics.jsonl");
    List<EpochMetrics> metrics = new ArrayList<>();
    try {
      for (String line : Files.readAllLines(file)) {
        metrics.add(Json.MAPPER.readValue(line, EpochMetrics.class));
      }
    } catch (IOException e) {
      throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
    }
    return metrics;
  }

  /**
   * Makes the trained network, in evaluation mode.
   *
   * @throws DataException if the weights are not there or do not fit
   */
  public Classifier load(Weights weights) {
    Path file = path.resolve(weights.file());
    if (!Files.exists(file)) {
      throw new DataException(file + ": cannot be read: it is not there");
    }
    Classifier network;
    try {
      network = config.model().create();
    } catch (IllegalArgumentException e) {
      throw new DataException(path.resolve(CONFIG) + ": " + e.getMessage(), e);
    }
    try {
      try (PointerScope scope = new PointerScope()) {
        Map<String, Tensor> values = Safetensors.read(file);
        State.load(network, values);
      }
      network.eval();
      return network;
    } catch (IOException e) {
      throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
    } catch (IllegalArgumentException e) {
      throw new DataException(file + ": " + e.getMessage(), e);
    }
  }
}
