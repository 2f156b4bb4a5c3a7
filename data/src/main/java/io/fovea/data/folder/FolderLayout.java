package io.fovea.data.folder;

import static java.util.Comparator.comparing;

import io.fovea.data.DataException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemLoopException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The layout of a folder of class folders: either the class folders are in the folder itself, or it
 * has a folder for each part of a split ({@link SplitPart}) with the class folders in it.
 *
 * <p>Names of parts are never taken for classes: a folder that has some of them, but not a split
 * that can be used, is refused with a hint. The one exception is {@code train} beside class folders
 * and without {@code val} and {@code test}, because a train is a vehicle. Folders of images and
 * masks are refused with a hint, too.
 *
 * @param root the folder
 * @param train the folder of the training samples, or null if the folder is not split
 * @param val the folder of the validation samples, or null
 * @param test the folder of the test samples, or null
 * @param unused the names of folders in {@code root} that no part is read from
 */
public record FolderLayout(Path root, Path train, Path val, Path test, List<String> unused) {
  private static final int NAMED = 10;

  /** Folders that archives, file servers and file systems add. */
  private static final Set<String> JUNK =
      Set.of(
          "__macosx",
          "@eadir",
          "lost+found",
          "#recycle",
          "@recycle",
          "$recycle.bin",
          "system volume information");

  private static final Set<String> IMAGES =
      Set.of("images", "image", "imgs", "img", "jpegimages", "leftimg8bit");
  private static final Set<String> MASKS =
      Set.of(
          "masks",
          "mask",
          "labels",
          "label",
          "annotations",
          "annotation",
          "segmentationclass",
          "gtfine",
          "gt");

  /**
   * Recognises the layout of a folder by the names of the folders in it.
   *
   * @throws DataException if the folder does not exist, cannot be listed, or has names of parts
   *     that do not make a split; the message says what was found and what helps
   */
  public static FolderLayout of(Path root) {
    if (!Files.isDirectory(root)) {
      throw new DataException(root + ": no such folder");
    }
    List<Path> folders = subfolders(root);
    requireNoMasks(root, folders);
    Map<SplitPart, Path> parts = new EnumMap<>(SplitPart.class);
    List<String> others = new ArrayList<>();
    for (Path folder : folders) {
      Optional<SplitPart> part = SplitPart.of(name(folder));
      if (part.isEmpty()) {
        others.add(name(folder));
        continue;
      }
      Path before = parts.put(part.get(), folder);
      if (before != null) {
        throw new DataException(
            String.format(
                "%s: %s/ and %s/ could both be the %s part; rename or remove one of them",
                root, name(before), name(folder), part.get()));
      }
    }
    Path train = parts.get(SplitPart.TRAIN);
    Path val = parts.get(SplitPart.VAL);
    Path test = parts.get(SplitPart.TEST);
    if (train != null && (val != null || test != null)) {
      requireNoMasks(train, subfolders(train));
      return new FolderLayout(root, train, val, test, others);
    }
    boolean noParts = train == null && val == null && test == null;
    boolean vehicles = train != null && !others.isEmpty(); // one of the classes is called train
    if (noParts || vehicles) {
      return new FolderLayout(root, null, null, null, List.of());
    }
    throw new DataException(root + ": " + incomplete(train, val != null ? val : test, others));
  }

  private static String incomplete(Path train, Path other, List<String> classes) {
    if (train != null) {
      return String.format(
          "%s/ looks like the part of a split, but there is no val/ or test/; add one, or give %s to"
              + " split it",
          name(train), train);
    }
    return classes.isEmpty()
        ? String.format(
            "%s/ looks like the part of a split, but there is no train/; give %s to use it alone",
            name(other), other)
        : String.format(
            "%s/ looks like the part of a split, but stands beside the folders %s; put those into"
                + " train/, or take %s/ out",
            name(other), some(classes), name(other));
  }

  private static void requireNoMasks(Path root, List<Path> folders) {
    List<String> names =
        folders.stream().map(folder -> name(folder).toLowerCase(Locale.ROOT)).toList();
    if (names.stream().anyMatch(IMAGES::contains) && names.stream().anyMatch(MASKS::contains)) {
      throw new DataException(
          root
              + ": the folders "
              + some(folders.stream().map(FolderLayout::name).toList())
              + " look like images and their masks, not like classes; did you mean --task"
              + " segmentation?");
    }
  }

  /** Whether the folder has parts. */
  public boolean isSplit() {
    return train != null;
  }

  /** The part that trainings are tested on: {@code val}, or {@code test} without it. */
  public Path testing() {
    return val != null ? val : test;
  }

  /**
   * What was decided, for the description of the data: {@code train and val; test is not used}.
   *
   * @throws IllegalStateException if the folder has no parts
   */
  public String splitText() {
    if (!isSplit()) {
      throw new IllegalStateException(root + " has no parts");
    }
    List<String> rest = new ArrayList<>(unused);
    if (val != null && test != null) {
      rest.add(0, name(test));
    }
    String parts = name(train) + " and " + name(testing());
    return rest.isEmpty() ? parts : parts + "; not used: " + some(rest);
  }

  /**
   * The folders in a folder, sorted by name as torchvision sorts classes: character by character.
   * Names that begin with a dot and folders that archives and file servers add, such as {@code
   * __MACOSX}, are left out.
   *
   * @throws DataException if the folder cannot be listed, or has a link to a folder that does not
   *     exist: a class would be missing
   */
  public static List<Path> subfolders(Path folder) {
    try (Stream<Path> listed = Files.list(folder)) {
      List<Path> entries = listed.filter(entry -> !isHidden(entry)).toList();
      entries.forEach(FolderLayout::requireTarget);
      return entries.stream()
          .filter(Files::isDirectory)
          .filter(entry -> !JUNK.contains(name(entry).toLowerCase(Locale.ROOT)))
          .sorted(comparing(FolderLayout::name))
          .toList();
    } catch (IOException e) {
      throw new DataException(cannotList(folder, e), e);
    }
  }

  private static void requireTarget(Path entry) {
    if (leadsNowhere(entry) && !name(entry).contains(".")) {
      throw new DataException(entry + ": this link leads nowhere; mend it or delete it");
    }
  }

  /** Whether this is a symbolic link to something that does not exist. */
  public static boolean leadsNowhere(Path path) {
    return Files.isSymbolicLink(path) && !Files.exists(path);
  }

  /** The message for a folder that cannot be listed, with the reason in words. */
  public static String cannotList(Path folder, IOException e) {
    String reason =
        e instanceof AccessDeniedException
            ? "permission denied"
            : e instanceof FileSystemLoopException ? "a link leads back into it" : e.getMessage();
    return folder + ": cannot be listed: " + reason;
  }

  /** Whether the name of a file or folder begins with a dot. */
  public static boolean isHidden(Path path) {
    return path.getFileName().toString().startsWith(".");
  }

  /**
   * The name of a folder as the name of a class: in Unicode's composed form (NFC), so that a name
   * is the same whether it was written on a Mac or elsewhere.
   */
  public static String name(Path folder) {
    return Normalizer.normalize(folder.getFileName().toString(), Normalizer.Form.NFC);
  }

  /** Lists at most ten names: {@code cat, dog and 3 more}. */
  public static String some(List<String> names) {
    String text = names.stream().limit(NAMED).collect(Collectors.joining(", "));
    return names.size() <= NAMED ? text : text + " and " + (names.size() - NAMED) + " more";
  }
}
