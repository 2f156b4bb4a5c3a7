package io.fovea.data.folder;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.TextNode;
import io.fovea.data.DataException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A list of class names in a text file, one on each line, in the order of the labels. Lines that
 * begin with {@code #} are comments. A file may number its lines: {@code 0: background}, {@code
 * 255: lesion}; the number is the value of the class in masks. In a {@code labelmap.txt} of CVAT,
 * {@code name:255,0,0::}, each class has a colour. A file that begins with a bracket is a list or a dict
 * of JSON or Python: {@code ["cat", "dog"]}, {@code {0: 'cat', 1: 'dog'}}, {@code {"0": ["n02121808",
 * "cat"], ...}} or {@code {"cat": 0, "dog": 1}}.
 *
 * @param names the names, in the order of the labels
 * @param values the value of each class in masks; empty if the label is the value
 * @param colours the colour of each class in masks, {@code 0xRRGGBB}; empty if masks have no colours
 */
public record ClassList(List<String> names, List<Integer> values, List<Integer> colours) {
  private static final Pattern NUMBERED = Pattern.compile("(\\d{1,5})\\s*[:=\\t]\\s*(\\S.*)");
  private static final Pattern COLOURED =
      Pattern.compile("(.+?):\\s*(\\d{1,3})\\s*,\\s*(\\d{1,3})\\s*,\\s*(\\d{1,3})\\s*(:.*)?");

  /** Python's literals have quotes of both kinds, and numbers as keys. */
  private static final JsonMapper LITERALS =
      JsonMapper.builder()
          .enable(JsonReadFeature.ALLOW_SINGLE_QUOTES)
          .enable(JsonReadFeature.ALLOW_UNQUOTED_FIELD_NAMES)
          .enable(JsonReadFeature.ALLOW_BACKSLASH_ESCAPING_ANY_CHARACTER)
          .enable(JsonReadFeature.ALLOW_TRAILING_COMMA)
          .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  /** The first line of labelme's lists: the label -1, which its masks store as 255. */
  private static final String IGNORED = "__ignore__";

  /** Copies the lists. */
  public ClassList {
    names = List.copyOf(names);
    values = List.copyOf(values);
    colours = List.copyOf(colours);
  }

  /**
   * Reads a file in UTF-8 (with or without a byte order mark) or UTF-16 (with one).
   *
   * @throws DataException if the file cannot be read, is not such text, or has a blank line between
   *     classes or a class twice
   */
  public static ClassList read(Path file) {
    String text = text(file);
    if (text.stripLeading().startsWith("{") || text.stripLeading().startsWith("[")) {
      List<String> names = literal(file, text);
      requireDifferent(file, names, "has the class %s twice");
      return new ClassList(names, List.of(), List.of());
    }
    List<String> lines = lines(file, text);
    if (!lines.isEmpty() && lines.get(0).equals(IGNORED)) {
      lines = lines.subList(1, lines.size());
    }
    List<String> names = new ArrayList<>();
    List<Integer> values = new ArrayList<>();
    List<Integer> colours = new ArrayList<>();
    for (String line : lines) {
      Matcher numbered = NUMBERED.matcher(line);
      Matcher coloured = COLOURED.matcher(line);
      if (coloured.matches()) {
        names.add(coloured.group(1).strip());
        colours.add(colour(coloured, file, line));
      } else if (numbered.matches()) {
        names.add(numbered.group(2).strip());
        values.add(Integer.valueOf(numbered.group(1)));
      } else {
        names.add(line);
      }
    }
    if (colours.size() != names.size()) {
      colours.clear();
    }
    if (values.size() != names.size()) { // names that happen to look like numbers
      values.clear();
      names = colours.isEmpty() ? lines : names;
    }
    requireDifferent(file, names, "has the class %s twice");
    requireDifferent(file, values, "gives the value %s to two classes");
    requireDifferent(file, colours, "gives one colour to two classes");
    return new ClassList(names, values, colours);
  }

  /** The names in a list or a dict of JSON or Python, by their indices. */
  private static List<String> literal(Path file, String text) {
    JsonNode root;
    try {
      root = LITERALS.readTree(text);
    } catch (JsonProcessingException e) {
      throw new DataException(
          file
              + ": begins like a list or dict of JSON or Python, but line "
              + e.getLocation().getLineNr()
              + " cannot be read",
          e);
    }
    List<String> names = new ArrayList<>();
    if (root.isArray()) {
      root.forEach(each -> names.add(name(file, each)));
      return names;
    }
    SortedMap<Integer, String> byIndex = new TreeMap<>();
    for (Map.Entry<String, JsonNode> entry : root.properties()) {
      boolean counted = entry.getKey().matches("\\d{1,9}") && !entry.getValue().isInt();
      if (counted) {
        byIndex.put(Integer.valueOf(entry.getKey()), name(file, entry.getValue()));
      } else if (entry.getValue().isInt()) {
        byIndex.put(entry.getValue().intValue(), name(file, TextNode.valueOf(entry.getKey())));
      }
    }
    boolean whole =
        byIndex.size() == root.size()
            && (byIndex.isEmpty()
                || (byIndex.firstKey() == 0 && byIndex.lastKey() == byIndex.size() - 1));
    if (!whole) {
      throw new DataException(
          file + ": expected a name for each index from 0 on, or an index for each name");
    }
    return List.copyOf(byIndex.values());
  }

  /** A name, which may be the last of several: ImageNet's files have its WordNet number before it. */
  private static String name(Path file, JsonNode value) {
    JsonNode last = value.isArray() && !value.isEmpty() ? value.get(value.size() - 1) : value;
    String name = last.asText().strip();
    if (!last.isTextual() || name.isEmpty() || name.chars().anyMatch(Character::isISOControl)) {
      throw new DataException(file + ": expected the names of classes, got " + value);
    }
    return name;
  }

  private static int colour(Matcher line, Path file, String text) {
    int colour = 0;
    for (int group = 2; group <= 4; group++) {
      int value = Integer.parseInt(line.group(group));
      if (value > 255) {
        throw new DataException(file + ": not a colour: " + text);
      }
      colour = colour << 8 | value;
    }
    return colour;
  }

  private static void requireDifferent(Path file, List<?> list, String message) {
    List<Object> rest = new ArrayList<>(list);
    new LinkedHashSet<>(list).forEach(rest::remove);
    if (!rest.isEmpty()) {
      throw new DataException(file + ": " + String.format(message, rest.get(0)));
    }
  }

  /** The lines with classes, without comments and without blank lines at the end. */
  private static List<String> lines(Path file, String text) {
    List<String> lines = new ArrayList<>();
    int blank = 0;
    int number = 0;
    for (String raw : text.split("\\R", -1)) {
      number++;
      String line = raw.strip();
      if (line.startsWith("#")) {
        continue;
      }
      if (line.isEmpty()) {
        blank = blank == 0 ? number : blank;
        continue;
      }
      if (blank > 0 && !lines.isEmpty()) {
        throw new DataException(
            file
                + ": line "
                + blank
                + " is blank, but classes follow; remove it or name the class");
      }
      blank = 0;
      lines.add(line);
    }
    return lines;
  }

  private static String text(Path file) {
    try {
      byte[] content = Files.readAllBytes(file);
      Charset charset = utf16(content).orElse(StandardCharsets.UTF_8);
      String text = charset.newDecoder().decode(ByteBuffer.wrap(content)).toString();
      return text.startsWith("\ufeff") ? text.substring(1) : text;
    } catch (NoSuchFileException e) {
      throw new DataException(file + ": no such file", e);
    } catch (CharacterCodingException e) {
      throw new DataException(file + ": is not text in UTF-8; save it with this encoding", e);
    } catch (IOException e) {
      throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
    }
  }

  private static Optional<Charset> utf16(byte[] content) {
    if (content.length < 2) {
      return Optional.empty();
    }
    int mark = (content[0] & 255) << 8 | (content[1] & 255);
    return mark == 0xfeff || mark == 0xfffe
        ? Optional.of(StandardCharsets.UTF_16)
        : Optional.empty();
  }
}
