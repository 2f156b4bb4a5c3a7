package io.fovea.app.cli;

import io.fovea.data.video.Sampling;
import picocli.CommandLine.Option;

/** The options for videos. */
@ForTask("video")
final class VideoOptions {
  static final String HEADING =
      "%nFor videos (--data: a folder of class folders of video files or folders of frames;"
          + " garments-return, bundled, the default; or garments-order):%n";

  @Option(
      names = "--frames",
      paramLabel = "T",
      description = "Number of frames in a clip. Default: 8.")
  Integer frames;

  @Option(
      names = "--frame-stride",
      paramLabel = "N",
      description = "Use every Nth frame of a video. Default: 1.")
  Integer frameStride;

  @Option(
      names = "--clips",
      paramLabel = "N",
      description =
          "Test on N clips, spaced evenly over each video, and average their probabilities."
              + " Default: 1, the middle.")
  Integer clips;

  @Option(
      names = "--crops",
      paramLabel = "N",
      description =
          "Test on N squares along the longer side of each clip, and average. Default: 1, the"
              + " centre.")
  Integer crops;

  /** The sampling of videos, or null for other tasks. */
  Sampling sampling(Sampling usual) {
    return usual == null
        ? null
        : new Sampling(
            frames == null ? usual.frames() : frames,
            frameStride == null ? usual.stride() : frameStride,
            clips == null ? usual.clips() : clips,
            crops == null ? usual.crops() : crops);
  }
}
