package io.fovea.app.cli;

import io.fovea.errors.FoveaException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Checks the files that a command is going to write, before it computes what they will hold. */
final class OutputFiles {
  private OutputFiles() {}

  /**
   * Throws an exception if a file cannot be written. Nothing is created; folders that do not exist
   * may be created later.
   *
   * @throws FoveaException if it is a folder, or cannot be created; the message names the reason
   */
  static void requireWritable(Path file) {
    if (Files.isDirectory(file)) {
      throw new FoveaException(file + ": cannot be written: it is a folder; name a file");
    }
    Path folder = file.toAbsolutePath().normalize().getParent();
    while (folder != null && !Files.exists(folder)) {
      folder = folder.getParent();
    }
    if (folder == null || !Files.isDirectory(folder)) {
      throw new FoveaException(file + ": cannot be written: " + folder + " is not a folder");
    }
    if (!Files.isWritable(folder)) { // files are written under another name first
      throw new FoveaException(
          file + ": cannot be written: permission denied for the folder " + folder);
    }
  }
}
