package io.fovea.app.study;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.data.Progress;
import io.fovea.data.source.DataIdentity;
import io.fovea.data.source.DataSpec;
import io.fovea.models.Network;
import io.fovea.models.Precision;
import io.fovea.training.PublishedWeights;
import io.fovea.training.Task;
import io.fovea.training.Tasks;
import io.fovea.training.TrainingSpec;
import io.fovea.training.run.Json;
import java.nio.file.Path;

/**
 * A task with its data, as trainings in another process need it.
 *
 * @param task the task with its data
 * @param identity which samples these are
 * @param precision the precision of convolutions
 */
record ShippedTask(LoadedTask<?, ?> task, DataIdentity identity, Precision precision) {
  private static final String IDENTITY = "identity";
  private static final String PRECISION = "precision";

  // The data of the jobs that were read last: those of a study all have the same.
  private static String readSetup;
  private static LoadedTask<?, ?> readTask;

  /** Describes the task for {@link #of}. Paths become absolute; the data is not in it. */
  ObjectNode json() {
    TaskSetup<?, ?> setup = task.setup();
    ObjectNode what = Json.MAPPER.createObjectNode();
    what.put("task", setup.task().toString());
    what.set("data", Json.tree(setup.data().absolute()));
    what.set("network", Json.tree(setup.network()));
    what.set("training", Json.tree(setup.training()));
    if (setup.initial() != null && setup.initial().path() != null) {
      what.put("initial", setup.initial().path().toAbsolutePath().toString());
    } else if (setup.initial() != null) {
      what.put("published", setup.initial().published().backbone());
      what.put("version", setup.initial().published().version());
    }
    what.set(IDENTITY, Json.tree(identity));
    what.put(PRECISION, precision.toString());
    return what;
  }

  /**
   * Reads what {@link #json} described, and opens its data unless the task before had the same.
   * Thread-safe.
   *
   * @throws DataException if the data cannot be read, or is not what it was described as
   */
  static ShippedTask of(JsonNode setup) throws JsonProcessingException {
    DataIdentity identity = read(setup, IDENTITY, DataIdentity.class);
    return new ShippedTask(
        opened(setup, identity),
        identity,
        setup.get(PRECISION).asText().equals(Precision.BF16.toString())
            ? Precision.BF16
            : Precision.FLOAT32);
  }

  private static synchronized LoadedTask<?, ?> opened(JsonNode setup, DataIdentity identity)
      throws JsonProcessingException {
    if (!setup.toString().equals(readSetup)) {
      LoadedTask<?, ?> task =
          setup(Tasks.of(setup.get("task").asText()), setup).open(Progress.NONE);
      String difference = DataIdentity.of(task.data()).difference(identity);
      if (!difference.isEmpty()) {
        throw new DataException(
            task.setup().data().source()
                + ": is other data here than where the study was started ("
                + difference
                + ")");
      }
      readTask = task;
      readSetup = setup.toString();
    }
    return readTask;
  }

  private static <N extends Network, D extends Dataset<?>> TaskSetup<N, D> setup(
      Task<N, D> task, JsonNode setup) throws JsonProcessingException {
    Origin initial = null;
    if (setup.has("initial")) {
      initial = Origin.of(Path.of(setup.get("initial").asText()));
    } else if (setup.has("published")) {
      initial =
          Origin.of(
              PublishedWeights.of(setup.get("published").asText(), setup.get("version").asText()));
    }
    return new TaskSetup<>(
        task,
        read(setup, "data", DataSpec.class),
        read(setup, "network", task.networkType()),
        read(setup, "training", TrainingSpec.class),
        initial);
  }

  private static <T> T read(JsonNode all, String name, Class<T> type)
      throws JsonProcessingException {
    return Json.MAPPER.treeToValue(all.get(name), type);
  }
}
