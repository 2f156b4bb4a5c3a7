package io.fovea.data.mask;

import io.fovea.data.DataException;
import java.util.List;
import java.util.function.IntFunction;

/**
 * Images with a class for each pixel, of any sizes. Images may be read by several threads at once.
 *
 * @param classes their names; a label is an index into this list
 * @param channels of the images: 1 for grey, 3 for red, green and blue
 * @param ids what the images are called, to name them in a report
 * @param images reads one, by its index; this may decode files, and throw a {@link DataException}
 */
public record SegmentationDataset(
    List<String> classes, int channels, List<String> ids, IntFunction<LabelledImage> images) {

  /** Copies the lists. */
  public SegmentationDataset {
    classes = List.copyOf(classes);
    ids = List.copyOf(ids);
  }

  /** How many images there are. */
  public int size() {
    return ids.size();
  }

  /**
   * Reads an image.
   *
   * @param index 0 to {@code size() - 1}
   * @throws DataException if its files cannot be read (any more)
   */
  public LabelledImage read(int index) {
    return images.apply(index);
  }

  /** The first images. */
  SegmentationDataset limit(int count) {
    return new SegmentationDataset(
        classes, channels, ids.subList(0, Math.min(count, size())), images);
  }
}
