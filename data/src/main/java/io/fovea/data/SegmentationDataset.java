package io.fovea.data;

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
    List<String> classes, int channels, List<String> ids, IntFunction<MaskedImage> images)
    implements Dataset<MaskedImage> {

  /** Copies the lists. */
  public SegmentationDataset {
    classes = List.copyOf(classes);
    ids = List.copyOf(ids);
  }

  @Override
  public int size() {
    return ids.size();
  }

  @Override
  public String id(int index) {
    return ids.get(index);
  }

  @Override
  public MaskedImage sample(int index) {
    return images.apply(index);
  }

  /** The first images. */
  @Override
  public SegmentationDataset limit(int count) {
    if (count < 1) {
      throw new IllegalArgumentException("limit: expected at least 1 image, got " + count);
    }
    return count >= size()
        ? this
        : new SegmentationDataset(classes, channels, ids.subList(0, count), images);
  }
}
