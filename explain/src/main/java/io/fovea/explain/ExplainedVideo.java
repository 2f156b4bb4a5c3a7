package io.fovea.explain;

import io.fovea.data.Image;
import io.fovea.training.evaluate.Prediction;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * A clip of a video and what a network's attention does to it: everything that can be drawn.
 *
 * @param video that the clip is of
 * @param frames of the clip
 * @param network that was explained
 * @param predictions of the network, the most probable first
 * @param explanation of the network on the clip
 * @param asked the points that were asked for, in the order of the rows; none for the most telling
 */
public record ExplainedVideo(
    Video video,
    Frames frames,
    NetworkFacts network,
    List<Prediction> predictions,
    VideoExplanation explanation,
    List<Affinity.Point> asked) {

  /**
   * A video; the network sees the largest square in the middle of its frames.
   *
   * @param file its name
   * @param length in frames
   * @param width in pixels
   * @param height in pixels
   */
  public record Video(String file, int length, int width, int height) {
    /** The side of the square, in pixels. */
    public int side() {
      return Math.min(width, height);
    }

    /** Where the square begins, from the left. */
    public int left() {
      return (width - side()) / 2;
    }

    /** Where the square begins, from the top. */
    public int top() {
      return (height - side()) / 2;
    }
  }

  /**
   * The frames of a clip, as they are shown.
   *
   * @param numbers of the frames in the video, from 0
   * @param labels of the frames
   * @param clip the frames' squares
   */
  public record Frames(int[] numbers, List<String> labels, Image clip) {
    /** How many. */
    public int count() {
      return numbers.length;
    }
  }

  /**
   * Writes every picture as PNG into a folder of the video's name, and {@code explain.html}, one file that
   * needs no connection.
   *
   * @param folder is made if it is not there
   * @return the page
   * @throws IOException if a file cannot be written; what is written is whole
   */
  public Path save(Path folder) throws IOException {
    savePictures(folder.resolve(ExplainedImage.stem(video.file())));
    return new ExplainPage(network).add(this).write(folder.resolve("explain.html"));
  }

  /** Writes the pictures alone, into this folder. */
  public void savePictures(Path folder) throws IOException {
    Png.write(folder, pictures());
  }

  /** Every picture by its name, drawn when it is asked for. */
  public Map<String, Supplier<BufferedImage>> pictures() {
    Map<String, Supplier<BufferedImage>> all = new LinkedHashMap<>();
    for (VideoExplanation.Module module : explanation.modules()) {
      String of = module.name();
      Affinity affinity = module.affinity();
      all.put(
          of + ".received",
          () -> clip(affinity.to(), affinity.received(), null, of + ": attention received"));
      Grid from = affinity.from();
      for (int i = 0; i < affinity.rows().size(); i++) {
        Row row = affinity.rows().get(i);
        int t = frame(module, i);
        Drawing.Cell cell =
            new Drawing.Cell(
                t,
                (row.x() + 0.5) / from.width(),
                (row.y() + 0.5) / from.height(),
                1.0 / from.width(),
                1.0 / from.height());
        int[] pixel = pixel(from, row.x(), row.y());
        all.put(
            of + ".from-" + frames.numbers()[t] + "-" + pixel[0] + "-" + pixel[1],
            () ->
                clip(affinity.to(), row.values(), cell, of + ": attention of " + place(t, pixel)));
      }
    }
    return all;
  }

  private BufferedImage clip(Grid grid, float[] values, Drawing.Cell cell, String caption) {
    return Drawing.clip(frames.clip(), frames.labels(), grid, values, cell, caption);
  }

  /** The frame of the clip that a row is of: where it was asked for, or the first that it stands for. */
  int frame(VideoExplanation.Module module, int row) {
    return asked.isEmpty()
        ? module.affinity().from().frame(module.affinity().rows().get(row).t(), frames.count())
        : asked.get(row).frame();
  }

  /**
   * Where a row is, to be read: {@code frame 12 at 39,25}.
   *
   * @param row its number
   */
  public String place(VideoExplanation.Module module, int row) {
    Row at = module.affinity().rows().get(row);
    return place(frame(module, row), pixel(module.affinity().from(), at.x(), at.y()));
  }

  /**
   * Where a position is that is attended to, to be read: {@code frame 12 at 39,25}.
   *
   * @param position in {@link Affinity#to}
   */
  public String placeOf(VideoExplanation.Module module, int position) {
    Grid to = module.affinity().to();
    int plane = to.height() * to.width();
    return place(
        to.frame(position / plane, frames.count()),
        pixel(to, position % to.width(), position % plane / to.width()));
  }

  private String place(int frame, int[] pixel) {
    return "frame " + frames.numbers()[frame] + " at " + pixel[0] + "," + pixel[1];
  }

  /** Column and row in the video of a cell's centre. */
  private int[] pixel(Grid grid, int x, int y) {
    return new int[] {
      video.left() + (int) ((x + 0.5) / grid.width() * video.side()),
      video.top() + (int) ((y + 0.5) / grid.height() * video.side())
    };
  }
}
