package io.fovea.app.console;

import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Says in one line that memory was missing, which memory, and what helps. */
public final class OutOfMemory {
  private static final int MOST_CAUSES = 20;

  /** What libtorch says, with the number of bytes. */
  private static final Pattern LIBTORCH =
      Pattern.compile("can't allocate memory: you tried to allocate (\\d+) bytes");

  private OutOfMemory() {}

  /**
   * The reason of an error, if it or one of its causes is that there was no memory.
   *
   * @param error what a command threw
   * @return one line, or empty if the reason is another
   */
  public static Optional<String> reason(Throwable error) {
    Throwable cause = error;
    for (int i = 0; i < MOST_CAUSES && cause != null; i++) {
      String message = String.valueOf(cause.getMessage());
      Matcher refused = LIBTORCH.matcher(message);
      if (refused.find()) {
        return Optional.of(
            String.format(
                Locale.ROOT,
                "out of memory: the system has no %.1f GB more; lower --batch-size or --image-size, or"
                    + " take a smaller backbone",
                Double.parseDouble(refused.group(1)) / 1e9));
      }
      if (cause instanceof OutOfMemoryError) {
        return Optional.of(
            message.startsWith("Physical memory usage") || message.startsWith("Failed to allocate")
                ? "out of memory: the limit of native memory, which follows Java's heap, was reached;"
                    + " set JAVA_TOOL_OPTIONS=-Xmx4g, or lower --batch-size or --image-size"
                : String.format(
                    Locale.ROOT,
                    "out of memory: Java's heap of %d MiB is too small; set JAVA_TOOL_OPTIONS=-Xmx4g, or"
                        + " lower --batch-size or --image-size",
                    Runtime.getRuntime().maxMemory() >> 20));
      }
      cause = cause.getCause();
    }
    return Optional.empty();
  }
}
