package io.fovea.app.cli;

import io.fovea.errors.FoveaException;
import io.fovea.tensor.Threads;
import picocli.CommandLine.Option;

/** The option for the number of threads. */
final class ThreadOptions {
  @Option(
      names = "--threads",
      paramLabel = "N",
      description =
          "Number of threads. Default: one for each core (train with a small backbone: 1).")
  private Integer threads;

  /** Sets the number of threads for the whole process. */
  void apply() {
    apply(Runtime.getRuntime().availableProcessors());
  }

  /**
   * Sets the number of threads for the whole process.
   *
   * @param usual the number if none was given
   */
  void apply(int usual) {
    if (threads == null) {
      Threads.set(usual);
      return;
    }
    try {
      Threads.set(threads);
    } catch (IllegalArgumentException e) {
      throw new FoveaException("--threads: " + e.getMessage(), e);
    }
  }
}
