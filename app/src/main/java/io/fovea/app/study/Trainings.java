package io.fovea.app.study;

import io.fovea.training.search.LapEngine;
import java.util.concurrent.CompletableFuture;

/**
 * Where the networks of a study are trained: in this process ({@link LocalTrainings}), or on an
 * engine for many machines that a {@link Provider} knows.
 */
public interface Trainings extends AutoCloseable {
  /** How many networks are trained at the same time, as far as this is known; at least 1. */
  int atOnce();

  /**
   * Starts a training, or queues it until there is room. Trainings begin in the order of the calls.
   *
   * @param job what is trained
   * @return the result; it fails with a {@link io.fovea.errors.FoveaException} for what a user can
   *     correct. A training may be repeated if the machine that it runs on fails; the result does not
   *     depend on that.
   */
  CompletableFuture<Study.Run> train(TrainingJob job);

  /** Stops the trainings that have not ended, at their next step. */
  @Override
  void close();

  /** An engine for many machines, which does the trainings of searches as well. Thread-safe. */
  interface Engine extends Trainings {
    /**
     * Does a training of a search, and waits for the result, as {@link LapEngine#train} says.
     *
     * @param state the file from which it goes on; null to begin
     */
    LapEngine.Outcome train(SearchJob job, byte[] state) throws InterruptedException;
  }

  /** Connects to an engine; found by {@link java.util.ServiceLoader} when {@code --on} is given. */
  interface Provider {
    /**
     * Connects to the engine.
     *
     * @param on the address, as {@code --on} has it
     * @param threads the number of threads for each training
     * @throws io.fovea.errors.FoveaException if the address is none of this engine, the engine is not
     *     on the class path, or it cannot be reached
     */
    Engine open(String on, int threads);
  }
}
