package io.fovea.app.study;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.data.DataException;
import io.fovea.data.source.DataIdentity;
import io.fovea.models.Precision;
import io.fovea.training.run.Json;

/**
 * One training of a study: what {@link RunTrainer} needs to train it, in this process or in another
 * one.
 *
 * @param task the task with its data
 * @param identity which samples these are
 * @param precision the precision of convolutions
 * @param settings the fingerprint of the settings of the study
 * @param variant the attention
 * @param seed the seed of weights, order and augmentation
 * @param examples whether the result has predictions and maps for a few test samples
 */
public record TrainingJob(
    LoadedTask<?, ?> task,
    DataIdentity identity,
    Precision precision,
    String settings,
    String variant,
    long seed,
    boolean examples) {
  /** Describes the job for {@link #of(String)}. Paths become absolute; the data is not in it. */
  public String text() {
    ObjectNode all = Json.MAPPER.createObjectNode();
    all.set("setup", new ShippedTask(task, identity, precision).json());
    all.put("settings", settings);
    all.put("variant", variant);
    all.put("seed", seed);
    all.put("examples", examples);
    return Json.line(all);
  }

  /**
   * Reads what {@link #text} described, and opens its data unless the job before had the same.
   * Thread-safe.
   *
   * @throws DataException if the data cannot be read, or is not what it was described as
   */
  public static TrainingJob of(String text) {
    try {
      JsonNode all = Json.MAPPER.readTree(text);
      ShippedTask shipped = ShippedTask.of(all.get("setup"));
      return new TrainingJob(
          shipped.task(),
          shipped.identity(),
          shipped.precision(),
          all.get("settings").asText(),
          all.get("variant").asText(),
          all.get("seed").asLong(),
          all.get("examples").asBoolean());
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException("no description of a training: " + text, e);
    }
  }
}
