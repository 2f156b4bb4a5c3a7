package io.fovea.spark;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.app.study.RunTrainer;
import io.fovea.app.study.TrainingJob;
import io.fovea.data.Progress;
import io.fovea.errors.FoveaException;
import io.fovea.tensor.Threads;
import io.fovea.training.run.Json;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.Function;

/** Trains a network in a task: a {@link TrainingJob} as text to its result, or to its error. */
final class TrainTask implements Function<String, String> {
  /** The result, or its error, in what a task returns. */
  static final String RUN = "run";

  /** What a user can correct, so that no other attempt helps. */
  static final String ERROR = "error";

  private static final long serialVersionUID = 1;

  /** Of all tasks of this process, so that all pause while one measures. */
  private static RunTrainer trainer;

  private final int cores;

  /**
   * Creates the function.
   *
   * @param cores the number of threads with which latencies are measured; 0 for all cores of the
   *     machine
   */
  TrainTask(int cores) {
    this.cores = cores;
  }

  @Override
  public String call(String job) {
    Natives.unlimited();
    Threads.set(TaskContext.get().cpus());
    ObjectNode result = Json.MAPPER.createObjectNode();
    try {
      result.set(
          RUN, Json.MAPPER.valueToTree(trainer(cores).train(TrainingJob.of(job), Progress.NONE)));
    } catch (FoveaException e) {
      result.put(ERROR, e.getMessage());
    }
    return Json.line(result);
  }

  private static synchronized RunTrainer trainer(int cores) {
    if (trainer == null) {
      trainer = new RunTrainer(cores > 0 ? cores : Runtime.getRuntime().availableProcessors());
    }
    return trainer;
  }
}
