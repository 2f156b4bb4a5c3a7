package io.fovea.data;

import java.util.List;

/**
 * Images to train on and images to test on.
 *
 * @param name a short name, such as {@code fashion-mnist} or that of the folder
 * @param description one line for a report: how many images of what size, where from
 * @param train the training images
 * @param test the test images, with the same classes, channels and size
 * @param normalization the statistics of the training images
 * @param skipped image files that could not be read and were left out
 */
public record ImageData(
    String name,
    String description,
    ImageDataset train,
    ImageDataset test,
    Normalization normalization,
    List<SkippedImage> skipped) {

  /** Copies the list. */
  public ImageData {
    skipped = List.copyOf(skipped);
  }

  /**
   * The same with fewer training images, as {@link ImageDataset#limit(int)} chooses them. The test
   * images stay all, and so does the normalization, so that results with different limits are
   * comparable.
   *
   * @param trainImages how many training images in all
   * @return this if it has no more than that
   * @throws IllegalArgumentException if the number is less than 1
   */
  public ImageData limit(int trainImages) {
    ImageDataset limited = train.limit(trainImages);
    return limited == train
        ? this
        : new ImageData(
            name,
            description + ", limited to " + trainImages + " training images",
            limited,
            test,
            normalization,
            skipped);
  }
}
