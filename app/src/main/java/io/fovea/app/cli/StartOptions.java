package io.fovea.app.cli;

import io.fovea.app.study.Origin;
import io.fovea.errors.FoveaException;
import io.fovea.models.NetworkSpec;
import io.fovea.training.PublishedWeights;
import io.fovea.training.Task;
import io.fovea.training.Transfer;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** The options for starting from trained weights. */
final class StartOptions {
  static final String HEADING = "%nStarting from trained weights:%n";

  private static final String NEWEST = "newest";
  private static final String NONE = "none";

  @Option(
      names = "--init",
      paramLabel = "FILE|RUN",
      description =
          "Start from these weights: a run, or a .pth or .safetensors file of the same backbone in a"
              + " known layout (see docs/training.md). Default: new weights.")
  private Path init;

  @Option(
      names = "--pretrained",
      paramLabel = "VERSION",
      arity = "0..1",
      fallbackValue = NEWEST,
      description =
          "Start from the published weights of the backbone, with their normalisation: torchvision's"
              + " for ImageNet, akamaster's for CIFAR-10 (resnet20 to resnet110). They are downloaded"
              + " once. v1, v2 or none; default: the newest. Few photographs start from weights that"
              + " were downloaded before.")
  private String pretrained;

  @Option(
      names = "--freeze",
      paramLabel = "backbone|N",
      description =
          "Keep the weights and batch norm statistics of the whole backbone, or of its first N stages (2:"
              + " the stem and two stages; 0: the stem). Default: train everything.")
  private String freeze;

  private PublishedWeights chosen;

  @Option(
      names = "--head-rate",
      paramLabel = "FACTOR",
      description =
          "Factor for the learning rate of newly initialised modules, and of the head of segmentation"
              + " networks. Default: 1 (with trained weights: 10).")
  private Double headRate;

  /**
   * The weights; null for new ones.
   *
   * @param network the network that starts from them
   * @throws FoveaException if there are no published weights for it
   */
  Origin origin(NetworkSpec<?> network) {
    if (chosen != null) {
      return Origin.of(chosen);
    }
    if (pretrained == null || pretrained.equals(NONE)) {
      return init == null ? null : Origin.of(init);
    }
    if (init != null) {
      throw new FoveaException("--init and --pretrained are both given; give one of them");
    }
    if (network.width() != 1) {
      throw new FoveaException(
          "the published weights are for --width 1, not for " + network.width());
    }
    return Origin.of(
        PublishedWeights.of(network.backbone(), pretrained.equals(NEWEST) ? null : pretrained));
  }

  /** Whether the network starts from trained weights. */
  boolean isGiven() {
    return init != null || chosen != null || (pretrained != null && !pretrained.equals(NONE));
  }

  /** Whether nothing was said about weights, so that the images may decide. */
  boolean isOpen() {
    return init == null && pretrained == null && freeze == null && headRate == null;
  }

  /** Starts from published weights although none were asked for. */
  void choose(PublishedWeights weights) {
    chosen = weights;
  }

  /**
   * The treatment of the trained weights.
   *
   * @param usual that of the recipe
   *
   * @throws FoveaException if there are options for trained weights, but no weights
   */
  Transfer transfer(Task<?, ?> task, Transfer usual) {
    if (!isGiven() && freeze != null) {
      throw new FoveaException("--freeze needs trained weights: give --init or --pretrained");
    }
    if (!isGiven() && headRate != null && !task.namesPixels()) {
      throw new FoveaException("--head-rate needs trained weights: give --init or --pretrained");
    }
    Transfer transfer =
        new Transfer(
            freeze != null ? freeze : usual.freeze(),
            headRate != null ? headRate : usual.headRate());
    boolean forWeights =
        transfer.freeze() != null
            || (transfer.headRate() != Transfer.NONE.headRate() && !task.namesPixels());
    if (!isGiven() && forWeights) {
      throw new FoveaException("this recipe needs trained weights: give --init or --pretrained");
    }
    return transfer;
  }
}
