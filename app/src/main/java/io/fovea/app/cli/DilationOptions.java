package io.fovea.app.cli;

import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import picocli.CommandLine.Option;

/** The options for the dilation of a segmentation network's backbone. */
@ForTask("segmentation")
class DilationOptions {
  static final String HEADING = "%nFor segmentation:%n";

  @Option(
      names = "--output-stride",
      paramLabel = "N",
      description =
          "How much the backbone reduces the sides: 8, 16, or 32 (not the small one). Default: 8.")
  Integer outputStride;

  @Option(
      names = "--multi-grid",
      description =
          "Give the blocks of the last stage dilations of 1, 2 and 4 times the stage's. Default: no.")
  boolean multiGrid;

  /** The network with the selected dilation. */
  <N extends Network> NetworkSpec<N> applied(NetworkSpec<N> network) {
    return outputStride == null && !multiGrid
        ? network
        : network.withDilation(outputStride == null ? 8 : outputStride, multiGrid);
  }
}
