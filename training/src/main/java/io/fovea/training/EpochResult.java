package io.fovea.training;

import com.fasterxml.jackson.annotation.JsonAnyGetter;
import com.fasterxml.jackson.annotation.JsonAnySetter;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.evaluate.Metric;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What an epoch of training came to. As JSON the figures stand among the other fields: {@code
 * train_top1}, {@code test_top1}.
 *
 * @param epoch from 1
 * @param trainLoss the mean loss of the steps, while the weights were changing
 * @param testLoss the mean cross entropy on the test samples after the epoch
 * @param figures by name: {@code train_} and the key of {@link Task#accuracy} (in training mode and
 *     augmented), {@code test_} and the key of each of {@link Task#metrics}; 0 to 1
 * @param learningRate at the epoch's end
 * @param seconds of training, without the test
 * @param imagesPerSecond training images a second
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

  static EpochResult of(Task<?, ?> task, int number, Loop.Epoch epoch, Evaluation test) {
    Map<String, Double> figures = new LinkedHashMap<>();
    figures.put("train_" + task.accuracy().key(), epoch.accuracy());
    task.metrics()
        .forEach(metric -> figures.put("test_" + metric.key(), metric.of(test.confusion())));
    return new EpochResult(
        number,
        epoch.loss(),
        test.loss(),
        figures,
        epoch.learningRate(),
        epoch.seconds(),
        epoch.imagesPerSecond());
  }

  /** The share of training labels that scored highest, in training mode and augmented, 0 to 1. */
  public double train(Metric metric) {
    return figures.getOrDefault("train_" + metric.key(), Double.NaN);
  }

  /** A figure on the test samples, 0 to 1; NaN if it is not one of the task's. */
  public double test(Metric metric) {
    return figures.getOrDefault("test_" + metric.key(), Double.NaN);
  }
}
