package io.fovea.tensor.internal;

import io.fovea.errors.SpecException;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/** Finds the known name that is nearest to a misspelt one. */
public final class DidYouMean {
  private DidYouMean() {}

  /**
   * Creates an exception for an unknown name. It lists the available names and suggests the nearest
   * one.
   *
   * @param what the kind of the name, such as "mechanism"
   */
  public static SpecException unknown(String what, String given, List<String> known) {
    return new SpecException(
        "unknown "
            + what
            + ": \""
            + given
            + "\""
            + find(given, known).map(name -> " (did you mean \"" + name + "\"?)").orElse("")
            + (known.isEmpty()
                ? "; none is available"
                : "; available: " + String.join(", ", known)));
  }

  /**
   * The known name with the smallest edit distance, if that is less than half of the given name.
   */
  static Optional<String> find(String given, List<String> known) {
    return known.stream()
        .min(Comparator.comparingInt(name -> distance(given, name)))
        .filter(name -> 2 * distance(given, name) <= Math.max(given.length(), 2));
  }

  /** Levenshtein's distance. */
  private static int distance(String a, String b) {
    int[] row = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      row[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int substituted = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(substituted, 1 + Math.min(row[j], row[j - 1]));
      }
    }
    return row[b.length()];
  }
}
