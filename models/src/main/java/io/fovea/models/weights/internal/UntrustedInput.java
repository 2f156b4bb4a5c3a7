package io.fovea.models.weights.internal;

/** What a file from elsewhere claims, before it is believed or printed. */
public final class UntrustedInput {
  private static final int LONGEST_TEXT = 100;
  private static final int LONGEST_NAME = 1000;
  private static final int MOST_DIMENSIONS = 64; // libtorch's own limit

  private UntrustedInput() {}

  /** Whether a tensor may be called so: on one line, and not for pages. */
  public static boolean isName(String name) {
    return name.length() <= LONGEST_NAME && name.codePoints().noneMatch(UntrustedInput::isControl);
  }

  private static boolean isControl(int c) {
    return Character.isISOControl(c) || c == 0x2028 || c == 0x2029; // lines and paragraphs, too
  }

  /** A name or value from a file, fit for one line of an error. */
  public static String text(Object value) {
    String text = String.valueOf(value);
    String start =
        text.length() <= LONGEST_TEXT ? text : text.substring(0, LONGEST_TEXT - 3) + "...";
    return start
        .codePoints()
        .map(c -> isControl(c) ? '?' : c)
        .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
        .toString();
  }

  /**
   * The bytes that a shape needs.
   *
   * @param sizes none below 0
   * @throws ArithmeticException if they, or the strides of such a tensor, are beyond a long
   */
  public static long bytes(long elementSize, long[] sizes) {
    if (sizes.length > MOST_DIMENSIONS) {
      throw new ArithmeticException("more than " + MOST_DIMENSIONS + " dimensions");
    }
    long bytes = elementSize;
    boolean empty = false;
    for (long size : sizes) {
      bytes = Math.multiplyExact(bytes, Math.max(1, size)); // the strides of an empty one count too
      empty |= size == 0;
    }
    return empty ? 0 : bytes;
  }
}
