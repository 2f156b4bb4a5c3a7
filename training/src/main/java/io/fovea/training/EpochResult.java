package io.fovea.training;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;

/**
 * What an epoch of training came to, whatever the task. As JSON an epoch has the fields of its record;
 * their names tell which it is.
 */
@JsonTypeInfo(use = JsonTypeInfo.Id.DEDUCTION)
@JsonSubTypes({
  @JsonSubTypes.Type(EpochMetrics.class),
  @JsonSubTypes.Type(SegmentationMetrics.class)
})
public interface EpochResult {
  /** From 1. */
  int epoch();

  /** The mean loss of the steps. */
  double trainLoss();

  /** The share of training labels that scored highest, in training mode and augmented, 0 to 1. */
  double trainAccuracy();

  /** What the task is judged by, on the test images: its first {@link Task#metrics metric}, 0 to 1. */
  double score();

  /** The mean cross entropy on the test images. */
  double testLoss();

  /** At the epoch's end. */
  double learningRate();

  /** Of training, without the test. */
  double seconds();

  /** Training images a second. */
  double imagesPerSecond();
}
