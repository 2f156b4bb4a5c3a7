package io.fovea.training;

/**
 * What an epoch of training a segmentation network came to.
 *
 * @param epoch from 1
 * @param trainLoss the mean loss of the steps, those of the single branches included
 * @param trainPixelAccuracy the share of labelled training pixels whose class scored highest, in
 *     training mode and augmented
 * @param testLoss the mean cross entropy of the labelled test pixels
 * @param testMiou the mean intersection over union on the test images
 * @param testPixelAccuracy the share of labelled test pixels whose class scored highest
 * @param learningRate at the epoch's end
 * @param seconds of training, without the test
 * @param imagesPerSecond training images a second
 */
public record SegmentationMetrics(
    int epoch,
    double trainLoss,
    double trainPixelAccuracy,
    double testLoss,
    double testMiou,
    double testPixelAccuracy,
    double learningRate,
    double seconds,
    double imagesPerSecond)
    implements EpochResult {
  @Override
  public double trainAccuracy() {
    return trainPixelAccuracy;
  }

  @Override
  public double score() {
    return testMiou;
  }
}
