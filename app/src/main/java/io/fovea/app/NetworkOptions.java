package io.fovea.app;

import io.fovea.attention.Threads;
import io.fovea.models.ModelSpec;
import io.fovea.training.ImageData;
import java.util.List;
import picocli.CommandLine.Option;

/** The options that say which backbone, where attention goes in it, and how many threads compute. */
final class NetworkOptions {
  @Option(
      names = "--backbone",
      paramLabel = "NAME",
      defaultValue = "resnet8",
      description =
          "resnet8, resnet14, resnet20, ... (depth 6n+2, for small images), or resnet18, resnet34,"
              + " resnet50, resnet101, resnet152. Default: ${DEFAULT-VALUE}.")
  private String backbone;

  @Option(
      names = "--width",
      paramLabel = "FACTOR",
      defaultValue = "1",
      description = "Multiplies the backbone's channels. Default: ${DEFAULT-VALUE}.")
  private double width;

  @Option(
      names = "--stages",
      paramLabel = "N",
      split = ",",
      description =
          "Put attention into these stages only, counted from 1. Default: where its paper puts it.")
  private List<Integer> stages = List.of();

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Threads that compute. Default: one for each core.")
  private Integer threads;

  String backbone() {
    return backbone;
  }

  /** Sets the number of threads for the whole process. */
  void applyThreads() {
    Threads.set(threads == null ? Runtime.getRuntime().availableProcessors() : threads);
  }

  /** Fails early, before data are read, if there is no such network. */
  void check(String attention) {
    new ModelSpec(backbone, 2, 3, width, attention, stages).create().close();
  }

  ModelSpec model(ImageData data, String attention) {
    return new ModelSpec(
        backbone, data.train().classes().size(), data.train().channels(), width, attention, stages);
  }
}
