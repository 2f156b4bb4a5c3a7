package io.fovea.training;

import io.fovea.training.evaluate.Evaluation;

/** Told how a training goes, on the thread that trains. */
public interface TrainingListener {

  /** Is told nothing. */
  TrainingListener NONE = new TrainingListener() {};

  /**
   * A step is done.
   *
   * @param images how many it saw
   * @param loss its loss
   */
  default void step(int images, double loss) {}

  /**
   * An epoch is done, its test included.
   *
   * @param metrics what it came to
   * @param test the evaluation on the test images that they are taken from
   */
  default void epoch(EpochResult metrics, Evaluation test) {}
}
