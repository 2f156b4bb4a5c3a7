package io.fovea.app.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Splits a list of specs at commas. Commas also separate the options, stages and blocks within a
 * spec.
 */
final class ModuleList {
  /**
   * The beginning of a spec: a name, followed by nothing, options, a place or a second mechanism.
   */
  private static final Pattern BEGIN = Pattern.compile("([A-Za-z][\\w-]*\\s*([:@;+].*)?)?");

  private ModuleList() {}

  /** The specs as they were written. */
  static List<String> split(String text) {
    List<String> specs = new ArrayList<>();
    for (String piece : text.split(",", -1)) {
      if (specs.isEmpty() || BEGIN.matcher(piece.strip()).matches()) {
        specs.add(piece.strip());
      } else {
        specs.add(specs.remove(specs.size() - 1) + "," + piece.strip());
      }
    }
    return specs;
  }
}
