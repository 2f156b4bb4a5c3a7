package io.fovea.app.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/** Specs between commas, which also part the options, stages and blocks of a spec. */
final class ModuleList {
  /** What a spec begins with: a name alone, or before options, a place, a second spec or what follows it. */
  private static final Pattern BEGIN = Pattern.compile("([A-Za-z][\\w-]*\\s*([:@;+].*)?)?");

  private ModuleList() {}

  /** The specs one by one, as they were written. */
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
