package io.fovea.app.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.app.console.TextTable;
import io.fovea.data.Image;
import io.fovea.data.ImageDataset;
import io.fovea.data.source.Preprocessing;
import io.fovea.data.video.Sampling;
import io.fovea.data.video.VideoSource;
import io.fovea.errors.FoveaException;
import io.fovea.explain.ExplanationJson;
import io.fovea.explain.Pictures;
import io.fovea.explain.VideoExplanation;
import io.fovea.models.Classifier;
import io.fovea.tensor.internal.DidYouMean;
import io.fovea.training.evaluate.Prediction;
import io.fovea.training.evaluate.TestTimeAugmentation;
import io.fovea.training.run.Json;
import io.fovea.training.run.Run;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/**
 * What {@code fovea explain} shows of videos: of one clip of each, what positions draw from across its
 * frames.
 *
 * @param run of a network for video
 * @param network its
 * @param layer the attention module to show alone, or null
 * @param frame of the video that the clip is taken around, and that the points are in; null for its middle
 * @param points column and row of each, in pixels of the frame
 * @param folder where the pictures go
 */
record VideoExplanations(
    Run<Classifier, ImageDataset> run,
    Classifier network,
    String layer,
    Integer frame,
    List<double[]> points,
    Path folder) {
  private static final int SHOWN = 160; // the side of a frame that is shown, in pixels

  /** A clip of a video. */
  private record Clip(VideoSource video, int[] frames) {
    /** The first place of a frame in the clip. */
    int place(int frame) {
      return IntStream.range(0, frames.length)
          .filter(t -> frames[t] == frame)
          .findFirst()
          .orElse(0);
    }

    /** The side of the square that the network sees, in pixels of the video. */
    int side() {
      return Math.min(video.width(), video.height());
    }

    int left() {
      return (video.width() - side()) / 2;
    }

    int top() {
      return (video.height() - side()) / 2;
    }

    /** Column and row in the video, as {@code --point} takes them, of a cell's centre. */
    int[] pixel(VideoExplanation.Grid grid, int x, int y) {
      return new int[] {
        left() + (int) ((x + 0.5) / grid.width() * side()),
        top() + (int) ((y + 0.5) / grid.height() * side())
      };
    }

    String place(int t, int[] pixel) {
      return "frame " + frames[t] + " at " + pixel[0] + "," + pixel[1];
    }

    String label(int t) {
      double seconds = video.seconds(frames[t]);
      return "frame "
          + frames[t]
          + (Double.isNaN(seconds) ? "" : String.format(Locale.ROOT, ", %.2f s", seconds));
    }
  }

  /** Writes the pictures of one video, prints its numbers, and gives what the page shows. */
  ObjectNode explain(Path path, String name, PrintWriter console) throws IOException {
    Preprocessing data = run.preprocessing();
    VideoSource video = VideoSource.open(path);
    Clip clip = clip(video, data.sampling());
    List<VideoExplanation.Point> wanted = new ArrayList<>();
    for (double[] pixel : points) {
      wanted.add(point(clip, pixel));
    }
    int side = data.size();
    Image pixels = video.clip(clip.frames(), network.channels(), side, 0.5);
    List<Prediction> predictions =
        run.task().predict(network, pixels, data, TestTimeAugmentation.WHOLE).ranked();
    List<VideoExplanation> modules =
        shown(VideoExplanation.of(network, pixels, data.normalization(), wanted));
    int large = Math.min(SHOWN, Math.min(video.width(), video.height()));
    byte[] pictures = video.clip(clip.frames(), 3, large, 0.5).pixels();

    print(console, clip, predictions, modules, wanted);
    for (VideoExplanation module : modules) {
      pictures(folder.resolve(name), clip, pictures, large, module, wanted);
    }
    return page(clip, predictions, modules, pictures, large, wanted);
  }

  private Clip clip(VideoSource video, Sampling sampling) {
    int last = Math.max(0, video.length() - sampling.span());
    int start = last / 2;
    if (frame != null) {
      if (frame < 0 || frame >= video.length()) {
        throw new FoveaException(
            "--frame "
                + frame
                + " is not in "
                + video.path()
                + ", whose frames are 0 to "
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

  private VideoExplanation.Point point(Clip clip, double[] pixel) {
    int side = clip.side();
    double x = (pixel[0] - clip.left() + 0.5) / side;
    double y = (pixel[1] - clip.top() + 0.5) / side;
    if (x < 0 || y < 0 || x >= 1 || y >= 1) {
      throw new FoveaException(
          String.format(
              Locale.ROOT,
              "--point %.0f,%.0f is not in what the network sees of %s: columns %d to %d, rows %d to %d",
              pixel[0],
              pixel[1],
              clip.video().path(),
              clip.left(),
              clip.left() + side - 1,
              clip.top(),
              clip.top() + side - 1));
    }
    return new VideoExplanation.Point(
        frame == null ? clip.frames().length / 2 : clip.place(frame), x, y);
  }

  private List<VideoExplanation> shown(List<VideoExplanation> all) {
    if (all.isEmpty()) {
      throw new FoveaException(
          "no position draws from others in " + run.path() + "; nonlocal, pam and dual have that");
    }
    if (layer == null) {
      return all;
    }
    List<VideoExplanation> one =
        all.stream().filter(module -> module.layer().equals(layer)).toList();
    if (one.isEmpty()) {
      throw DidYouMean.unknown(
          "attention module", layer, all.stream().map(VideoExplanation::layer).toList());
    }
    return one;
  }

  private static void print(
      PrintWriter console,
      Clip clip,
      List<Prediction> predictions,
      List<VideoExplanation> modules,
      List<VideoExplanation.Point> wanted) {
    int last = clip.frames().length - 1;
    console.printf(
        Locale.ROOT,
        "%s: %s, %.1f %% (%s to %s)%n",
        clip.video().path(),
        predictions.get(0).name(),
        100 * predictions.get(0).probability(),
        clip.label(0),
        clip.label(last));
    TextTable table =
        new TextTable(
            "module", "position", "draws most from", "share", "times even", "entropy", "change");
    table.left("position");
    table.left("draws most from");
    List<String> verdicts = new ArrayList<>();
    for (VideoExplanation module : modules) {
      for (int i = 0; i < module.rows().size(); i++) {
        VideoExplanation.Row row = module.rows().get(i);
        int best = row.highest(1)[0];
        VideoExplanation.Grid to = module.to();
        int plane = to.height() * to.width();
        table.add(
            i == 0 ? module.layer() : "",
            clip.place(
                frameOf(clip, module, i, wanted), clip.pixel(module.from(), row.x(), row.y())),
            clip.place(
                to.frame(best / plane, clip.frames().length),
                clip.pixel(to, best % to.width(), best % plane / to.width())),
            Pictures.number(row.values()[best]),
            String.format(Locale.ROOT, "%.1f", row.values()[best] * to.size()),
            i > 0 || Double.isNaN(module.entropy())
                ? ""
                : String.format(Locale.ROOT, "%.3f", module.entropy()),
            i > 0 ? "" : TextTable.percent(module.change()) + " %");
      }
      ExplanationJson.verdicts(module)
          .forEach(verdict -> verdicts.add("  " + module.layer() + ": " + verdict));
    }
    table.toString().lines().forEach(line -> console.println("  " + line));
    verdicts.forEach(console::println);
  }

  /** The place in the clip of a position that draws: where it was asked for, or the first that it stands for. */
  private static int frameOf(
      Clip clip, VideoExplanation module, int i, List<VideoExplanation.Point> wanted) {
    return wanted.isEmpty()
        ? module.from().frame(module.rows().get(i).t(), clip.frames().length)
        : wanted.get(i).frame();
  }

  private static void pictures(
      Path folder,
      Clip clip,
      byte[] pixels,
      int side,
      VideoExplanation module,
      List<VideoExplanation.Point> wanted)
      throws IOException {
    List<String> labels = IntStream.range(0, clip.frames().length).mapToObj(clip::label).toList();
    String name = module.layer();
    ExplainCommand.write(
        folder.resolve(name + ".received.png"),
        Pictures.strip(
            pixels, side, labels, module.to(), module.received(), null, name + ": received"));
    VideoExplanation.Grid from = module.from();
    for (int i = 0; i < module.rows().size(); i++) {
      VideoExplanation.Row row = module.rows().get(i);
      int t = frameOf(clip, module, i, wanted);
      Pictures.Cell cell =
          new Pictures.Cell(
              t,
              (row.x() + 0.5) / from.width(),
              (row.y() + 0.5) / from.height(),
              1.0 / from.width(),
              1.0 / from.height());
      int[] pixel = clip.pixel(from, row.x(), row.y());
      ExplainCommand.write(
          folder.resolve(
              name + ".from-" + clip.frames()[t] + "-" + pixel[0] + "-" + pixel[1] + ".png"),
          Pictures.strip(
              pixels,
              side,
              labels,
              module.to(),
              row.values(),
              cell,
              name + ": drawn by " + clip.place(t, pixel)));
    }
  }

  private static ObjectNode page(
      Clip clip,
      List<Prediction> predictions,
      List<VideoExplanation> modules,
      byte[] pixels,
      int side,
      List<VideoExplanation.Point> wanted) {
    ObjectNode node = Json.MAPPER.createObjectNode();
    node.put("name", clip.video().path().getFileName().toString());
    node.put("length", clip.video().length());
    node.put("width", clip.video().width());
    node.put("height", clip.video().height());
    node.put("side", side);
    ObjectNode square = node.putObject("square"); // that the network sees
    square.put("left", clip.left()).put("top", clip.top()).put("side", clip.side());
    node.set("predictions", ExplanationJson.predictions(predictions));
    ArrayNode frames = node.putArray("frames");
    for (int t = 0; t < clip.frames().length; t++) {
      ObjectNode one = frames.addObject();
      one.put("label", clip.label(t));
      one.put(
          "source",
          "data:image/png;base64,"
              + Base64.getEncoder()
                  .encodeToString(Pictures.frame(pixels, t, clip.frames().length, side)));
    }
    ArrayNode list = node.putArray("modules");
    for (VideoExplanation module : modules) {
      ObjectNode one = ExplanationJson.of(module);
      for (int i = 0; i < module.rows().size(); i++) {
        ((ObjectNode) one.path("rows").path(i)).put("frame", frameOf(clip, module, i, wanted));
      }
      list.add(one);
    }
    return node;
  }
}
