package io.fovea.tensor.internal;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The folders that were created for a result. If the result cannot be written, because the disk is
 * full for example, they are deleted again, unless something else is in them.
 */
public final class NewFolders implements AutoCloseable {
  private final List<Path> made; // the innermost one first
  private boolean kept;

  private NewFolders(List<Path> made) {
    this.made = made;
  }

  /**
   * Creates a folder and its parents where they are missing.
   *
   * @throws IOException if that is not possible; nothing is left then
   */
  public static NewFolders of(Path folder) throws IOException {
    List<Path> missing = new ArrayList<>();
    for (Path each = folder.toAbsolutePath().normalize();
        each != null && !Files.exists(each);
        each = each.getParent()) {
      missing.add(each);
    }
    NewFolders folders = new NewFolders(missing);
    try {
      Files.createDirectories(folder);
      return folders;
    } catch (IOException e) {
      folders.close();
      throw e;
    }
  }

  /**
   * Creates one more folder, which must not exist.
   *
   * @throws java.nio.file.FileAlreadyExistsException if it exists
   * @throws IOException if it cannot be created
   */
  public void add(Path folder) throws IOException {
    Files.createDirectory(folder);
    made.add(0, folder);
  }

  /** The result is written: the folders stay. */
  public void keep() {
    kept = true;
  }

  /** Deletes the folders that are empty, if the result is not written. */
  @Override
  public void close() {
    if (!kept) {
      try {
        for (Path folder : made) {
          Files.deleteIfExists(folder);
        }
      } catch (IOException e) {
        // something else is in it, or it cannot be deleted, which harms nobody
      }
    }
  }
}
