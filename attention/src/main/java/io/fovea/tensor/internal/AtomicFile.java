package io.fovea.tensor.internal;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** Writes files atomically. */
public final class AtomicFile {
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
   * Writes a temporary file beside the final one, and renames it.
   *
   * @param file the file, which is replaced if it exists; its folder must exist
   * @param content writes the content
   * @throws IOException if the file cannot be written; then it is unchanged
   */
  public static void write(Path file, Content content) throws IOException {
    Path partial = // created with the usual permissions of the user
        file.toAbsolutePath().resolveSibling("." + file.getFileName() + ".part");
    try {
      content.writeTo(partial);
      Files.move(
          partial, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(partial);
    }
  }
}
