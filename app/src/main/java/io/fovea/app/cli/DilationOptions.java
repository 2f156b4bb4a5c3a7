package io.fovea.app.cli;

import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import picocli.CommandLine.Option;

/** The options for the dilation of a segmentation network's backbone, and for the code of a network. */
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

  @ForTask({"segmentation", "video"})
  @Option(
      names = "--form",
      paramLabel = "FORM",
      description =
          "Whose code is followed where codes of the same network differ: authors, mmsegmentation or"
              + " torchvision; for video: fovea, authors or mmaction. Default: authors (video: fovea);"
              + " of an imported file, that of its layout.")
  String form;

  @Option(
      names = "--align-corners",
      negatable = true,
      description =
          "Lay the corners of a small map on those of the large one when it is upsampled"
              + " (align_corners). Default: as in the code of the form.")
  Boolean alignCorners;

  /** The network with the selected dilation and form. */
  <N extends Network> NetworkSpec<N> applied(NetworkSpec<N> network) {
    NetworkSpec<N> formed =
        form == null && alignCorners == null ? network : network.withForm(form, alignCorners);
    return outputStride == null && !multiGrid
        ? formed
        : formed.withDilation(outputStride == null ? 8 : outputStride, multiGrid);
  }
}
