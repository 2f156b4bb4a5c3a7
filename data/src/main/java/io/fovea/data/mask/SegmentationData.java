package io.fovea.data.mask;

import io.fovea.data.Normalization;
import io.fovea.data.SkippedImage;
import java.util.List;

/**
 * Images with a class for each pixel, to train on and to test on.
 *
 * @param name a short name, such as {@code scenes} or that of the folder
 * @param description one line for a report: how many images, where from
 * @param train the training images
 * @param test the test images, with the same classes and channels
 * @param normalization the statistics of the training images
 * @param skipped images that could not be used and were left out
 */
public record SegmentationData(
    String name,
    String description,
    SegmentationDataset train,
    SegmentationDataset test,
    Normalization normalization,
    List<SkippedImage> skipped) {

  /** Copies the list. */
  public SegmentationData {
    skipped = List.copyOf(skipped);
  }

  /** The same with the first training images only; normalization and test images stay. */
  public SegmentationData limit(int trainImages) {
    return trainImages >= train.size()
        ? this
        : new SegmentationData(
            name,
            description + ", limited to " + trainImages + " training images",
            train.limit(trainImages),
            test,
            normalization,
            skipped);
  }

  /** The size of the first test image: height and width. */
  public int[] size() {
    LabelledImage first = test.read(0);
    return new int[] {first.height(), first.width()};
  }
}
