package io.fovea.training.run;

import io.fovea.data.DataException;
import io.fovea.tensor.internal.NewFolders;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Keeps a folder for one writer: two processes, or two threads, that would write the same run are
 * refused in one line. The operating system ends the lock with the process, however it ends.
 */
public final class FolderLock implements AutoCloseable {
  private static final String NAME = ".lock";

  private final Path folder;
  private final FileChannel channel;
  private final FileLock lock;
  private final NewFolders created;

  private FolderLock(Path folder, FileChannel channel, FileLock lock, NewFolders created) {
    this.folder = folder;
    this.channel = channel;
    this.lock = lock;
    this.created = created;
  }

  /**
   * Locks a folder, and deletes the incomplete files that a killed process left there.
   *
   * @param folder the folder, which is created if necessary
   * @throws DataException if another writer has it, or it cannot be written
   */
  public static FolderLock of(Path folder) {
    try {
      return locked(folder, NewFolders.of(folder));
    } catch (IOException e) {
      throw new DataException(folder + ": cannot be written: " + reason(e), e);
    }
  }

  /**
   * Creates a folder and locks it. Of several processes that claim one folder, one gets it.
   *
   * @param folder the folder; its parent is created if necessary
   * @return the lock; empty if the folder exists already
   * @throws DataException if it cannot be written
   */
  public static Optional<FolderLock> claim(Path folder) {
    try {
      NewFolders created = NewFolders.of(folder.toAbsolutePath().getParent());
      try {
        created.add(folder.toAbsolutePath());
      } catch (IOException e) {
        created.close();
        throw e;
      }
      return Optional.of(locked(folder, created));
    } catch (FileAlreadyExistsException e) {
      return Optional.empty();
    } catch (IOException e) {
      throw new DataException(folder + ": cannot be written: " + reason(e), e);
    }
  }

  /** Locks a folder; if that is not possible, folders that were created for it are deleted. */
  private static FolderLock locked(Path folder, NewFolders created) throws IOException {
    boolean locked = false;
    try {
      FolderLock lock = locking(folder, created);
      locked = true;
      return lock;
    } finally {
      if (!locked) {
        created.close();
      }
    }
  }

  private static FolderLock locking(Path folder, NewFolders created) throws IOException {
    Path file = folder.resolve(NAME);
    FileChannel channel =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    FileLock lock = tryLock(channel);
    if (lock == null || !Files.exists(file)) { // the last writer has just deleted the file
      channel.close();
      throw new DataException(
          folder + ": another process is training into this folder; wait, or choose another");
    }
    deletePartialFiles(folder);
    return new FolderLock(folder, channel, lock, created);
  }

  /** The folder. */
  public Path folder() {
    return folder;
  }

  /** Whether a process is writing into a folder now. */
  public static boolean isHeld(Path folder) {
    Path file = folder.resolve(NAME);
    if (!Files.exists(file)) {
      return false;
    }
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      return tryLock(channel) == null;
    } catch (IOException e) {
      return false; // whoever wants to write there is told why not
    }
  }

  private static FileLock tryLock(FileChannel channel) throws IOException {
    try {
      return channel.tryLock();
    } catch (OverlappingFileLockException e) { // held by another thread of this process
      return null;
    }
  }

  private static void deletePartialFiles(Path folder) throws IOException {
    List<Path> partial;
    try (Stream<Path> files = Files.list(folder)) {
      partial =
          files.filter(file -> file.getFileName().toString().matches("\\..*\\.part")).toList();
    }
    for (Path file : partial) {
      Files.deleteIfExists(file);
    }
    Path runs = folder.resolve("runs"); // of a study
    if (Files.isDirectory(runs)) {
      deletePartialFiles(runs);
    }
  }

  /** Why a file cannot be written; some exceptions have only its name as their message. */
  public static String reason(IOException e) {
    String kind = e.getClass().getSimpleName();
    return switch (kind) {
      case "AccessDeniedException" -> "access denied";
      case "FileAlreadyExistsException" -> "a file has its name";
      default -> e.getMessage() == null ? kind : e.getMessage();
    };
  }

  @Override
  public void close() {
    try {
      // while it is held, so that nobody else's is deleted
      Files.deleteIfExists(folder.resolve(NAME));
    } catch (IOException e) {
      // an empty file stays, which hinders nobody
    }
    created.close(); // if nothing was written into them
    try {
      lock.close();
      channel.close();
    } catch (IOException e) {
      // the end of the process ends the lock
    }
  }
}
