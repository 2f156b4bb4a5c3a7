package io.fovea.training.run;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.data.DataException;
import io.fovea.models.Network;
import io.fovea.models.Precision;
import io.fovea.models.weights.Safetensors;
import io.fovea.models.weights.StateDict;
import io.fovea.training.EpochResult;
import io.fovea.training.Task;
import io.fovea.training.TrainingListener;
import io.fovea.training.evaluate.Evaluation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Module;

/**
 * The files of a run, which are the same for all tasks: {@code config.json}, {@code metrics.jsonl},
 * {@code last.safetensors} and {@code best.safetensors}. Only what stands in the first differs.
 */
final class RunFiles {
  /** What {@code config.json} names its layout. */
  static final String FORMAT = "fovea-run/1";

  private static final String CONFIG = "config.json";

  private final Path path;

  RunFiles(Path path) {
    this.path = path;
  }

  Path path() {
    return path;
  }

  Path config() {
    return path.resolve(CONFIG);
  }

  private Path weights(RunFolder.Weights which) {
    return path.resolve(which.file());
  }

  void requireFree() {
    if (Files.exists(weights(RunFolder.Weights.LAST))) { // without weights, a training that failed
      throw new DataException(path + ": holds a run already; choose another folder");
    }
  }

  /** The task that a configuration names; classification where it names none. */
  Task task() {
    if (!Files.isRegularFile(config())) {
      throw new DataException(path + ": not a run folder: it has no " + CONFIG);
    }
    ObjectNode config = Json.read(config(), ObjectNode.class);
    if (!config.path("format").asText().equals(FORMAT)) {
      throw new DataException(
          config() + ": expected format " + FORMAT + ", got " + config.path("format").asText(null));
    }
    String name = config.path("task").asText(Task.CLASSIFICATION.toString());
    for (Task task : Task.values()) {
      if (task.toString().equals(name)) {
        return task;
      }
    }
    throw new DataException(config() + ": unknown task \"" + name + "\"");
  }

  /**
   * Reads a configuration.
   *
   * @throws DataException if the folder holds no run, or one of another task
   */
  <C> C config(Class<C> type, Task task) {
    Task there = task();
    if (there != task) {
      throw new DataException(path + ": a run of " + there + ", expected one of " + task);
    }
    return Json.read(config(), type);
  }

  /** What a configuration says of a network's precision: nothing of the usual one. */
  static String precision(Network network) {
    return network.precision() == Precision.FLOAT32 ? null : network.precision().toString();
  }

  void writeConfig(Object config) {
    write(() -> Json.write(config(), config));
  }

  void save(Module network, RunFolder.Weights which) {
    write(
        () -> {
          try (PointerScope scope = new PointerScope()) {
            Map<String, String> metadata = Map.of("format", "pt", "fovea", FORMAT);
            Safetensors.write(weights(which), StateDict.of(network), metadata);
          }
        });
  }

  /** Keeps weights and metrics after each epoch, and passes on what it is told. */
  TrainingListener keeping(Module network, TrainingListener listener) {
    double[] best = {-1};
    return new TrainingListener() {
      @Override
      public void step(int images, double loss) {
        listener.step(images, loss);
      }

      @Override
      public void epoch(EpochResult metrics, Evaluation test) {
        save(network, RunFolder.Weights.LAST);
        if (metrics.score() > best[0]) {
          best[0] = metrics.score();
          save(network, RunFolder.Weights.BEST);
        }
        write(
            () ->
                Files.writeString(
                    metricsFile(),
                    Json.line(metrics) + "\n",
                    StandardOpenOption.CREATE,
                    StandardOpenOption.APPEND));
        listener.epoch(metrics, test);
      }
    };
  }

  private Path metricsFile() {
    return path.resolve("metrics.jsonl");
  }

  <M extends EpochResult> List<M> metrics(Class<M> type) {
    List<M> metrics = new ArrayList<>();
    try {
      for (String line : Files.readAllLines(metricsFile())) {
        metrics.add(Json.MAPPER.readValue(line, type));
      }
    } catch (IOException e) {
      throw new DataException(metricsFile() + ": cannot be read: " + e.getMessage(), e);
    }
    return metrics;
  }

  /**
   * Makes a trained network, in evaluation mode.
   *
   * @param fresh makes it as the configuration says
   * @throws DataException if the weights are not there or do not fit
   */
  <N extends Module> N load(RunFolder.Weights which, Supplier<N> fresh) {
    Path file = weights(which);
    if (!Files.exists(file)) {
      throw new DataException(file + ": cannot be read: it is not there");
    }
    N network;
    try {
      network = fresh.get();
    } catch (IllegalArgumentException e) {
      throw new DataException(config() + ": " + e.getMessage(), e);
    }
    try {
      try (PointerScope scope = new PointerScope()) {
        StateDict.load(network, Safetensors.read(file));
      }
      network.eval();
      return network;
    } catch (IOException e) {
      throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
    } catch (IllegalArgumentException e) {
      throw new DataException(file + ": " + e.getMessage(), e);
    }
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
