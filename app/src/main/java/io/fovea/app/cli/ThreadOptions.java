package io.fovea.app.cli;

import io.fovea.errors.FoveaException;
import io.fovea.tensor.Threads;
import picocli.CommandLine.Option;

/** The option for the number of threads. */
final class ThreadOptions {
  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Number of threads. Default: one for each core.")
  private Integer threads;

  /** Sets the number of threads for the whole process. */
  void apply() {
    if (threads == null) {
      Threads.set(Runtime.getRuntime().availableProcessors());
      return;
    }
    try {
      Threads.set(threads);
    } catch (IllegalArgumentException e) {
      throw new FoveaException("--threads: " + e.getMessage(), e);
    }
  }
}
