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
 * The explanation of a network on a clip of a video, with everything that is needed to draw it.
 *
 * @param video the video of the clip
 * @param frames the frames of the clip
 * @param network the explained network
 * @param predictions the predictions of the network, the most probable first
 * @param explanation the explanation of the network on the clip
 * @param asked the requested points in the order of the rows; empty if the positions were chosen
 */
public record ExplainedVideo(
    Video video,
    Frames frames,
    NetworkFacts network,
    List<Prediction> predictions,
    VideoExplanation explanation,
    List<Affinity.Point> asked)
    implements Explained {

  /**
   * A video. The network sees the largest centred square of its frames.
   *
   * @param file the name of the file
   * @param length the number of frames
   * @param width in pixels
   * @param height in pixels
   */
  public record Video(String file, int length, int width, int height) {
    /** The side of the square in pixels. */
    public int side() {
      return Math.min(width, height);
    }

    /** The left edge of the square. */
    public int left() {
      return (width - side()) / 2;
    }

    /** The upper edge of the square. */
    public int top() {
      return (height - side()) / 2;
    }
  }

  /**
   * The displayed frames of a clip.
   *
   * @param numbers the indices of the frames in the video, from 0
   * @param labels the labels of the frames
   * @param clip the squares of the frames
   */
  public record Frames(int[] numbers, List<String> labels, Image clip) {
    /** How many. */
    public int count() {
      return numbers.length;
    }
  }

  /**
   * {@inheritDoc}
   *
   * <p>The pictures are in a folder with the video's name.
   */
  @Override
  public Path save(Path folder) throws IOException {
    savePictures(folder.resolve(ExplainedImage.stem(video.file())));
    return new ExplainPage(network).add(this).write(folder.resolve("explain.html"));
  }

  @Override
  public void savePictures(Path folder) throws IOException {
    Png.write(folder, pictures());
  }

  @Override
  public void addTo(ExplainPage page) {
    page.add(this);
  }

  @Override
  public String name() {
    return video.file();
  }

  @Override
  public int modules() {
    return explanation.modules().size();
  }

  @Override
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

  /**
   * The frame of the clip for a row: the requested frame, or the first frame that the position
   * covers.
   */
  int frame(VideoExplanation.Module module, int row) {
    return asked.isEmpty()
        ? module.affinity().from().frame(module.affinity().rows().get(row).t(), frames.count())
        : asked.get(row).frame();
  }

  /**
   * The place of a row for readers: {@code frame 12 at 39,25}.
   *
   * @param row the index of the row
   */
  public String place(VideoExplanation.Module module, int row) {
    Row at = module.affinity().rows().get(row);
    return place(frame(module, row), pixel(module.affinity().from(), at.x(), at.y()));
  }

  /**
   * The place of an attended position for readers: {@code frame 12 at 39,25}.
   *
   * @param position the position in {@link Affinity#to}
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

  /** The column and row of a cell's centre in the video. */
  private int[] pixel(Grid grid, int x, int y) {
    return new int[] {
      video.left() + (int) ((x + 0.5) / grid.width() * video.side()),
      video.top() + (int) ((y + 0.5) / grid.height() * video.side())
    };
  }
}
