package io.fovea.spark;

import io.fovea.app.study.SearchJob;
import io.fovea.data.DataException;
import io.fovea.tensor.Threads;
import io.fovea.training.run.Json;
import io.fovea.training.search.LapEngine;
import java.io.Serializable;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.Function;
import org.apache.spark.broadcast.Broadcast;

/** Does a training of a search in a task: a {@link SearchJob} as text to a result or an error. */
final class LapTask implements Function<String, LapTask.Result> {
  private static final long serialVersionUID = 1;

  /**
   * What the training has come to.
   *
   * @param lap the result as text; null if there was not enough time
   * @param state the file from which the training can go on; null for none
   * @param error what a user can correct, so that no other attempt helps; null without an error
   */
  record Result(String lap, byte[] state, String error) implements Serializable {}

  private final Broadcast<byte[]> state;

  /**
   * Creates the function.
   *
   * @param state the file from which the training goes on; null to begin
   */
  LapTask(Broadcast<byte[]> state) {
    this.state = state;
  }

  @Override
  public Result call(String job) {
    Natives.unlimited();
    Threads.set(TaskContext.get().cpus());
    try {
      LapEngine.Outcome outcome = SearchJob.of(job).train(state == null ? null : state.value());
      return new Result(
          outcome.lap() == null ? null : Json.line(outcome.lap()), outcome.state(), null);
    } catch (DataException e) {
      return new Result(null, null, e.getMessage());
    }
  }
}
