package io.fovea.training;

import com.fasterxml.jackson.annotation.JsonAnyGetter;
import com.fasterxml.jackson.annotation.JsonAnySetter;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.evaluate.Metric;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The result of an epoch of training. In JSON, the metrics are fields like the others: {@code
 * train_top1}, {@code test_top1}.
 *
 * @param epoch from 1
 * @param trainLoss the mean loss of the steps of the epoch
 * @param testLoss the mean cross entropy on the test samples after the epoch
 * @param figures the metrics by name, from 0 to 1: {@code train_} and the key of {@link
 *     Task#accuracy} (in training mode, for augmented samples), {@code test_} and the key of each
 *     of {@link Task#metrics}; with a moving average of the weights also {@code ema_} and those keys
 * @param learningRate the learning rate at the end of the epoch
 * @param seconds the duration of the training, without the test
 * @param imagesPerSecond the number of training images per second
 */
public record EpochResult(
    int epoch,
    double trainLoss,
    double testLoss,
    @JsonAnyGetter @JsonAnySetter Map<String, Double> figures,
    double learningRate,
    double seconds,
    double imagesPerSecond) {

  /** Copies the map. */
  public EpochResult {
    figures = Collections.unmodifiableMap(new LinkedHashMap<>(figures));
  }

  /**
   * The result of an epoch.
   *
   * @param average the evaluation of the moving average of the weights; null for none
   */
  static EpochResult of(
      Task<?, ?> task, int number, Loop.Epoch epoch, Evaluation test, Evaluation average) {
    Map<String, Double> figures = new LinkedHashMap<>();
    figures.put("train_" + task.accuracy().key(), epoch.accuracy());
    task.metrics()
        .forEach(metric -> figures.put("test_" + metric.key(), metric.of(test.confusion())));
    if (average != null) {
      task.metrics()
          .forEach(metric -> figures.put("ema_" + metric.key(), metric.of(average.confusion())));
    }
    return new EpochResult(
        number,
        epoch.loss(),
        test.loss(),
        figures,
        epoch.learningRate(),
        epoch.seconds(),
        epoch.imagesPerSecond());
  }

  /**
   * Whether these can be the results of a training, so that what was read from a file can be trusted:
   * there is one for each epoch, in their order, and no metric lacks its value.
   *
   * @param history the results; may be null
   */
  public static boolean areWhole(List<EpochResult> history) {
    if (history == null) {
      return false;
    }
    for (int i = 0; i < history.size(); i++) {
      EpochResult result = history.get(i);
      if (result == null || result.epoch != i + 1 || result.figures.containsValue(null)) {
        return false;
      }
    }
    return true;
  }

  /**
   * The first epoch with the highest score on the test samples, counted from 1.
   *
   * @param history the results of all epochs
   * @return 0 if there are none
   */
  public static int best(Task<?, ?> task, List<EpochResult> history) {
    double best = -1;
    int epoch = 0;
    for (EpochResult result : history) {
      double score = result.test(task.score());
      if (score > best) {
        best = score;
        epoch = result.epoch();
      }
    }
    return epoch;
  }

  /**
   * The share of augmented training labels that had the highest score, in training mode, 0 to 1.
   */
  public double train(Metric metric) {
    return figures.getOrDefault("train_" + metric.key(), Double.NaN);
  }

  /** A metric of the test samples, from 0 to 1; NaN if the task does not have it. */
  public double test(Metric metric) {
    return figures.getOrDefault("test_" + metric.key(), Double.NaN);
  }

  /**
   * A metric of the test samples with the moving average of the weights, from 0 to 1; NaN if there
   * is no average.
   */
  public double average(Metric metric) {
    return figures.getOrDefault("ema_" + metric.key(), Double.NaN);
  }
}
