package io.fovea.explain;

import io.fovea.data.DataException;
import io.fovea.data.ImageDataset;
import io.fovea.data.video.VideoSource;
import io.fovea.errors.FoveaException;
import io.fovea.models.Classifier;
import io.fovea.tensor.internal.DidYouMean;
import io.fovea.training.run.Run;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A run of a network for videos, with its loaded network. It explains one clip of a video: what
 * positions attend to across its frames.
 */
public record LoadedVideoRun(Run<Classifier, ImageDataset> run, Classifier network) {
  /** The description of the network for pages. */
  public NetworkFacts facts() {
    return NetworkFacts.of(run);
  }

  /**
   * Explains a clip of a video.
   *
   * @param path a video file or a folder of frames
   * @param layer the only attention module to show, or null for all
   * @param frame the frame of the points, which is in the middle of the clip if possible; null for the
   *     clip in the middle of the video
   * @param points the columns and rows of the pixels whose attention is shown; none for positions
   *     that are chosen
   * @throws DataException if the video cannot be read
   * @throws FoveaException if the frame, a point or the module does not exist, or the network has no
   *     attention between positions
   * @throws IOException if a frame cannot be read
   */
  public ExplainedVideo explain(Path path, String layer, Integer frame, List<double[]> points)
      throws IOException {
    VideoSource source = VideoSource.open(path);
    if (frame != null && (frame < 0 || frame >= source.length())) {
      throw new FoveaException(
          "frame "
              + frame
              + " is outside "
              + path
              + ", which has frames 0 to "
              + (source.length() - 1));
    }
    VideoClip clip =
        VideoClip.around(
            source, path.getFileName().toString(), run.preprocessing().sampling(), frame);
    List<Affinity.Point> wanted = new ArrayList<>();
    for (double[] pixel : points) {
      wanted.add(point(clip, frame, pixel));
    }
    return clip.explained(run, network, wanted, all -> shown(all, layer));
  }

  private static Affinity.Point point(VideoClip clip, Integer frame, double[] pixel) {
    ExplainedVideo.Video video = clip.facts();
    int side = video.side();
    new Region(video.left(), video.top(), side, side)
        .requireInside("the square of " + clip.video().path() + " that the network sees", pixel);
    double x = (pixel[0] - video.left() + 0.5) / side;
    double y = (pixel[1] - video.top() + 0.5) / side;
    return new Affinity.Point(frame == null ? clip.frames().length / 2 : clip.place(frame), x, y);
  }

  private VideoExplanation shown(VideoExplanation all, String layer) {
    if (all.modules().isEmpty()) {
      throw new FoveaException(Affinity.nothingAttends(run.path().toString()));
    }
    if (layer == null) {
      return all;
    }
    List<VideoExplanation.Module> one =
        all.modules().stream().filter(module -> module.name().equals(layer)).toList();
    if (one.isEmpty()) {
      throw DidYouMean.unknown(
          "attention module",
          layer,
          all.modules().stream().map(VideoExplanation.Module::name).toList());
    }
    return new VideoExplanation(one);
  }
}
