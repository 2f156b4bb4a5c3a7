package io.fovea.data.folder;

import io.fovea.data.DataException;
import java.nio.file.Path;
import java.text.Normalizer;
import java.util.Arrays;
import java.util.List;

/** The classes of a folder, matched by name with the classes of a network. */
public final class ClassMatch {
  private final int[] labels;

  private ClassMatch(int[] labels) {
    this.labels = labels;
  }

  /**
   * Matches classes by name.
   *
   * @param where the folder, for the message
   * @param found the classes of the folder
   * @param known the classes of the network
   * @throws DataException if they have no class in common
   */
  public static ClassMatch of(Path where, List<String> found, List<String> known) {
    List<String> composed =
        known.stream().map(name -> Normalizer.normalize(name, Normalizer.Form.NFC)).toList();
    int[] labels = found.stream().mapToInt(composed::indexOf).toArray();
    if (Arrays.stream(labels).allMatch(label -> label < 0)) {
      throw new DataException(
          String.format(
              "%s: none of its classes (%s) is one of the network's (%s)",
              where, FolderLayout.some(found), FolderLayout.some(known)));
    }
    return new ClassMatch(labels);
  }

  /** The network's label for a class of the folder, or -1 if the network does not know it. */
  public int label(int found) {
    return labels[found];
  }
}
