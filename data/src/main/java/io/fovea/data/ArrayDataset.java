package io.fovea.data;

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
    IntFunction<byte[]> images)
    implements ImageDataset {

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
  public byte[] pixels(int index) {
    return images.apply(Objects.checkIndex(index, size()));
  }
}
