package io.fovea.training.run;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.data.DataException;
import io.fovea.tensor.internal.AtomicFile;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.TreeSet;

/** Reads and writes Fovea's JSON files, whose keys look_like_this. Files are written atomically. */
public final class Json {
  /** Reads and writes records. */
  public static final JsonMapper MAPPER =
      JsonMapper.builder()
          .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
          .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
          .enable(SerializationFeature.INDENT_OUTPUT)
          .build();

  private Json() {}

  /**
   * Writes a value as JSON.
   *
   * @throws IOException if the file cannot be written; then it is unchanged
   */
  public static void write(Path file, Object value) throws IOException {
    writeText(file, MAPPER.writeValueAsString(value) + "\n");
  }

  /** Formats a value as JSON in one line. */
  public static String line(Object value) {
    try {
      return MAPPER.writer().without(SerializationFeature.INDENT_OUTPUT).writeValueAsString(value);
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Writes a text file.
   *
   * @throws IOException if the file cannot be written; then it is unchanged
   */
  public static void writeText(Path file, String text) throws IOException {
    AtomicFile.write(file, partial -> Files.writeString(partial, text));
  }

  /**
   * Reads a value.
   *
   * @throws DataException if the file does not exist or has another content; the message names the
   *     file
   */
  public static <T> T read(Path file, Class<T> type) {
    try {
      T value = MAPPER.readValue(file.toFile(), type);
      if (value == null) {
        throw new DataException(file + ": cannot be read: the file is empty");
      }
      return value;
    } catch (NoSuchFileException | FileNotFoundException e) {
      throw new DataException(file + ": does not exist", e);
    } catch (IOException e) {
      throw new DataException(file + ": cannot be read: " + firstLine(e), e);
    }
  }

  /**
   * Converts a value to the form in which it would be read from its file, so that equal numbers
   * have equal types.
   */
  public static ObjectNode tree(Object value) {
    try {
      return MAPPER.readValue(MAPPER.writeValueAsString(value), ObjectNode.class);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Reads what {@link #tree} made, from its text. */
  static ObjectNode parse(String text) {
    try {
      return MAPPER.readValue(text, ObjectNode.class);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Describes the first difference between two values: {@code training epochs: 3 in the folder, 4
   * now}.
   *
   * @return an empty text if they are equal
   */
  public static String difference(ObjectNode there, ObjectNode now) {
    TreeSet<String> names = new TreeSet<>();
    there.fieldNames().forEachRemaining(names::add);
    now.fieldNames().forEachRemaining(names::add);
    for (String name : names) {
      JsonNode before = there.path(name);
      JsonNode after = now.path(name);
      if (before.isObject() && after.isObject() && !before.equals(after)) {
        return name + " " + difference((ObjectNode) before, (ObjectNode) after);
      }
      if (!before.equals(after)) {
        return name + ": " + text(before) + " in the folder, " + text(after) + " now";
      }
    }
    return "";
  }

  private static String text(JsonNode value) {
    return value.isMissingNode() ? "nothing" : value.toString();
  }

  static String firstLine(IOException e) {
    return String.valueOf(e.getMessage()).lines().findFirst().orElse(e.getClass().getSimpleName());
  }
}
