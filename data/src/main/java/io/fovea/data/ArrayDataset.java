package io.fovea.data;

import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.function.IntFunction;

/**
 * A data set with functions for the name and the pixels of an image, so that the pixels can be in
 * memory or be decoded from a file at every call.
 */
public record ArrayDataset(
    List<String> classes,
    int channels,
    int frames,
    int height,
    int width,
    int[] labels,
    IntFunction<String> ids,
    IntFunction<byte[]> images,
    IntFunction<List<Path>> sources)
    implements ImageDataset {

  /** Creates a data set of images or clips in memory. */
  public ArrayDataset(
      List<String> classes,
      int channels,
      int frames,
      int height,
      int width,
      int[] labels,
      IntFunction<String> ids,
      IntFunction<byte[]> images) {
    this(classes, channels, frames, height, width, labels, ids, images, index -> List.of());
  }

  /** Creates a data set of images. */
  public ArrayDataset(
      List<String> classes,
      int channels,
      int height,
      int width,
      int[] labels,
      IntFunction<String> ids,
      IntFunction<byte[]> images) {
    this(classes, channels, 0, height, width, labels, ids, images);
  }

  @Override
  public int size() {
    return labels.length;
  }

  @Override
  public int label(int index) {
    return labels[index];
  }

  @Override
  public String id(int index) {
    return ids.apply(Objects.checkIndex(index, size()));
  }

  @Override
  public List<Path> files(int index) {
    return sources.apply(Objects.checkIndex(index, size()));
  }

  @Override
  public byte[] pixels(int index) {
    return images.apply(Objects.checkIndex(index, size()));
  }
}
