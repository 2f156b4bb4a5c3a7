package io.fovea.data.folder;

import java.nio.file.Path;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** A part of a split data set, recognised by the name of its folder in any case. */
public enum SplitPart {
  /** The samples to train on: {@code train}, {@code training}, {@code tr}. */
  TRAIN,
  /**
   * The samples to choose settings and epochs with: {@code val}, {@code valid}, {@code validation},
   * {@code dev}, {@code eval}.
   */
  VAL,
  /** The samples for the last evaluation: {@code test}, {@code testing}. */
  TEST;

  /** Returns the part that the name of a folder stands for, if it stands for one. */
  public static Optional<SplitPart> of(String folder) {
    return switch (folder.toLowerCase(Locale.ROOT)) {
      case "train", "training", "tr" -> Optional.of(TRAIN);
      case "val", "valid", "validation", "dev", "eval" -> Optional.of(VAL);
      case "test", "testing" -> Optional.of(TEST);
      default -> Optional.empty();
    };
  }

  /**
   * The parts in a folder. Of two folders for one part, the first by name is taken.
   *
   * @throws io.fovea.data.DataException if the folder cannot be listed
   */
  public static Map<SplitPart, Path> in(Path folder) {
    Map<SplitPart, Path> parts = new EnumMap<>(SplitPart.class);
    for (Path one : FolderLayout.subfolders(folder)) {
      of(FolderLayout.name(one)).ifPresent(part -> parts.putIfAbsent(part, one));
    }
    return parts;
  }

  /** The usual name of its folder, such as {@code val}. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
