package io.fovea.app.cli;

import io.fovea.app.console.ConsoleProgress;
import io.fovea.data.DataException;
import io.fovea.training.Task;
import io.fovea.training.run.RunFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Optional;
import java.util.stream.Stream;
import picocli.CommandLine.Option;

/** Which weights of which run a command works on: the run given, or the newest in {@code runs/}. */
final class RunOptions {
  private static final Path RUNS = Path.of("runs");

  @Option(
      names = "--weights",
      paramLabel = "WHICH",
      defaultValue = "last",
      description = "last or best. Default: ${DEFAULT-VALUE}.")
  private RunFolder.Weights weights;

  RunFolder.Weights weights() {
    return weights;
  }

  /** Opens a run of a classifier: the one given, or the newest. */
  static RunFolder open(Path given, ConsoleProgress progress) {
    return RunFolder.open(find(given, Task.CLASSIFICATION, progress));
  }

  /**
   * Finds a run: the one given, or the newest in {@code runs/}.
   *
   * @param task what it must have been trained for, null for anything
   * @throws DataException if there is none, or the one given is of another task
   */
  static Path find(Path given, Task task, ConsoleProgress progress) {
    if (given != null) {
      Task there = RunFolder.task(given);
      if (task != null && there != task) {
        throw new DataException(given + ": a run of " + there + ", expected one of " + task);
      }
      return given;
    }
    String kind = task == null ? "" : " of " + task;
    Path newest =
        newest(task)
            .orElseThrow(
                () ->
                    new DataException(
                        "no run given, and there is none"
                            + kind
                            + " in "
                            + RUNS
                            + "; make one with fovea train"));
    progress.line("the newest run" + kind + ": " + newest);
    return newest;
  }

  private static Optional<Path> newest(Task task) {
    if (!Files.isDirectory(RUNS)) {
      return Optional.empty();
    }
    try (Stream<Path> folders = Files.list(RUNS)) {
      return folders
          .filter(folder -> Files.isRegularFile(folder.resolve("last.safetensors")))
          .filter(folder -> task == null || RunFolder.task(folder) == task)
          .max(
              Comparator.comparing(
                  folder -> folder.resolve("last.safetensors").toFile().lastModified()));
    } catch (IOException e) {
      throw new DataException(RUNS + ": cannot be read: " + e.getMessage(), e);
    }
  }
}
