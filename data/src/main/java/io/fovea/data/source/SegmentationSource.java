package io.fovea.data.source;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.fovea.data.DataException;
import io.fovea.data.Progress;
import io.fovea.data.bundled.Scenes;
import io.fovea.data.mask.SegmentationData;
import io.fovea.data.mask.SegmentationFolder;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Which images with masks, as a configuration has it.
 *
 * @param source {@code scenes} (bundled), or a folder as {@link SegmentationFolder} reads it
 * @param classes a text file with the name of a class on each line, in the order of the labels; null for
 *     those of the layout
 * @param limit the most training images, 0 for all
 * @param splitSeed divides a folder without {@code train/} and {@code val/}
 * @param strict whether an image that cannot be used ends everything instead of being skipped
 */
@JsonInclude(JsonInclude.Include.ALWAYS)
public record SegmentationSource(
    String source, String classes, int limit, long splitSeed, boolean strict) {
  /** The bundled {@link Scenes}. */
  public static final String SCENES = "scenes";

  /** Whether the images come from a folder. */
  public boolean isFolder() {
    return !source.equals(SCENES);
  }

  /**
   * Reads the images.
   *
   * @param progress told of decoding
   * @throws DataException if they are not there or not usable
   */
  public SegmentationData open(Progress progress) {
    SegmentationData data = all(progress);
    return limit == 0 ? data : data.limit(limit);
  }

  private SegmentationData all(Progress progress) {
    if (!isFolder()) {
      return Scenes.data();
    }
    Path folder = Path.of(source);
    if (!Files.isDirectory(folder)) {
      throw new DataException(
          source + ": no such folder; expected " + SCENES + " or a folder of images and masks");
    }
    return SegmentationFolder.open(
        folder, classes == null ? null : Path.of(classes), splitSeed, strict, progress);
  }
}
