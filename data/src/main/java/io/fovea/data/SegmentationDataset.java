package io.fovea.data;

import java.nio.file.Path;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/**
 * Images of any sizes with a class for each pixel. It is thread-safe.
 *
 * @param classes the names of the classes; a label is an index into this list
 * @param channels the number of channels of the images: 1 for greyscale, 3 for red, green and blue
 * @param ids the names of the images for reports
 * @param sources the files of each image; empty for images in memory
 * @param images reads an image by its index; this may decode files and throw a {@link
 *     DataException}
 */
public record SegmentationDataset(
    List<String> classes,
    int channels,
    List<String> ids,
    List<List<Path>> sources,
    IntFunction<MaskedImage> images)
    implements Dataset<MaskedImage> {

  /** Copies the lists. */
  public SegmentationDataset {
    classes = List.copyOf(classes);
    ids = List.copyOf(ids);
    sources = List.copyOf(sources);
  }

  /** Creates a data set of images in memory. */
  public SegmentationDataset(
      List<String> classes, int channels, List<String> ids, IntFunction<MaskedImage> images) {
    this(classes, channels, ids, List.of(), images);
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
  public List<Path> files(int index) {
    return sources.isEmpty() ? List.of() : sources.get(index);
  }

  @Override
  public MaskedImage sample(int index) {
    return images.apply(index);
  }

  /** Returns a data set of the first images. */
  @Override
  public SegmentationDataset limit(int count) {
    if (count < 1) {
      throw new IllegalArgumentException("limit: expected at least 1 image, got " + count);
    }
    return count >= size()
        ? this
        : new SegmentationDataset(
            classes,
            channels,
            ids.subList(0, count),
            sources.isEmpty() ? sources : sources.subList(0, count),
            images);
  }

  /** Returns a data set of chosen images, as {@link Dataset#select}. */
  @Override
  public SegmentationDataset select(int... indices) {
    int[] chosen = SubsetDataset.checked(indices, size());
    return new SegmentationDataset(
        classes,
        channels,
        IntStream.of(chosen).mapToObj(ids::get).toList(),
        sources.isEmpty() ? sources : IntStream.of(chosen).mapToObj(sources::get).toList(),
        index -> images.apply(chosen[index]));
  }
}
