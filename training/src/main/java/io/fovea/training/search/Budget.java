package io.fovea.training.search;

import static io.fovea.errors.SpecException.check;

import io.fovea.errors.SpecException;
import io.fovea.training.Times;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How long a search may take: a time, or a number of epochs of all trainings together. With a number
 * of epochs, the same seed gives the same search on one machine.
 *
 * @param seconds the time; 0 for a number of epochs
 * @param epochs the number of epochs; 0 for a time
 */
public record Budget(double seconds, long epochs) {
  private static final Pattern EPOCHS = Pattern.compile("(\\d{1,9})\\s*(e|epochs?)");

  /**
   * Checks that it is either a time or a number of epochs.
   *
   * @throws SpecException if it is not above 0
   */
  public Budget {
    check(
        (seconds > 0 && epochs == 0) || (seconds == 0 && epochs > 0),
        "expected a budget above 0, as a time or a number of epochs");
  }

  /** A number of epochs. */
  public static Budget ofEpochs(long epochs) {
    return new Budget(0, epochs);
  }

  /** A time in seconds. */
  public static Budget ofSeconds(double seconds) {
    return new Budget(seconds, 0);
  }

  /**
   * Reads {@code 30m}, {@code 2h}, {@code 90s}, {@code 1h30m} or {@code 200epochs}.
   *
   * @throws SpecException if it is none of them, or 0
   */
  public static Budget parse(String text) {
    Matcher epochs = EPOCHS.matcher(text.strip().toLowerCase(Locale.ROOT));
    if (epochs.matches()) {
      return ofEpochs(Long.parseLong(epochs.group(1)));
    }
    try {
      return ofSeconds(Times.parse(text).toMillis() / 1000.0);
    } catch (SpecException e) {
      throw new SpecException(
          "expected a budget such as 30m, 2h, 90s or 200epochs, got \"" + text + "\"", e);
    }
  }

  /** Whether it is a time. */
  public boolean isTime() {
    return seconds > 0;
  }

  /** The budget multiplied by a factor. */
  public Budget times(double factor) {
    return isTime() ? ofSeconds(seconds * factor) : ofEpochs(Math.round(epochs * factor));
  }

  /** The text that {@link #parse} reads. */
  @Override
  public String toString() {
    return isTime() ? Times.text(seconds) : epochs + (epochs == 1 ? " epoch" : " epochs");
  }
}
