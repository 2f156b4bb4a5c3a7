package io.fovea;

import io.fovea.data.ImageDataset;
import java.util.List;

/** Images of one size with one class each. Immutable and thread-safe. */
public final class Images {
  private final ImageDataset dataset;
  private final String source;

  Images(ImageDataset dataset, String source) {
    this.dataset = dataset;
    this.source = source;
  }

  /** The number of images. */
  public int size() {
    return dataset.size();
  }

  /** The names of the classes. */
  public List<String> classes() {
    return dataset.classes();
  }

  /**
   * The class of an image.
   *
   * @param index 0 to {@code size() - 1}
   * @throws IndexOutOfBoundsException if there is no such image
   */
  public String classOf(int index) {
    return dataset.classes().get(dataset.label(index));
  }

  /**
   * The name of an image: the path of its file in the folder, or its number in a bundled set.
   *
   * @param index 0 to {@code size() - 1}
   * @throws IndexOutOfBoundsException if there is no such image
   */
  public String name(int index) {
    return dataset.id(index);
  }

  ImageDataset dataset() {
    return dataset;
  }

  String source() {
    return source;
  }

  @Override
  public String toString() {
    return size() + " images of " + source;
  }
}
