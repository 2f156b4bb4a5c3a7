package io.fovea.training.run;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.data.DataException;
import io.fovea.data.Normalization;
import io.fovea.data.mask.Masks;
import io.fovea.data.source.Preprocessing;
import io.fovea.data.video.Sampling;
import io.fovea.errors.SpecException;
import io.fovea.training.Task;
import io.fovea.training.Tasks;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * The metadata of an exported file, which make it usable without the run: a {@link Preprocessing}
 * and the configuration of the run, as text by name.
 */
public final class ModelCard {
  private ModelCard() {}

  /**
   * Returns the metadata of a run. {@code fovea} has the configuration, with the identity of the
   * data and the version of Fovea; {@code unfinished} is there only for a training that did not end.
   *
   * @param weights the weights that the file holds
   */
  public static Map<String, String> metadata(Run<?, ?> run, Run.Weights weights) {
    Preprocessing preprocessing = run.preprocessing();
    Map<String, String> metadata = new LinkedHashMap<>();
    metadata.put("classes", ascii(preprocessing.classes()));
    metadata.put("channels", Integer.toString(preprocessing.channels()));
    metadata.put("image_size", Integer.toString(preprocessing.size()));
    metadata.put(
        "resize", Integer.toString(preprocessing.size() == 0 ? 0 : preprocessing.crop().resize()));
    metadata.put("mean", Json.line(preprocessing.normalization().mean()));
    metadata.put("std", Json.line(preprocessing.normalization().std()));
    metadata.put("weights", run.describe(weights));
    metadata.put("task", run.task().toString());
    if (preprocessing.sampling() != null) {
      metadata.put("sampling", Json.line(preprocessing.sampling()));
    }
    if (run.task().namesPixels()) {
      metadata.put("colors", Json.line(Masks.colours(preprocessing.classes().size())));
    }
    metadata.put("fovea", ascii(published(run.config())));
    run.unfinished().ifPresent(epochs -> metadata.put("unfinished", epochs));
    return metadata;
  }

  /**
   * JSON with escapes for all letters beyond ASCII. Programs read the metadata of ONNX files as text
   * of other encodings, in which an emoji is damaged.
   */
  static String ascii(Object value) {
    StringBuilder text = new StringBuilder();
    for (char c : Json.line(value).toCharArray()) {
      if (c < 128) {
        text.append(c);
      } else {
        text.append(String.format("\\u%04x", (int) c));
      }
    }
    return text.toString();
  }

  /**
   * The machine and the folders of the training are left out, because the file is meant to be
   * passed on.
   */
  private static ObjectNode published(Run.Config<?> config) {
    ObjectNode tree = Json.tree(config);
    tree.remove("machine");
    ((ObjectNode) tree.get("data")).remove("spec");
    return tree;
  }

  /**
   * Reads the task; files of older versions without one are for classification.
   *
   * @throws DataException if the task is unknown; the message begins with {@code where}
   */
  public static Task<?, ?> task(Map<String, String> metadata, String where) {
    try {
      return Tasks.of(metadata.getOrDefault("task", Tasks.CLASSIFICATION.toString()));
    } catch (SpecException e) {
      throw new DataException(where + ": its metadata: " + e.getMessage(), e);
    }
  }

  /**
   * Reads the metadata.
   *
   * @throws DataException if something is missing or damaged; the message begins with {@code where}
   */
  public static Preprocessing of(Map<String, String> metadata, String where) {
    int channels = tree(metadata, "channels", where).asInt();
    int imageSize = tree(metadata, "image_size", where).asInt();
    int resize = // files of older versions do not have it
        metadata.containsKey("resize") ? tree(metadata, "resize", where).asInt() : 0;
    List<String> classes =
        list(metadata, "classes", where, JsonNode::isTextual).stream()
            .map(JsonNode::asText)
            .toList();
    List<Double> mean = numbers(metadata, "mean", where);
    List<Double> std = numbers(metadata, "std", where);
    if (imageSize == 0 && !task(metadata, where).namesPixels()) { // 0: images of any size
      throw new DataException(
          where
              + ": its metadata: inconsistent preprocessing: "
              + channels
              + " channels, image size 0");
    }
    try {
      return new Preprocessing(
          classes,
          channels,
          imageSize,
          new Normalization(mean, std),
          sampling(metadata, where),
          resize == imageSize ? 0 : resize);
    } catch (SpecException e) {
      throw new DataException(where + ": its metadata: " + e.getMessage(), e);
    }
  }

  private static Sampling sampling(Map<String, String> metadata, String where) {
    String text = metadata.get("sampling");
    try {
      return text == null ? null : Json.MAPPER.readValue(text, Sampling.class);
    } catch (JsonProcessingException e) {
      throw new DataException(where + ": its metadata: sampling is " + text, e);
    }
  }

  private static List<Double> numbers(Map<String, String> metadata, String key, String where) {
    return list(metadata, key, where, JsonNode::isNumber).stream().map(JsonNode::asDouble).toList();
  }

  private static List<JsonNode> list(
      Map<String, String> metadata, String key, String where, Predicate<JsonNode> expected) {
    JsonNode tree = tree(metadata, key, where);
    List<JsonNode> list = new ArrayList<>();
    tree.forEach(list::add);
    if (!tree.isArray() || list.isEmpty() || !list.stream().allMatch(expected)) {
      throw new DataException(where + ": its metadata: " + key + " is " + tree);
    }
    return list;
  }

  private static JsonNode tree(Map<String, String> metadata, String key, String where) {
    String text = metadata.get(key);
    if (text == null) {
      throw new DataException(
          where + ": has no metadata \"" + key + "\"; expected a file that fovea export wrote");
    }
    try {
      return Json.MAPPER.readTree(text);
    } catch (JsonProcessingException e) {
      throw new DataException(where + ": its metadata: " + key + " is not JSON: " + text, e);
    }
  }
}
