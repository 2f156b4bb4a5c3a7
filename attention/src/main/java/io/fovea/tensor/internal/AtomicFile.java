package io.fovea.tensor.internal;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** Files that appear whole or not at all. */
public final class AtomicFile {
  private AtomicFile() {}

  /** Writes the content to the path it is given. */
  public interface Content {
    /**
     * Writes it.
     *
     * @param partial a file beside the one that is wanted
     * @throws IOException if it cannot be written
     */
    void writeTo(Path partial) throws IOException;
  }

  /**
   * Writes a file beside its place, and moves it there.
   *
   * @param file replaced if it exists; its folder must be there
   * @param content writes it
   * @throws IOException if it cannot be written; then it is as it was before
   */
  public static void write(Path file, Content content) throws IOException {
    Path partial = // made like any file of the user's, with their permissions
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
