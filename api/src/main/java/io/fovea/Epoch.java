package io.fovea;

import io.fovea.training.EpochResult;
import io.fovea.training.Task;
import io.fovea.training.evaluate.Metric;
import io.fovea.training.run.Json;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * The result of an epoch of training.
 *
 * <p>Immutable and thread-safe.
 *
 * @param number 1 for the first
 * @param trainLoss the mean loss of the training images, as they were seen
 * @param trainTop1 the share of training images (for a segmentation network: pixels) whose class had
 *     the highest score, 0 to 1
 * @param testLoss the mean cross entropy of the test images
 * @param testTop1 the share of test images (or pixels) whose class had the highest score, 0 to 1
 * @param testMeanIou the mean intersection over union (mIoU) of the test images, 0 to 1; null for
 *     networks that do not predict pixels
 * @param imagesPerSecond the speed of the training, without the test
 */
public record Epoch(
    int number,
    double trainLoss,
    double trainTop1,
    double testLoss,
    double testTop1,
    @Nullable Double testMeanIou,
    double imagesPerSecond) {
  static Epoch of(EpochResult result, Task<?, ?> task) {
    return new Epoch(
        result.epoch(),
        result.trainLoss(),
        result.train(task.accuracy()),
        result.testLoss(),
        result.test(task.accuracy()),
        task.score() == Metric.MIOU ? result.test(Metric.MIOU) : null,
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
        "epoch %d   loss %.3f   training top-1 %.1f %%   test %s %.1f %%   %.0f images/s",
        number,
        trainLoss,
        100 * trainTop1,
        testMeanIou == null ? "top-1" : "mIoU",
        100 * (testMeanIou == null ? testTop1 : testMeanIou),
        imagesPerSecond);
  }
}
