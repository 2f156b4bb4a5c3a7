package io.fovea.data;

import java.util.Random;

/**
 * Images of one size, or video clips, with one class each, as unsigned bytes. Implementations are
 * immutable and thread-safe.
 */
public interface ImageDataset extends Dataset<LabelledImage> {
  /**
   * The number of frames T of every clip.
   *
   * @return the number of frames, or 0 for images, which is the default
   */
  default int frames() {
    return 0;
  }

  /**
   * The number of views of a sample that are averaged in evaluation: clips of a video, and crops of
   * each clip.
   *
   * @return the number of views; the default is 1
   */
  default int views() {
    return 1;
  }

  /**
   * The height H of every image.
   *
   * @return pixels
   */
  int height();

  /**
   * The width W of every image.
   *
   * @return pixels
   */
  int width();

  /**
   * The class of an image.
   *
   * @param index 0 to {@code size() - 1}
   * @return an index into {@link #classes()}
   * @throws IndexOutOfBoundsException if the image does not exist
   */
  int label(int index);

  /**
   * Returns the pixels of an image. This may decode a file.
   *
   * @param index 0 to {@code size() - 1}
   * @return a new array [C, H, W], or [C, T, H, W] for a clip, of unsigned bytes
   * @throws IndexOutOfBoundsException if the image does not exist
   * @throws DataException if the file of the image cannot be read any more
   */
  byte[] pixels(int index);

  /**
   * Returns the pixels of a sample for training. For a video, this is a clip from a random time.
   *
   * @param index 0 to {@code size() - 1}
   * @param random the random generator
   * @return as for {@link #pixels(int)}, which is the default implementation
   * @throws DataException if the sample cannot be read any more
   */
  default byte[] pixels(int index, Random random) {
    return pixels(index);
  }

  /**
   * Returns a view of a sample for evaluation.
   *
   * @param index 0 to {@code size() - 1}
   * @param view 0 to {@code views() - 1}
   * @return as for {@link #pixels(int)}
   * @throws DataException if the sample cannot be read any more
   */
  default byte[] view(int index, int view) {
    return pixels(index);
  }

  @Override
  default LabelledImage sample(int index) {
    byte[] pixels = pixels(index);
    return new LabelledImage(
        new Image(channels(), frames(), height(), width(), pixels), label(index));
  }

  /**
   * Returns a class-balanced part of this set: the first images of every class, with equal numbers
   * of each class. If a class has too few images, the other classes have more. If the count is not
   * divisible, the first classes have one more. The images keep their order.
   *
   * @param count the number of images; if this set does not have more, it is returned itself
   * @return a view of this set
   * @throws IllegalArgumentException if the count is less than 1
   */
  @Override
  default ImageDataset limit(int count) {
    if (count < 1) {
      throw new IllegalArgumentException("limit: expected at least 1 image, got " + count);
    }
    return count < size() ? SubsetDataset.balanced(this, count) : this;
  }

  /** Returns a view of chosen images, as {@link Dataset#select}. */
  @Override
  default ImageDataset select(int... indices) {
    return SubsetDataset.of(this, indices);
  }
}
