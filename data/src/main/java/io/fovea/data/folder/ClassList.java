package io.fovea.data.folder;

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
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A list of class names in a text file, one on each line, in the order of the labels. Lines that
 * begin with {@code #} are comments. A file may number its lines: {@code 0: background}, {@code
 * 255: lesion}; the number is the value of the class in masks. In a {@code labelmap.txt} of CVAT,
 * {@code name:255,0,0::}, each class has a colour.
 *
 * @param names the names, in the order of the labels
 * @param values the value of each class in masks; empty if the label is the value
 * @param colours the colour of each class in masks, {@code 0xRRGGBB}; empty if masks have no colours
 */
public record ClassList(List<String> names, List<Integer> values, List<Integer> colours) {
  private static final Pattern NUMBERED = Pattern.compile("(\\d{1,5})\\s*[:=\\t]\\s*(\\S.*)");
  private static final Pattern COLOURED =
      Pattern.compile("(.+?):\\s*(\\d{1,3})\\s*,\\s*(\\d{1,3})\\s*,\\s*(\\d{1,3})\\s*(:.*)?");

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
    List<String> lines = lines(file);
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
  private static List<String> lines(Path file) {
    List<String> lines = new ArrayList<>();
    int blank = 0;
    int number = 0;
    for (String raw : text(file).split("\\R", -1)) {
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
