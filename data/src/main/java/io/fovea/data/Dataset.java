package io.fovea.data;

import java.util.List;

/**
 * SampleSource of known classes. Implementations do not change and may be read by several threads at once.
 *
 * @param <S> what a sample is: an image with a class, or with a class for each pixel
 */
public interface Dataset<S extends Sample> {
  /**
   * The names of the classes; a label is an index into this list.
   *
   * @return the names, in the order of the labels
   */
  List<String> classes();

  /**
   * The number of samples.
   *
   * @return at least 1
   */
  int size();

  /**
   * The number of channels C of the images.
   *
   * @return 1 for grey, 3 for red, green and blue
   */
  int channels();

  /**
   * What a sample is called, to name it in a report.
   *
   * @param index 0 to {@code size() - 1}
   * @return the file's path relative to its folder, or a name such as {@code train/123}
   * @throws IndexOutOfBoundsException if there is no such sample
   */
  String id(int index);

  /**
   * Reads a sample. This may decode a file.
   *
   * @param index 0 to {@code size() - 1}
   * @throws IndexOutOfBoundsException if there is no such sample
   * @throws DataException if its file cannot be read (any more)
   */
  S sample(int index);

  /**
   * A part of this set.
   *
   * @param count how many samples in all; this set itself if it has no more than that
   * @return a view of this set
   * @throws IllegalArgumentException if the count is less than 1
   */
  Dataset<S> limit(int count);
}
