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
          "Factor by which the backbone reduces height and width: 8, 16 or 32 (small: 8 or"
              + " 16). Default: 8.")
  Integer outputStride;

  @Option(
      names = "--multi-grid",
      description =
          "Multiply the dilations of the blocks in the last stage by 1, 2 and 4. Default: no.")
  boolean multiGrid;

  /** The network with the selected dilation. */
  <N extends Network> NetworkSpec<N> applied(NetworkSpec<N> network) {
    return outputStride == null && !multiGrid
        ? network
        : network.withDilation(outputStride == null ? 8 : outputStride, multiGrid);
  }
}
