package io.fovea.app.cli;

import io.fovea.app.console.TextTable;
import io.fovea.data.Image;
import io.fovea.data.ImageDataset;
import io.fovea.data.source.Preprocessing;
import io.fovea.data.video.Sampling;
import io.fovea.data.video.VideoSource;
import io.fovea.errors.FoveaException;
import io.fovea.explain.Affinity;
import io.fovea.explain.Drawing;
import io.fovea.explain.ExplainedVideo;
import io.fovea.explain.NetworkFacts;
import io.fovea.explain.Region;
import io.fovea.explain.Row;
import io.fovea.explain.VideoExplanation;
import io.fovea.models.Classifier;
import io.fovea.tensor.internal.DidYouMean;
import io.fovea.training.evaluate.Prediction;
import io.fovea.training.evaluate.TestTimeAugmentation;
import io.fovea.training.run.Run;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/**
 * Explains videos: what positions of one clip of each video attend to across its frames. The clip is
 * around the frame that was asked for, or in the middle of the video.
 */
final class VideoExplainer extends Explainer<ExplainedVideo> {
  private static final int SHOWN = 160; // the side of a displayed frame in pixels

  private final Run<Classifier, ImageDataset> run;
  private final Classifier network;
  private final String layer;
  private final Integer frame;
  private final List<double[]> points;

  VideoExplainer(Run<Classifier, ImageDataset> run, Question question) {
    this.run = run;
    network = run.load(question.weights());
    layer = question.layer();
    frame = question.frame();
    points = question.points();
  }

  @Override
  NetworkFacts facts() {
    return NetworkFacts.of(run);
  }

  /** A clip of a video. */
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

  @Override
  ExplainedVideo explain(Path path) throws IOException {
    Preprocessing data = run.preprocessing();
    VideoSource source = VideoSource.open(path);
    Clip clip = clip(source, data.sampling());
    ExplainedVideo.Video video =
        new ExplainedVideo.Video(
            path.getFileName().toString(), source.length(), source.width(), source.height());
    List<Affinity.Point> wanted = new ArrayList<>();
    for (double[] pixel : points) {
      wanted.add(point(clip, video, pixel));
    }
    int side = data.size();
    Image pixels = source.clip(clip.frames(), network.channels(), side, 0.5);
    List<Prediction> predictions =
        run.task().predict(network, pixels, data, TestTimeAugmentation.WHOLE).ranked();
    VideoExplanation explanation =
        shown(VideoExplanation.of(network, pixels, data.normalization(), wanted));
    int large = Math.min(SHOWN, video.side());
    return new ExplainedVideo(
        video,
        new ExplainedVideo.Frames(
            clip.frames(),
            IntStream.range(0, clip.frames().length).mapToObj(clip::label).toList(),
            source.clip(clip.frames(), 3, large, 0.5)),
        NetworkFacts.of(run),
        predictions,
        explanation,
        wanted);
  }

  private Clip clip(VideoSource video, Sampling sampling) {
    int last = Math.max(0, video.length() - sampling.span());
    int start = last / 2;
    if (frame != null) {
      if (frame < 0 || frame >= video.length()) {
        throw new FoveaException(
            "--frame "
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

  private Affinity.Point point(Clip clip, ExplainedVideo.Video video, double[] pixel) {
    int side = video.side();
    requireInside(
        new Region(video.left(), video.top(), side, side),
        "the square of " + clip.video().path() + " that the network sees",
        pixel);
    double x = (pixel[0] - video.left() + 0.5) / side;
    double y = (pixel[1] - video.top() + 0.5) / side;
    return new Affinity.Point(frame == null ? clip.frames().length / 2 : clip.place(frame), x, y);
  }

  private VideoExplanation shown(VideoExplanation all) {
    if (all.modules().isEmpty()) {
      throw new FoveaException(nothingAttends(run.path().toString()));
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

  @Override
  void print(Path path, ExplainedVideo video, PrintWriter console) {
    List<String> labels = video.frames().labels();
    console.printf(
        Locale.ROOT,
        "%s: %s, %.1f %% (%s to %s)%n",
        path,
        video.predictions().get(0).name(),
        100 * video.predictions().get(0).probability(),
        labels.get(0),
        labels.get(labels.size() - 1));
    TextTable table =
        new TextTable(
            "module", "position", "attends most to", "weight", "x uniform", "entropy", "change");
    table.left("position");
    table.left("attends most to");
    for (VideoExplanation.Module module : video.explanation().modules()) {
      Affinity affinity = module.affinity();
      for (int i = 0; i < affinity.rows().size(); i++) {
        Row row = affinity.rows().get(i);
        int best = row.highest(1)[0];
        table.add(
            i == 0 ? module.name() : "",
            video.place(module, i),
            video.placeOf(module, best),
            Drawing.number(row.values()[best]),
            String.format(Locale.ROOT, "%.1f", row.values()[best] * affinity.to().size()),
            i > 0 || Double.isNaN(affinity.entropy())
                ? ""
                : String.format(Locale.ROOT, "%.3f", affinity.entropy()),
            i > 0 ? "" : TextTable.percent(module.effect().change()) + " %");
      }
    }
    table.toString().lines().forEach(line -> console.println("  " + line));
    video.explanation().remarks().forEach(remark -> console.println("  " + remark));
  }
}
