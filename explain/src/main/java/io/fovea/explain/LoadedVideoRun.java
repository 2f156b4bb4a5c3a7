package io.fovea.explain;

import io.fovea.data.DataException;
import io.fovea.data.Image;
import io.fovea.data.ImageDataset;
import io.fovea.data.source.Preprocessing;
import io.fovea.data.video.Sampling;
import io.fovea.data.video.VideoSource;
import io.fovea.errors.FoveaException;
import io.fovea.models.Classifier;
import io.fovea.tensor.internal.DidYouMean;
import io.fovea.training.evaluate.Prediction;
import io.fovea.training.evaluate.TestTimeAugmentation;
import io.fovea.training.run.Run;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/**
 * A run of a network for videos, with its loaded network. It explains one clip of a video: what
 * positions attend to across its frames.
 */
public record LoadedVideoRun(Run<Classifier, ImageDataset> run, Classifier network) {
  private static final int SHOWN = 160; // the side of a displayed frame in pixels

  /** The frames of a clip in its video. */
  private record Clip(VideoSource video, int[] frames) {
    /** The index of the first occurrence of a frame in the clip. */
    int place(int frame) {
      return IntStream.range(0, frames.length)
          .filter(t -> frames[t] == frame)
          .findFirst()
          .orElse(0);
    }

    String label(int t) {
      double seconds = video.seconds(frames[t]);
      return "frame "
          + frames[t]
          + (Double.isNaN(seconds) ? "" : String.format(Locale.ROOT, ", %.2f s", seconds));
    }
  }

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
    Preprocessing data = run.preprocessing();
    VideoSource source = VideoSource.open(path);
    Clip clip = clip(source, data.sampling(), frame);
    ExplainedVideo.Video video =
        new ExplainedVideo.Video(
            path.getFileName().toString(), source.length(), source.width(), source.height());
    List<Affinity.Point> wanted = new ArrayList<>();
    for (double[] pixel : points) {
      wanted.add(point(clip, video, frame, pixel));
    }
    int side = data.size();
    Image pixels = source.clip(clip.frames(), network.channels(), side, 0.5);
    List<Prediction> predictions =
        run.task().predict(network, pixels, data, TestTimeAugmentation.WHOLE).ranked();
    VideoExplanation explanation =
        shown(VideoExplanation.of(network, pixels, data.normalization(), wanted), layer);
    int large = Math.min(SHOWN, video.side());
    return new ExplainedVideo(
        video,
        new ExplainedVideo.Frames(
            clip.frames(),
            IntStream.range(0, clip.frames().length).mapToObj(clip::label).toList(),
            source.clip(clip.frames(), 3, large, 0.5)),
        facts(),
        predictions,
        explanation,
        wanted);
  }

  private static Clip clip(VideoSource video, Sampling sampling, Integer frame) {
    int last = Math.max(0, video.length() - sampling.span());
    int start = last / 2;
    if (frame != null) {
      if (frame < 0 || frame >= video.length()) {
        throw new FoveaException(
            "frame "
                + frame
                + " is outside "
                + video.path()
                + ", which has frames 0 to "
                + (video.length() - 1));
      }
      int half = sampling.frames() / 2;
      start =
          IntStream.range(0, sampling.frames())
              .boxed()
              .sorted((a, b) -> Math.abs(a - half) - Math.abs(b - half))
              .map(t -> frame - t * sampling.stride())
              .filter(first -> first >= 0 && first <= last)
              .findFirst()
              .orElse(frame % sampling.stride());
    }
    int first = start;
    return new Clip(
        video,
        IntStream.range(0, sampling.frames())
            .map(t -> Math.min(video.length() - 1, first + t * sampling.stride()))
            .toArray());
  }

  private static Affinity.Point point(
      Clip clip, ExplainedVideo.Video video, Integer frame, double[] pixel) {
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
