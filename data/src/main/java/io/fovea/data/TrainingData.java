package io.fovea.data;

import java.util.List;

/**
 * SampleSource to train on and samples to test on.
 *
 * @param <D> the data sets: {@link ImageDataset} or {@link SegmentationDataset}
 * @param name a short name, such as {@code fashion-mnist} or that of the folder
 * @param description one line for a report: how many images of what size, where from
 * @param train the training samples
 * @param test the test samples, with the same classes and channels
 * @param normalization the statistics of the training images
 * @param skipped files that could not be used and were left out
 */
public record TrainingData<D extends Dataset<?>>(
    String name,
    String description,
    D train,
    D test,
    Normalization normalization,
    List<SkippedImage> skipped) {

  /** Copies the list. */
  public TrainingData {
    skipped = List.copyOf(skipped);
  }

  /** The names of the classes, in the order of the labels. */
  public List<String> classes() {
    return train.classes();
  }

  /**
   * The same with fewer training samples. The test samples stay all, and so does the normalization, so
   * that results with different limits are comparable.
   *
   * @param limited a part of the training samples
   * @return this if the part is the whole
   */
  public TrainingData<D> withTrain(D limited) {
    return limited == train
        ? this
        : new TrainingData<>(
            name,
            description + ", limited to " + limited.size() + " training images",
            limited,
            test,
            normalization,
            skipped);
  }
}
