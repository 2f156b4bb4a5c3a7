package io.fovea.training.run;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.data.TrainingData;
import io.fovea.data.source.DataSpec;
import io.fovea.data.source.Preprocessing;
import io.fovea.errors.FoveaException;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.models.Precision;
import io.fovea.models.weights.Safetensors;
import io.fovea.models.weights.StateDict;
import io.fovea.training.EpochResult;
import io.fovea.training.Task;
import io.fovea.training.Tasks;
import io.fovea.training.Training;
import io.fovea.training.TrainingListener;
import io.fovea.training.TrainingSpec;
import io.fovea.training.evaluate.Evaluation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;

/**
 * The folder that a training or an import leaves: {@code config.json} (everything that is needed to make the
 * network and to feed it), {@code metrics.jsonl} (a line for each epoch), {@code last.safetensors} and
 * {@code best.safetensors} (the weights after the last epoch, and after the one with the best score on the
 * test samples).
 *
 * @param <N> the network
 * @param <D> the data sets
 */
public final class Run<N extends Network, D extends Dataset<?>> {
  /** What {@code config.json} names its layout; the number goes up when old files can no longer be read. */
  public static final String FORMAT = "fovea-run/2";

  private static final String CONFIG = "config.json";

  /** Which weights. */
  public enum Weights {
    /** After the epoch with the best score on the test samples. */
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
   * @param task what the network does
   * @param model the network
   * @param preprocessing what has to be known to use it
   * @param training how it was trained, null if elsewhere
   * @param data what it was trained on
   * @param precision what convolutions computed in, null for float32
   * @param machine where
   */
  public record Config<N extends Network>(
      String format,
      Task<N, ?> task,
      NetworkSpec<N> model,
      Preprocessing preprocessing,
      TrainingSpec training,
      Data data,
      @JsonInclude(JsonInclude.Include.NON_NULL) String precision,
      Machine machine) {}

  /**
   * The data of a run.
   *
   * @param spec where the samples come from, null if that is not known
   * @param description one line about them
   * @param trainImages how many samples it was trained on
   */
  public record Data(DataSpec spec, String description, int trainImages) {}

  private final Path path;
  private final Task<N, D> task;
  private final Config<N> config;

  private Run(Path path, Task<N, D> task, Config<N> config) {
    this.path = path;
    this.task = task;
    this.config = config;
  }

  /**
   * Opens the folder of a finished (or interrupted) training, or of an import.
   *
   * @throws DataException if it is not one, or was written by an older Fovea
   */
  public static Run<?, ?> open(Path path) {
    ObjectNode config = config(path);
    return open(path, task(path, config), config);
  }

  /**
   * The same of a task.
   *
   * @throws DataException if it is not one, or one of another task
   */
  public static <N extends Network, D extends Dataset<?>> Run<N, D> open(
      Path path, Task<N, D> task) {
    ObjectNode config = config(path);
    requireTask(path, task(path, config), task);
    return open(path, task, config);
  }

  /**
   * Tells what the network in a folder was trained to do.
   *
   * @throws DataException if the folder holds no run
   */
  public static Task<?, ?> task(Path path) {
    return task(path, config(path));
  }

  /**
   * Fails if a run is of another task.
   *
   * @param wanted null for any
   * @throws DataException if it is, or the folder holds no run
   */
  public static void requireTask(Path path, Task<?, ?> wanted) {
    requireTask(path, task(path), wanted);
  }

  /** Whether a folder holds a run, finished or not. */
  public static boolean isRun(Path path) {
    return Files.isRegularFile(path.resolve(CONFIG));
  }

  private static void requireTask(Path path, Task<?, ?> there, Task<?, ?> wanted) {
    if (wanted != null && there != wanted) {
      throw new DataException(path + ": a run of " + there + ", expected one of " + wanted);
    }
  }

  private static ObjectNode config(Path path) {
    Path file = path.resolve(CONFIG);
    if (!Files.isRegularFile(file)) {
      throw new DataException(path + ": not a run folder: it has no " + CONFIG);
    }
    ObjectNode config = Json.read(file, ObjectNode.class);
    String format = config.path("format").asText(null);
    if ("fovea-run/1".equals(format)) {
      throw new DataException(
          path
              + ": was written by an older version of Fovea, whose runs are not read any more; train it"
              + " again, or take its weights with fovea import "
              + path.resolve("last.safetensors"));
    }
    if (!FORMAT.equals(format)) {
      throw new DataException(file + ": expected format " + FORMAT + ", got " + format);
    }
    return config;
  }

  private static Task<?, ?> task(Path path, ObjectNode config) {
    try {
      return Tasks.of(config.path("task").asText(null));
    } catch (FoveaException e) {
      throw new DataException(path.resolve(CONFIG) + ": " + e.getMessage(), e);
    }
  }

  private static <N extends Network, D extends Dataset<?>> Run<N, D> open(
      Path path, Task<N, D> task, ObjectNode config) {
    Path file = path.resolve(CONFIG);
    Config<N> read =
        new Config<>(
            FORMAT,
            task,
            part(file, config, "model", task.networkType()),
            part(file, config, "preprocessing", Preprocessing.class),
            part(file, config, "training", TrainingSpec.class),
            part(file, config, "data", Data.class),
            config.path("precision").asText(null),
            part(file, config, "machine", Machine.class));
    if (read.model() == null || read.preprocessing() == null || read.data() == null) {
      throw new DataException(file + ": has no model, no preprocessing or no data");
    }
    return new Run<>(path, task, read);
  }

  private static <T> T part(Path file, ObjectNode config, String name, Class<T> type) {
    try {
      JsonNode node = config.path(name);
      return node.isMissingNode() || node.isNull() ? null : Json.MAPPER.treeToValue(node, type);
    } catch (JsonProcessingException e) {
      throw new DataException(file + ": " + name + ": " + Json.firstLine(e), e);
    }
  }

  /**
   * Fails if a folder holds a run.
   *
   * @throws DataException if it does
   */
  public static void requireFree(Path path) {
    if (Files.exists(path.resolve(Weights.LAST.file()))) { // without, a training that failed
      throw new DataException(path + ": holds a run already; choose another folder");
    }
  }

  /**
   * Trains a network and writes its folder as it goes: after each epoch the folder is complete.
   *
   * @param path made if it is not there; must not hold a run already
   * @param source where the data come from
   * @param listener told of steps and epochs
   * @return the folder
   * @throws DataException if the folder holds a run, cannot be written, or the training fails
   */
  public static <N extends Network, D extends Dataset<?>> Run<N, D> train(
      Path path, Training<N, D> training, DataSpec source, TrainingListener listener) {
    requireFree(path);
    Task<N, D> task = training.task();
    TrainingData<D> data = training.data();
    Run<N, D> run =
        new Run<>(
            path,
            task,
            new Config<>(
                FORMAT,
                task,
                training.model(),
                task.preprocessing(data, source),
                training.spec(),
                new Data(source, data.description(), data.train().size()),
                precision(training.network()),
                Machine.current()));
    run.writeConfig();
    training.start(run.keeping(training.network(), listener));
    return run;
  }

  /**
   * Writes the folder of a network that was trained elsewhere, with its weights as {@code
   * last.safetensors}.
   *
   * @param path made if it is not there; must not hold a run already
   * @param model the network's spec
   * @param preprocessing what has to be known to use it
   * @param origin where it comes from, in one line
   * @param source samples of the same classes to evaluate with, or null
   * @return the folder
   * @throws DataException if the folder holds a run or cannot be written
   */
  public static <N extends Network, D extends Dataset<?>> Run<N, D> write(
      Path path,
      Task<N, D> task,
      N network,
      NetworkSpec<N> model,
      Preprocessing preprocessing,
      String origin,
      DataSpec source) {
    requireFree(path);
    Run<N, D> run =
        new Run<>(
            path,
            task,
            new Config<>(
                FORMAT,
                task,
                model,
                preprocessing,
                null,
                new Data(source, origin, 0),
                precision(network),
                Machine.current()));
    run.writeConfig();
    run.save(network, Weights.LAST);
    return run;
  }

  private static String precision(Network network) {
    return network.precision() == Precision.FLOAT32 ? null : network.precision().toString();
  }

  /** Where the folder is. */
  public Path path() {
    return path;
  }

  /** The folder's name. */
  public String name() {
    return path.toAbsolutePath().normalize().getFileName().toString();
  }

  /** What the network does. */
  public Task<N, D> task() {
    return task;
  }

  /**
   * This run as one of a task, for who knows the task.
   *
   * @throws DataException if it is of another task
   */
  @SuppressWarnings("unchecked") // the types are the task's
  public <M extends Network, E extends Dataset<?>> Run<M, E> as(Task<M, E> wanted) {
    requireTask(path, task, wanted);
    return (Run<M, E>) this;
  }

  /**
   * Where samples for the network come from.
   *
   * @param source other samples than its own; null for its own
   * @throws DataException if its own are not known
   */
  public DataSpec data(String source) {
    DataSpec own = config.data().spec();
    if (source == null) {
      if (own == null) {
        throw new DataException(path + ": was imported and has no images of its own; give --data");
      }
      return own;
    }
    Preprocessing p = preprocessing();
    DataSpec other = own == null ? DataSpec.of(source) : own.withSource(source);
    return p.size() == 0
        ? other
        : other.withImageSize(p.size()).withChannels(p.channels()).withSampling(p.sampling());
  }

  /**
   * Fails if samples have other classes than the network.
   *
   * @param classes of the samples
   * @param where the samples come from, for the message
   * @throws DataException if they have
   */
  public void requireSameClasses(List<String> classes, String where) {
    if (!preprocessing().classes().equals(classes)) {
      throw new DataException(
          where
              + ": the network was trained on other classes: "
              + preprocessing().classes()
              + ", the images have "
              + classes);
    }
  }

  /** What {@code config.json} holds. */
  public Config<N> config() {
    return config;
  }

  /** What has to be known to use the network. */
  public Preprocessing preprocessing() {
    return config.preprocessing();
  }

  /**
   * What the epochs came to.
   *
   * @throws DataException if a line is damaged
   */
  public List<EpochResult> metrics() {
    List<EpochResult> metrics = new ArrayList<>();
    try {
      for (String line : Files.readAllLines(metricsFile())) {
        metrics.add(Json.MAPPER.readValue(line, EpochResult.class));
      }
    } catch (IOException e) {
      throw new DataException(metricsFile() + ": cannot be read: " + e.getMessage(), e);
    }
    return metrics;
  }

  /**
   * Makes the trained network, in evaluation mode.
   *
   * @throws DataException if the weights are not there or do not fit
   */
  public N load(Weights weights) {
    Path file = path.resolve(weights.file());
    if (!Files.exists(file)) {
      throw new DataException(file + ": cannot be read: it is not there");
    }
    N network;
    try {
      network = config.model().create();
    } catch (FoveaException e) {
      throw new DataException(path.resolve(CONFIG) + ": " + e.getMessage(), e);
    }
    try {
      try (PointerScope scope = new PointerScope()) {
        StateDict.load(network, Safetensors.read(file));
      }
      network.eval();
      return network;
    } catch (IOException e) {
      throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
    } catch (FoveaException e) {
      throw new DataException(file + ": " + e.getMessage(), e);
    }
  }

  private void writeConfig() {
    write(() -> Json.write(path.resolve(CONFIG), config));
  }

  private void save(N network, Weights which) {
    write(
        () -> {
          try (PointerScope scope = new PointerScope()) {
            Map<String, String> metadata = Map.of("format", "pt", "fovea", FORMAT);
            Safetensors.write(path.resolve(which.file()), StateDict.of(network), metadata);
          }
        });
  }

  /** Keeps weights and metrics after each epoch, and passes on what it is told. */
  private TrainingListener keeping(N network, TrainingListener listener) {
    double[] best = {-1};
    return new TrainingListener() {
      @Override
      public void step(int images, double loss) {
        listener.step(images, loss);
      }

      @Override
      public void epoch(EpochResult result, Evaluation test) {
        save(network, Weights.LAST);
        double score = result.test(task.score());
        if (score > best[0]) {
          best[0] = score;
          save(network, Weights.BEST);
        }
        write(
            () ->
                Files.writeString(
                    metricsFile(),
                    Json.line(result) + "\n",
                    StandardOpenOption.CREATE,
                    StandardOpenOption.APPEND));
        listener.epoch(result, test);
      }
    };
  }

  private Path metricsFile() {
    return path.resolve("metrics.jsonl");
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
}
