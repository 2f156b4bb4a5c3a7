package io.fovea.explain;

import io.fovea.data.Image;
import io.fovea.data.source.Preprocessing;
import io.fovea.data.video.Sampling;
import io.fovea.data.video.VideoSource;
import io.fovea.models.Classifier;
import io.fovea.training.evaluate.Prediction;
import io.fovea.training.evaluate.TestTimeAugmentation;
import io.fovea.training.run.Run;
import java.util.List;
import java.util.Locale;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;

/**
 * A clip of a video, as a network sees it.
 *
 * @param video the video
 * @param name the name of the video, for readers
 * @param frames the indices of its frames in the video, in ascending order; the array is not copied
 */
public record VideoClip(VideoSource video, String name, int[] frames) {
  private static final int SHOWN = 160; // the side of a displayed frame in pixels

  /**
   * The clip around a frame; near the ends of the video, the frame is not in its middle.
   *
   * @param sampling the number of frames and their distance
   * @param frame a frame of the video, or null for the middle of the video
   */
  public static VideoClip around(VideoSource video, String name, Sampling sampling, Integer frame) {
    int last = Math.max(0, video.length() - sampling.span());
    int start = last / 2;
    if (frame != null) {
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
    return new VideoClip(
        video,
        name,
        IntStream.range(0, sampling.frames())
            .map(t -> Math.min(video.length() - 1, first + t * sampling.stride()))
            .toArray());
  }

  /** The index of the first occurrence of a frame of the video in the clip; 0 if it is not there. */
  public int place(int frame) {
    return IntStream.range(0, frames.length).filter(t -> frames[t] == frame).findFirst().orElse(0);
  }

  /** The square of the video that networks see, with its size. */
  public ExplainedVideo.Video facts() {
    return new ExplainedVideo.Video(name, video.length(), video.width(), video.height());
  }

  private String label(int t) {
    double seconds = video.seconds(frames[t]);
    return "frame "
        + frames[t]
        + (Double.isNaN(seconds) ? "" : String.format(Locale.ROOT, ", %.2f s", seconds));
  }

  /**
   * Explains a network on this clip.
   *
   * @param run the run of a video network
   * @param network its network
   * @param points the points to explain; empty for those whose attention differs most from the average
   * @param shown selects what is shown of the explanation
   * @throws io.fovea.data.DataException if a frame cannot be read
   */
  public ExplainedVideo explained(
      Run<?, ?> run,
      Classifier network,
      List<Affinity.Point> points,
      UnaryOperator<VideoExplanation> shown) {
    Preprocessing data = run.preprocessing();
    Image pixels = video.clip(frames, network.channels(), data.size(), 0.5);
    List<Prediction> predictions =
        run.task().predict(network::scores, pixels, data, TestTimeAugmentation.WHOLE).ranked();
    VideoExplanation explanation =
        shown.apply(VideoExplanation.of(network, pixels, data.normalization(), points));
    return new ExplainedVideo(
        facts(),
        new ExplainedVideo.Frames(
            frames,
            IntStream.range(0, frames.length).mapToObj(this::label).toList(),
            video.clip(frames, 3, Math.min(SHOWN, facts().side()), 0.5)),
        NetworkFacts.of(run),
        predictions,
        explanation,
        points);
  }
}
