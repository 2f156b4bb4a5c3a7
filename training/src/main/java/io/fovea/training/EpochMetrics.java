package io.fovea.training;

/**
 * What one epoch of training came to.
 *
 * @param epoch from 1
 * @param trainLoss the mean loss over the epoch's batches, while the weights were changing
 * @param trainTop1 the share of training images, as augmented, whose class scored highest
 * @param testLoss the mean cross entropy on the test images after the epoch
 * @param testTop1 the share of test images whose class scored highest
 * @param learningRate at the epoch's end
 * @param seconds of training, without the test
 * @param imagesPerSecond training images a second
 */
public record EpochMetrics(
    int epoch,
    double trainLoss,
    double trainTop1,
    double testLoss,
    double testTop1,
    double learningRate,
    double seconds,
    double imagesPerSecond)
    implements EpochResult {
  @Override
  public double trainAccuracy() {
    return trainTop1;
  }

  @Override
  public double score() {
    return testTop1;
  }
}
