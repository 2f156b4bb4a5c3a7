package io.fovea.app.cli;

import io.fovea.app.console.ConsoleProgress;
import io.fovea.data.DataException;
import io.fovea.errors.FoveaException;
import io.fovea.training.Task;
import io.fovea.training.run.Run;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import picocli.CommandLine.Option;

/**
 * The options for the run and the weights that a command uses. The run is the first argument, or
 * {@code --run}, or the newest in {@code runs/}.
 */
final class RunOptions {
  private static final Path RUNS = Path.of("runs");

  @Option(
      names = "--run",
      paramLabel = "RUN",
      description = "The same as RUN as the first argument.")
  private Path run;

  @Option(
      names = "--weights",
      paramLabel = "WHICH",
      description =
          "Weights to use: best (the epoch with the highest score on the test images), last or"
              + " ema (the average, of a training with --ema). Default: best.")
  private Run.Weights weights;

  /** The weights of a run that are used: those that were asked for, or those of the best epoch. */
  Run.Weights weights(Run<?, ?> of) {
    return weights != null ? weights : of.usualWeights();
  }

  /**
   * The run and its weights: {@code runs/mine, weights of the best epoch, 7 of 10}, and how far its
   * training came if it did not end.
   */
  String describe(Run<?, ?> of) {
    return of.path()
        + ", weights of "
        + of.describe(weights(of))
        + of.unfinished().map(epochs -> ", unfinished: " + epochs).orElse("");
  }

  /** Says which weights of a run are used, if there was a choice. */
  void tell(Run<?, ?> of, ConsoleProgress progress) {
    if (of.hasSeveralEpochs()) {
      progress.line(
          "using "
              + describe(of)
              + (weights == null ? "; --weights last uses those of the last" : "")
              + (weights == null && of.isAverageBetter()
                  ? "; the moving average scored higher on the test samples, --weights ema uses it"
                  : ""));
    }
  }

  /** Whether {@code --run} was given. */
  boolean isGiven() {
    return run != null;
  }

  /**
   * Takes the run from the first of a command's arguments, unless {@code --run} was given.
   *
   * @return the other arguments
   * @throws FoveaException if nothing has the name of the first argument, and others follow: it may be
   *     a misspelt run, in whose place the newest one must not be used
   */
  List<Path> take(List<Path> arguments) {
    if (run != null || arguments.isEmpty()) {
      return arguments;
    }
    Path first = arguments.get(0);
    if (Run.isRun(first)) {
      run = first;
      return arguments.subList(1, arguments.size());
    }
    if (arguments.size() > 1 && InputFiles.isMissing(first)) {
      throw new FoveaException(
          first
              + ": there is no run, file or folder of this name; to use the newest run, name files only");
    }
    return arguments;
  }

  /**
   * Finds a run: the given one, or the newest in {@code runs/}.
   *
   * @param argument the first argument, or null if there is none
   * @param task the task of the run, or null for any task
   * @throws FoveaException if there is no run, or the given run has another task
   */
  Run<?, ?> find(Path argument, Task<?, ?> task, ConsoleProgress progress) {
    if (run != null && argument != null) {
      throw new FoveaException("RUN is given twice: " + argument + " and --run " + run);
    }
    Path given = run != null ? run : argument;
    if (given != null) {
      Run.requireTask(given, task);
      return open(given, progress);
    }
    String kind = task == null ? "" : task + " ";
    Path newest =
        newest(task)
            .orElseThrow(
                () ->
                    new FoveaException(
                        "no run given, and there is no run"
                            + (task == null ? "" : " of " + task)
                            + " in "
                            + RUNS
                            + "; create one with fovea train"));
    progress.line("using the newest " + kind + "run, " + newest);
    return open(newest, progress);
  }

  /** Opens a run, and says so if its training did not end. */
  static Run<?, ?> open(Path path, ConsoleProgress progress) {
    Run<?, ?> run = Run.open(path);
    run.unfinished()
        .ifPresent(
            epochs ->
                progress.line(
                    "note: the training of "
                        + path
                        + " did not end ("
                        + epochs
                        + "); fovea train --resume "
                        + path
                        + " resumes it"));
    return run;
  }

  private static Optional<Path> newest(Task<?, ?> task) {
    if (!Files.isDirectory(RUNS)) {
      return Optional.empty();
    }
    try (Stream<Path> folders = Files.list(RUNS)) {
      return folders
          .filter(folder -> Files.isRegularFile(folder.resolve("last.safetensors")))
          .filter(folder -> task == null || Run.task(folder) == task)
          .max(
              Comparator.comparing(
                  folder -> folder.resolve("last.safetensors").toFile().lastModified()));
    } catch (IOException e) {
      throw new DataException(RUNS + ": cannot be read: " + e.getMessage(), e);
    }
  }
}
