package io.fovea.app.study;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.data.source.DataIdentity;
import io.fovea.models.Network;
import io.fovea.models.Precision;
import io.fovea.training.run.Json;
import io.fovea.training.search.Lap;
import io.fovea.training.search.LapEngine;
import io.fovea.training.search.LapJob;
import io.fovea.training.search.LapTrainer;
import io.fovea.training.search.SearchObserver;
import io.fovea.training.search.SearchSpec;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * One training of a search, for another process.
 *
 * @param task the task with its data
 * @param identity which samples these are
 * @param precision the precision of convolutions
 * @param validation the share of the training samples on which the race looks
 * @param searchSeed the seed of the search, which determines this part
 * @param lap the training
 */
public record SearchJob(
    LoadedTask<?, ?> task,
    DataIdentity identity,
    Precision precision,
    double validation,
    long searchSeed,
    LapJob lap) {
  /** Describes a training of a search. */
  public SearchJob(
      LoadedTask<?, ?> task,
      DataIdentity identity,
      Precision precision,
      SearchSpec spec,
      LapJob lap) {
    this(task, identity, precision, spec.validation(), spec.seed(), lap);
  }

  /** Describes the job for {@link #of(String)}. Paths become absolute; the data is not in it. */
  public String text() {
    ObjectNode all = Json.MAPPER.createObjectNode();
    all.set("setup", new ShippedTask(task, identity, precision).json());
    all.put("validation", validation);
    all.put("search_seed", searchSeed);
    all.set("lap", Json.tree(lap));
    return Json.line(all);
  }

  /**
   * Reads what {@link #text} described, and opens its data unless the job before had the same.
   * Thread-safe.
   *
   * @throws DataException if the data cannot be read, or is not what it was described as
   */
  public static SearchJob of(String text) {
    try {
      JsonNode all = Json.MAPPER.readTree(text);
      ShippedTask shipped = ShippedTask.of(all.get("setup"));
      return new SearchJob(
          shipped.task(),
          shipped.identity(),
          shipped.precision(),
          all.get("validation").asDouble(),
          all.get("search_seed").asLong(),
          Json.MAPPER.treeToValue(all.get("lap"), LapJob.class));
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException("no description of a training: " + text, e);
    }
  }

  /**
   * Trains in this process, with as many threads as this thread has. An interrupt stops it at its
   * next step.
   *
   * @param state the file from which the training goes on; null to begin
   * @throws java.util.concurrent.CancellationException if the thread was interrupted
   * @throws DataException if the training fails for a reason that a user can correct
   */
  public LapEngine.Outcome train(byte[] state) {
    try {
      Path folder = Files.createTempDirectory("fovea-search");
      Path file = folder.resolve("lap.json");
      Path stateFile = folder.resolve("state.safetensors");
      try {
        if (state != null) {
          Files.write(stateFile, state);
        }
        Optional<Lap> done = train(task, file, stateFile);
        return new LapEngine.Outcome(
            done.orElse(null), Files.exists(stateFile) ? Files.readAllBytes(stateFile) : null);
      } finally {
        Files.deleteIfExists(file);
        Files.deleteIfExists(stateFile);
        Files.deleteIfExists(folder);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e); // the fault of this machine, not of the training
    }
  }

  private <N extends Network, D extends Dataset<?>> Optional<Lap> train(
      LoadedTask<N, D> loaded, Path file, Path stateFile) {
    return new LapTrainer<>(
            loaded.task(), loaded.data(), validation, searchSeed, loaded::training, precision)
        .train(
            lap,
            file,
            stateFile,
            new SearchObserver<>() {
              @Override
              public JsonNode look(String module, N network) {
                return Json.MAPPER.valueToTree(loaded.examples(network));
              }
            });
  }
}
