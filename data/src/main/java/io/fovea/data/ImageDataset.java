package io.fovea.data;

import java.util.Random;

/**
 * Images of one size, or clips of video, with a class each, held as unsigned bytes. Implementations do not
 * change and may be read by several threads at once.
 */
public interface ImageDataset extends Dataset<LabelledImage> {
  /**
   * The frames T of every clip.
   *
   * @return 0 for images, which is what a set has if it does not say otherwise
   */
  default int frames() {
    return 0;
  }

  /**
   * How many views of a sample are averaged at evaluation: clips of a video, and crops of these.
   *
   * @return 1 if the set does not say otherwise
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
   * @throws IndexOutOfBoundsException if there is no such image
   */
  int label(int index);

  /**
   * The pixels of an image. This may decode a file.
   *
   * @param index 0 to {@code size() - 1}
   * @return a new array [C, H, W], or [C, T, H, W] of a clip, each byte unsigned
   * @throws IndexOutOfBoundsException if there is no such image
   * @throws DataException if the image's file cannot be read (any more)
   */
  byte[] pixels(int index);

  /**
   * What training sees of a sample: of a video, a clip from anywhere in it.
   *
   * @param index 0 to {@code size() - 1}
   * @param random what is drawn from
   * @return as {@link #pixels(int)}, which it is if the set does not say otherwise
   * @throws DataException if it cannot be read (any more)
   */
  default byte[] pixels(int index, Random random) {
    return pixels(index);
  }

  /**
   * What evaluation sees of a sample.
   *
   * @param index 0 to {@code size() - 1}
   * @param view 0 to {@code views() - 1}
   * @return as {@link #pixels(int)}
   * @throws DataException if it cannot be read (any more)
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
   * A class-balanced part of this set: the first images of every class, as many of each as of the
   * others. Where a class has too few, the others make up for it; where the count does not divide
   * evenly, the first classes have one more. The images keep their order.
   *
   * @param count how many images in all; this set itself if it has no more than that
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
}
