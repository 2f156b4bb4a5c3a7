package io.fovea.training.search;

import io.fovea.data.DataException;

/** Does the trainings of a search on other machines. Thread-safe. */
public interface LapEngine {
  /**
   * What a training has come to.
   *
   * @param lap the result; null if there was not enough time
   * @param state the file from which the training can go on; null for none
   */
  record Outcome(Lap lap, byte[] state) {}

  /**
   * Trains, and waits for the result. The result has the bits of {@link LapTrainer#train} with the
   * same number of threads.
   *
   * @param state the file from which the training goes on; null to begin
   * @throws DataException if the training fails for a reason that a user can correct
   * @throws InterruptedException if this thread was interrupted; then the training is stopped
   */
  Outcome train(LapJob job, byte[] state) throws InterruptedException;
}
