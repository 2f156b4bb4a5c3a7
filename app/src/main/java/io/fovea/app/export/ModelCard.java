package io.fovea.app.export;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.data.DataException;
import io.fovea.data.Normalization;
import io.fovea.training.run.Json;
import io.fovea.training.run.RunFolder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * What an exported file says about its network beside the weights, so that the file is enough to use it.
 *
 * @param classes their names, in the order of the scores
 * @param channels of the images, 1 or 3
 * @param imageSize the side of the images in training, in pixels
 * @param normalization of the pixels
 */
public record ModelCard(
    List<String> classes, int channels, int imageSize, Normalization normalization) {
  private static final int LARGEST_SIDE = 8192; // a file must not make its reader run out of memory

  /** The card of a run, and its configuration, as text by name. */
  public static Map<String, String> metadata(RunFolder.Config config) {
    RunFolder.Data data = config.data();
    Map<String, String> metadata = new LinkedHashMap<>();
    metadata.put("classes", Json.line(data.classes()));
    metadata.put("channels", Integer.toString(config.model().channels()));
    metadata.put("image_size", Integer.toString(data.size()));
    metadata.put("mean", Json.line(data.normalization().mean()));
    metadata.put("std", Json.line(data.normalization().std()));
    metadata.put("fovea", Json.line(published(config)));
    return metadata;
  }

  /** Without the machine and the folders of the training: the file is made to be given away. */
  private static ObjectNode published(RunFolder.Config config) {
    ObjectNode tree = Json.tree(config);
    tree.remove("machine");
    ((ObjectNode) tree.get("data")).remove("spec");
    return tree;
  }

  /**
   * Reads a card.
   *
   * @throws DataException if something is missing or damaged; the message begins with {@code where}
   */
  public static ModelCard of(Map<String, String> metadata, String where) {
    try {
      int channels = tree(metadata, "channels", where).asInt();
      int imageSize = tree(metadata, "image_size", where).asInt();
      ModelCard card =
          new ModelCard(
              list(metadata, "classes", where, JsonNode::isTextual).stream()
                  .map(JsonNode::asText)
                  .toList(),
              channels,
              imageSize,
              new Normalization(numbers(metadata, "mean", where), numbers(metadata, "std", where)));
      if ((channels != 1 && channels != 3)
          || imageSize < 1
          || imageSize > LARGEST_SIDE
          || card.normalization.mean().size() != channels) {
        throw new DataException(
            where
                + ": its metadata do not fit together: "
                + channels
                + " channels, image size "
                + imageSize
                + ", mean "
                + card.normalization.mean());
      }
      return card;
    } catch (IllegalArgumentException e) {
      throw new DataException(where + ": its metadata: " + e.getMessage(), e);
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
