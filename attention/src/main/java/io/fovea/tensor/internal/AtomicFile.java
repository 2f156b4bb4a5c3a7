package io.fovea.tensor.internal;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.Instant;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Writes files atomically. The temporary file is {@code .NAME.PROCESS-NUMBER.part}, so that two
 * writers of one file do not mix, and that a later writer knows whether its process still runs.
 */
public final class AtomicFile {
  private static final Pattern PARTIAL = Pattern.compile("\\..*\\.(\\d{1,10})-\\d+\\.part");
  private static final AtomicLong NUMBER = new AtomicLong();

  /** A process of another machine writes to its file more often than this. */
  private static final Duration UNTOUCHED = Duration.ofMinutes(1);

  /** The folders that were looked through, because listing a large one takes time. */
  private static final Set<Path> LOOKED_THROUGH = ConcurrentHashMap.newKeySet();

  private AtomicFile() {}

  /** Writes the content to a path. */
  public interface Content {
    /**
     * Writes the content.
     *
     * @param partial a temporary file beside the final one
     * @throws IOException if the file cannot be written
     */
    void writeTo(Path partial) throws IOException;
  }

  /**
   * Writes a temporary file beside the final one, and renames it. Before the first file in a folder,
   * temporary files that killed processes left there are deleted.
   *
   * @param file the file, which is replaced if it exists; its folder is created if necessary
   * @param content writes the content
   * @throws IOException if the file cannot be written; then it is unchanged, and folders that were
   *     created for it are gone
   */
  public static void write(Path file, Content content) throws IOException {
    Path absolute = file.toAbsolutePath();
    try (NewFolders made = NewFolders.of(absolute.getParent())) {
      writeInto(absolute, content);
      made.keep();
    }
  }

  private static void writeInto(Path absolute, Content content) throws IOException {
    if (LOOKED_THROUGH.add(absolute.getParent())) {
      deleteAbandoned(absolute.getParent());
    }
    long process = ProcessHandle.current().pid();
    Path partial = // created with the usual permissions of the user
        absolute.resolveSibling(
            "."
                + absolute.getFileName()
                + "."
                + process
                + "-"
                + NUMBER.incrementAndGet()
                + ".part");
    try {
      content.writeTo(partial);
      Files.move(
          partial, absolute, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(partial);
    }
  }

  private static void deleteAbandoned(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.filter(AtomicFile::isAbandoned).toList()) {
        Files.deleteIfExists(file);
      }
    } catch (IOException | UncheckedIOException e) {
      return; // they take space, but harm nobody; what is written next says what is wrong
    }
  }

  private static boolean isAbandoned(Path file) {
    Matcher matcher = PARTIAL.matcher(file.getFileName().toString());
    if (!matcher.matches() || ProcessHandle.of(Long.parseLong(matcher.group(1))).isPresent()) {
      return false;
    }
    try {
      return Files.getLastModifiedTime(file).toInstant().isBefore(Instant.now().minus(UNTOUCHED));
    } catch (IOException e) {
      return false; // deleted meanwhile
    }
  }
}
