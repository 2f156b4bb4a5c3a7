package io.fovea.app;

import io.fovea.training.DataException;
import io.fovea.training.RunFolder;
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

  static RunFolder open(Path given, ConsoleProgress progress) {
    if (given != null) {
      return RunFolder.open(given);
    }
    Path newest =
        newest()
            .orElseThrow(
                () ->
                    new DataException(
                        "no run given, and there is none in "
                            + RUNS
                            + "; make one with fovea train"));
    progress.line("the newest run: " + newest);
    return RunFolder.open(newest);
  }

  private static Optional<Path> newest() {
    if (!Files.isDirectory(RUNS)) {
      return Optional.empty();
    }
    try (Stream<Path> folders = Files.list(RUNS)) {
      return folders
          .filter(folder -> Files.isRegularFile(folder.resolve("last.safetensors")))
          .max(
              Comparator.comparing(
                  folder -> folder.resolve("last.safetensors").toFile().lastModified()));
    } catch (IOException e) {
      throw new DataException(RUNS + ": cannot be read: " + e.getMessage(), e);
    }
  }
}
