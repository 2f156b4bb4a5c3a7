package io.fovea.data;

import java.nio.file.Path;
import java.util.List;

/**
 * A set of samples with known classes. Implementations are immutable and thread-safe.
 *
 * @param <S> the type of samples: an image with a class, or with a class for each pixel
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
   * @return 1 for greyscale, 3 for red, green and blue
   */
  int channels();

  /**
   * The name of a sample for reports.
   *
   * @param index 0 to {@code size() - 1}
   * @return the path of the file relative to its folder, or a name such as {@code train/123}
   * @throws IndexOutOfBoundsException if the sample does not exist
   */
  String id(int index);

  /**
   * The files of which a sample is made, such as an image and its mask.
   *
   * @param index 0 to {@code size() - 1}
   * @return the files; empty, which is the default, for a sample that is in memory
   * @throws IndexOutOfBoundsException if the sample does not exist
   */
  default List<Path> files(int index) {
    return List.of();
  }

  /**
   * Reads a sample. This may decode a file.
   *
   * @param index 0 to {@code size() - 1}
   * @throws IndexOutOfBoundsException if the sample does not exist
   * @throws DataException if its file cannot be read any more
   */
  S sample(int index);

  /**
   * Returns a part of this set.
   *
   * @param count the number of samples; if this set does not have more, it is returned itself
   * @return a view of this set
   * @throws IllegalArgumentException if the count is less than 1
   */
  Dataset<S> limit(int count);

  /**
   * Returns chosen samples of this set.
   *
   * @param indices which samples, in the order of the result; each from 0 to {@code size() - 1}, at
   *     least one
   * @return a view of this set
   * @throws IllegalArgumentException if there is no index
   * @throws IndexOutOfBoundsException if a sample does not exist
   */
  Dataset<S> select(int... indices);
}
