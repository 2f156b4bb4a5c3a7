package io.fovea.models.weights.internal;

import com.fasterxml.jackson.databind.JsonNode;

/** Checks of values from untrusted files before they are used or printed. */
public final class UntrustedInput {
  private static final int LONGEST_TEXT = 100;
  private static final int LONGEST_NAME = 1000;
  private static final int MOST_DIMENSIONS = 64; // libtorch's own limit

  private UntrustedInput() {}

  /** Whether a name is acceptable for a tensor: one line of limited length. */
  public static boolean isName(String name) {
    return name.length() <= LONGEST_NAME && name.codePoints().noneMatch(UntrustedInput::isControl);
  }

  private static boolean isControl(int c) {
    // also separators of lines and paragraphs
    return Character.isISOControl(c) || c == 0x2028 || c == 0x2029;
  }

  /**
   * Shortens a name or value from a file for one line of an error message. Lists and dicts are not
   * written out: a few bytes can describe one whose text has no end.
   */
  public static String text(Object value) {
    boolean plain =
        value == null
            || value instanceof CharSequence
            || value instanceof Number
            || value instanceof Boolean
            || value instanceof JsonNode;
    String text = plain ? String.valueOf(value) : Pickle.kind(value);
    String start =
        text.length() <= LONGEST_TEXT ? text : text.substring(0, LONGEST_TEXT - 3) + "...";
    return start
        .codePoints()
        .map(c -> isControl(c) ? '?' : c)
        .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
        .toString();
  }

  /**
   * The number of bytes for a shape.
   *
   * @param sizes the sizes, which must not be negative
   * @throws ArithmeticException if the number, or the strides of such a tensor, exceed a long
   */
  public static long bytes(long elementSize, long[] sizes) {
    if (sizes.length > MOST_DIMENSIONS) {
      throw new ArithmeticException("more than " + MOST_DIMENSIONS + " dimensions");
    }
    long bytes = elementSize;
    boolean empty = false;
    for (long size : sizes) {
      // the strides of an empty tensor count, too
      bytes = Math.multiplyExact(bytes, Math.max(1, size));
      empty |= size == 0;
    }
    return empty ? 0 : bytes;
  }
}
