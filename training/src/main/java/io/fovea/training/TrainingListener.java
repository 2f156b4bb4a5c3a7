package io.fovea.training;

import io.fovea.training.evaluate.Evaluation;

/** Receives the progress of a training, on the thread that trains. */
public interface TrainingListener {

  /** A listener that does nothing. */
  TrainingListener NONE = new TrainingListener() {};

  /**
   * Is called after a step.
   *
   * @param images the number of images of the step
   * @param loss the loss of the step
   */
  default void step(int images, double loss) {}

  /**
   * Is called after an epoch and its test.
   *
   * @param metrics the result of the epoch
   * @param test the evaluation on the test images
   */
  default void epoch(EpochResult metrics, Evaluation test) {}
}
