package io.fovea.training;

import io.fovea.errors.SpecException;
import java.time.Duration;
import java.time.format.DateTimeParseException;
import java.util.Locale;

/** Times as users write them: {@code 90s}, {@code 30m}, {@code 1h30m}. */
public final class Times {
  private Times() {}

  /**
   * Reads a time.
   *
   * @throws SpecException if it is none, or not above 0
   */
  public static Duration parse(String text) {
    try {
      Duration time = Duration.parse("PT" + text.strip().toUpperCase(Locale.ROOT));
      if (!time.isNegative() && !time.isZero()) {
        return time;
      }
    } catch (DateTimeParseException e) {
      throw expected(text, e);
    }
    throw expected(text, null);
  }

  private static SpecException expected(String text, Exception cause) {
    return new SpecException(
        "expected a time such as 90s, 30m or 1h30m, got \"" + text + "\"", cause);
  }

  /** Writes a time as {@link #parse} reads it. */
  public static String text(double seconds) {
    String text = Duration.ofMillis(Math.round(seconds * 1000)).toString();
    return text.substring("PT".length()).toLowerCase(Locale.ROOT);
  }
}
