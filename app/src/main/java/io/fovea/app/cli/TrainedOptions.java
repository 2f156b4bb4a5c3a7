package io.fovea.app.cli;

import io.fovea.app.console.ConsoleProgress;
import io.fovea.data.Dataset;
import io.fovea.models.Network;
import io.fovea.models.Precision;
import io.fovea.training.Task;
import io.fovea.training.run.Run;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The options of commands that use one trained network: which one, and how it computes. */
final class TrainedOptions {
  @Mixin private RunOptions runs;
  @Mixin private PrecisionOptions precision;
  @Mixin private ThreadOptions threads;

  @Option(
      names = "--task",
      paramLabel = "TASK",
      converter = TaskConverter.class,
      completionCandidates = TaskConverter.Names.class,
      description =
          "Use the newest run of this task: ${COMPLETION-CANDIDATES}. Default: the newest of"
              + " all.")
  private Task<?, ?> task;

  /** Sets the number of threads, and refuses a precision that the processor lacks. */
  void apply() {
    threads.apply();
    precision.check();
  }

  /** The task that was asked for, or null for any. */
  Task<?, ?> task() {
    return task;
  }

  /** What convolutions compute in. */
  Precision precision() {
    return precision.precision();
  }

  /** Whether {@code --run} was given. */
  boolean isRunGiven() {
    return runs.isGiven();
  }

  /** As {@link RunOptions#take}. */
  List<Path> take(List<Path> arguments) {
    return runs.take(arguments);
  }

  /** As {@link RunOptions#find}, for the task that was asked for. */
  Run<?, ?> find(Path argument, ConsoleProgress progress) {
    return runs.find(argument, task, progress);
  }

  /** Loads the weights of a run, says which ones if there was a choice, and sets the precision. */
  <N extends Network, D extends Dataset<?>> N load(Run<N, D> run, ConsoleProgress progress) {
    runs.tell(run, progress);
    return precision.applied(run.load(runs.weights(run)));
  }

  /** The weights of a run that are used. */
  Run.Weights weights(Run<?, ?> run) {
    return runs.weights(run);
  }

  /** As {@link RunOptions#describe}. */
  String describe(Run<?, ?> run) {
    return runs.describe(run);
  }
}
