package io.fovea;

import io.fovea.training.EpochResult;
import io.fovea.training.evaluate.Metric;
import io.fovea.training.run.Json;
import java.util.Locale;

/**
 * The result of an epoch of training.
 *
 * @param number 1 for the first
 * @param trainLoss the mean loss of the training images, as they were seen
 * @param trainTop1 the share of training images whose class had the highest score, 0 to 1
 * @param testLoss the mean cross entropy of the test images
 * @param testTop1 the share of test images whose class had the highest score, 0 to 1
 * @param imagesPerSecond the speed of the training, without the test
 */
public record Epoch(
    int number,
    double trainLoss,
    double trainTop1,
    double testLoss,
    double testTop1,
    double imagesPerSecond) {
  static Epoch of(EpochResult result) {
    return new Epoch(
        result.epoch(),
        result.trainLoss(),
        result.train(Metric.TOP1),
        result.testLoss(),
        result.test(Metric.TOP1),
        result.imagesPerSecond());
  }

  /** The result as JSON, in one line. */
  public String json() {
    return Json.line(this);
  }

  /** The result in one line. */
  @Override
  public String toString() {
    return String.format(
        Locale.ROOT,
        "epoch %d   loss %.3f   training top-1 %.1f %%   test top-1 %.1f %%   %.0f images/s",
        number,
        trainLoss,
        100 * trainTop1,
        100 * testTop1,
        imagesPerSecond);
  }
}
