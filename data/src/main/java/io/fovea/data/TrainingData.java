package io.fovea.data;

import java.util.List;

/**
 * Training samples and test samples.
 *
 * @param <D> the type of the data sets: {@link ImageDataset} or {@link SegmentationDataset}
 * @param name a short name, such as {@code fashion-mnist} or that of the folder
 * @param description one line for reports with the number, size and source of the images
 * @param train the training samples
 * @param test the test samples, with the same classes and channels
 * @param normalization the statistics of the training images
 * @param skipped the files that could not be used and were skipped
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

  /** Returns the same data with another normalisation, such as that of trained weights. */
  public TrainingData<D> withNormalization(Normalization other) {
    return new TrainingData<>(name, description, train, test, other, skipped);
  }

  /**
   * Returns the same data with fewer training samples. The test samples and the normalization stay
   * the same, so that results with different limits are comparable.
   *
   * @param limited a part of the training samples
   * @return this object if the part is the whole
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
