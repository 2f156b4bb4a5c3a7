package io.fovea.app.cli;

import io.fovea.errors.FoveaException;
import io.fovea.training.Task;
import io.fovea.training.Transfer;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** The options for starting from trained weights. */
final class StartOptions {
  static final String HEADING = "%nStarting from trained weights:%n";

  private static final double HEAD_RATE = 10;

  @Option(
      names = "--init",
      paramLabel = "FILE|RUN",
      description =
          "Start from these weights: a run, or a .pth or .safetensors file of the same backbone in a"
              + " known layout (see docs/training.md). Default: new weights.")
  private Path init;

  @Option(
      names = "--freeze",
      paramLabel = "backbone|N",
      description =
          "Keep the weights and batch norm statistics of the whole backbone, or of its first stages (2:"
              + " the stem and two stages; 0: the stem). Default: train everything.")
  private String freeze;

  @Option(
      names = "--head-rate",
      paramLabel = "FACTOR",
      description =
          "Factor for the learning rate of newly initialised modules, and of the head of segmentation"
              + " networks. Default: 1 (with --init: 10).")
  private Double headRate;

  /** The weights, or null for new ones. */
  Path weights() {
    return init;
  }

  /** Whether the network starts from trained weights. */
  boolean isGiven() {
    return init != null;
  }

  /**
   * The treatment of the trained weights.
   *
   * @throws FoveaException if there are options for trained weights, but no weights
   */
  Transfer transfer(Task<?, ?> task) {
    if (!isGiven() && freeze != null) {
      throw new FoveaException("--freeze needs trained weights: give --init");
    }
    if (!isGiven() && headRate != null && !task.namesPixels()) {
      throw new FoveaException("--head-rate needs trained weights: give --init");
    }
    return new Transfer(
        freeze, headRate != null ? headRate : isGiven() ? HEAD_RATE : Transfer.NONE.headRate());
  }
}
