package io.fovea.app.cli;

import static java.util.Comparator.comparing;

import io.fovea.data.DataException;
import io.fovea.data.folder.FileKinds;
import io.fovea.data.folder.FolderLayout;
import io.fovea.errors.FoveaException;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * Finds the files that a command line names: files, folders with all images or videos in them,
 * patterns with {@code *}, {@code ?} or {@code **}, lists of paths, and {@code -} for a list in the
 * standard input.
 */
final class InputFiles {
  private static final String PATTERN = "*?[{";

  private final boolean videos;
  private final InputStream standardInput;
  private final List<Input> found = new ArrayList<>();

  /**
   * A file to read.
   *
   * @param path the file, or the folder of frames of a video
   * @param name its path below the folder that was named, or the name of the file; what is written
   *     for it gets this name
   */
  record Input(Path path, String name) {}

  private InputFiles(boolean videos, InputStream standardInput) {
    this.videos = videos;
    this.standardInput = standardInput;
  }

  /**
   * Finds files.
   *
   * @param arguments files, folders, patterns, or {@code -}
   * @param list a file with a path on each line, {@code -} for the standard input, or null
   * @param videos whether videos are looked for in folders, not images
   * @throws FoveaException if a pattern or a folder has no such files, or a list cannot be read
   */
  static List<Input> of(
      List<Path> arguments, Path list, boolean videos, InputStream standardInput) {
    InputFiles files = new InputFiles(videos, standardInput);
    arguments.forEach(files::add);
    if (list != null) {
      files.addList(list);
    }
    return files.found;
  }

  private void add(Path argument) {
    if (argument.toString().equals("-")) {
      addList(argument);
    } else if (Files.isDirectory(argument)) {
      addFolder(argument);
    } else if (!Files.exists(argument) && isPattern(argument.toString())) {
      addPattern(argument.toString());
    } else {
      found.add(new Input(argument, argument.getFileName().toString()));
    }
  }

  /** Whether an argument is neither there nor a pattern nor a list. */
  static boolean isMissing(Path argument) {
    String text = argument.toString();
    return !text.equals("-") && !Files.exists(argument) && !isPattern(text);
  }

  private static boolean isPattern(String text) {
    return text.chars().anyMatch(character -> PATTERN.indexOf(character) >= 0);
  }

  private void addList(Path list) {
    boolean standard = list.toString().equals("-");
    try {
      byte[] content =
          standard
              ? new BufferedInputStream(standardInput).readAllBytes()
              : Files.readAllBytes(list);
      for (String line : text(content).split("\\R", -1)) {
        if (!line.isBlank()) {
          Path path = Path.of(line.strip());
          // relative to where the command runs, as the output of find and ls is
          found.add(new Input(path, path.getFileName().toString()));
        }
      }
    } catch (NoSuchFileException e) {
      throw new FoveaException(list + ": no such file", e);
    } catch (CharacterCodingException | InvalidPathException e) {
      throw new FoveaException(
          (standard ? "the standard input" : list)
              + ": expected a path on each line, as text in UTF-8",
          e);
    } catch (IOException e) {
      throw new FoveaException(list + ": cannot be read: " + e.getMessage(), e);
    }
  }

  private static String text(byte[] content) throws CharacterCodingException {
    String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(content)).toString();
    return text.startsWith("\ufeff") ? text.substring(1) : text;
  }

  private void addFolder(Path folder) {
    int before = found.size();
    if (videos && isFrames(folder)) {
      found.add(new Input(folder, folder.toAbsolutePath().normalize().getFileName().toString()));
      return;
    }
    addAll(folder, Integer.MAX_VALUE, videos ? InputFiles::isVideo : InputFiles::isImage);
    if (found.size() == before) {
      throw new FoveaException(
          folder + ": there are no " + (videos ? "videos" : "images") + " in this folder");
    }
  }

  /** Adds the files below a folder, in the order of their paths; hidden ones are left out. */
  private void addAll(Path folder, int depth, Predicate<Path> wanted) {
    try (Stream<Path> files = Files.walk(folder, depth, FileVisitOption.FOLLOW_LINKS)) {
      files
          .filter(file -> !isHidden(folder.relativize(file)))
          .filter(wanted)
          .sorted(comparing(Path::toString))
          .forEach(
              file ->
                  found.add(
                      new Input(file, folder.relativize(file).toString().replace('\\', '/'))));
    } catch (IOException e) {
      throw new DataException(FolderLayout.cannotList(folder, e), e);
    } catch (UncheckedIOException e) {
      throw new DataException(FolderLayout.cannotList(folder, e.getCause()), e);
    }
  }

  private static boolean isHidden(Path relative) {
    for (Path name : relative) {
      if (FolderLayout.isHidden(name) && !name.toString().isEmpty()) {
        return true;
      }
    }
    return false;
  }

  private static boolean isImage(Path file) {
    return FileKinds.isImage(file) && Files.isRegularFile(file);
  }

  private static boolean isVideo(Path file) {
    return FileKinds.isVideo(file) || (Files.isDirectory(file) && isFrames(file));
  }

  /** Whether images are directly in a folder, which then is a video. */
  private static boolean isFrames(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      return files.anyMatch(file -> isImage(file) && !FolderLayout.isHidden(file));
    } catch (IOException e) {
      return false; // is reported where the folder is listed
    }
  }

  private void addPattern(String pattern) {
    int before = found.size();
    String plain = pattern.replace('\\', '/');
    int first = 0;
    while (PATTERN.indexOf(plain.charAt(first)) < 0) {
      first++;
    }
    int slash = plain.lastIndexOf('/', first);
    Path base = Path.of(slash < 0 ? "" : slash == 0 ? "/" : plain.substring(0, slash));
    PathMatcher matcher =
        FileSystems.getDefault().getPathMatcher("glob:" + plain.substring(slash + 1));
    if (Files.isDirectory(base.toAbsolutePath())) {
      String rest = plain.substring(slash + 1);
      int depth =
          rest.contains("**")
              ? Integer.MAX_VALUE
              : 1 + (int) rest.chars().filter(character -> character == '/').count();
      addAll(
          base,
          depth,
          file -> matcher.matches(base.relativize(file)) && (Files.isRegularFile(file) || videos));
    }
    if (found.size() == before) {
      throw new FoveaException(pattern + ": no such file, and no file matches this pattern");
    }
  }
}
