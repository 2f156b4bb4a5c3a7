package io.fovea.training;

import io.fovea.training.evaluate.Evaluation;
import java.util.function.Supplier;

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
   * Is called before the first epoch, and when the number of epochs of a training with a time
   * changes.
   *
   * @param epochs the number of epochs of the whole training
   */
  default void planned(int epochs) {}

  /**
   * Is asked after each step whether to call {@link #state} in the middle of the epoch, so that less
   * is lost if a training with long epochs is interrupted.
   */
  default boolean wantsState() {
    return false;
  }

  /**
   * Is called after an epoch and its test, before {@link #epoch}, with the state from which the
   * training can go on, and within an epoch if {@link #wantsState}.
   *
   * @param state computes the state; its tensors belong to the open scope, and those of the network
   *     are the network's own
   */
  default void state(Supplier<TrainingState> state) {}

  /**
   * Is called after an epoch and its test.
   *
   * @param metrics the result of the epoch
   * @param test the evaluation on the test images
   */
  default void epoch(EpochResult metrics, Evaluation test) {}
}
