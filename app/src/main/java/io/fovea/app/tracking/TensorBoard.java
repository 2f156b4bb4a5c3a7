package io.fovea.app.tracking;

import io.fovea.data.Batch;
import io.fovea.data.BatchLoader;
import io.fovea.data.Dataset;
import io.fovea.data.Image;
import io.fovea.data.source.DataSpec;
import io.fovea.explain.Drawing;
import io.fovea.explain.Plane;
import io.fovea.explain.Png;
import io.fovea.explain.ReportExamples;
import io.fovea.explain.ReportExamples.AttentionMap;
import io.fovea.explain.Strip;
import io.fovea.models.Network;
import io.fovea.training.EpochResult;
import io.fovea.training.Training;
import io.fovea.training.TrainingListener;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.evaluate.Metric;
import io.fovea.training.run.Json;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.UncheckedIOException;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Writes TensorBoard's event file of a training into the folder of its run: the loss of each step,
 * the metrics of each epoch, the first batch as it is augmented, and attention maps of a few test
 * images after some of the epochs. A full disk ends the writing, not the training.
 *
 * @param <N> the type of the network
 * @param <D> the type of the data sets
 */
public final class TensorBoard<N extends Network, D extends Dataset<?>>
    implements TrainingListener, AutoCloseable {
  private static final int SHOWN = 16;
  private static final int COLUMNS = 4;
  private static final int EXAMPLES = 4;
  private static final int LAYERS = 4;
  private static final int PICTURES = 10;

  private final Training<N, D> training;
  private final DataSpec source;
  private final Consumer<String> lines;
  private EventFile file;
  private long step;

  /** TensorBoard shows ten pictures of a kind, and a picture for each epoch would fill the disk. */
  private int every;

  /**
   * Begins a file.
   *
   * @param folder the folder of the run
   * @param done the number of epochs that were trained before
   * @param lines receives a line if the file cannot be written
   */
  public TensorBoard(
      Path folder, Training<N, D> training, DataSpec source, int done, Consumer<String> lines) {
    this.training = training;
    this.source = source;
    this.lines = lines;
    planned(training.spec().epochs());
    int batch = training.imagesOfBatch();
    step = (long) done * (training.data().train().size() / batch);
    attempt(
        () -> {
          file = new EventFile(folder, step);
          if (done == 0) {
            String settings = Json.tree(training.spec()).toPrettyString();
            file.text("training", 0, "    " + settings.replace("\n", "\n    "));
            file.text("data", 0, training.data().description());
            image("augmented batch", 0, augmented());
          }
        });
  }

  /** Whether the folder of a training has such a file, so that it goes on to be followed. */
  public static boolean isIn(Path folder) {
    return EventFile.isIn(folder);
  }

  @Override
  public void planned(int epochs) {
    every = (epochs + PICTURES - 1) / PICTURES;
  }

  private void attempt(Runnable writing) {
    try {
      writing.run();
      if (file != null) {
        file.flush();
      }
    } catch (UncheckedIOException e) {
      lines.accept(
          "note: TensorBoard's event file cannot be written any more: "
              + e.getCause().getMessage());
      close();
    }
  }

  @Override
  public void step(int images, double loss) {
    step++;
    if (file != null) {
      attempt(() -> file.scalar("loss of the step", step, loss));
    }
  }

  @Override
  public void epoch(EpochResult result, Evaluation test) {
    if (file == null) {
      return;
    }
    attempt(
        () -> {
          int epoch = result.epoch();
          Metric accuracy = training.task().accuracy();
          file.scalar("loss/training", epoch, result.trainLoss());
          file.scalar("loss/test", epoch, result.testLoss());
          file.scalar(accuracy.key() + "/training", epoch, result.train(accuracy));
          for (Metric metric : training.task().metrics()) {
            file.scalar(metric.key() + "/test", epoch, result.test(metric));
          }
          file.scalar("learning rate", epoch, result.learningRate());
          file.scalar("images per second", epoch, result.imagesPerSecond());
          if (epoch == 1 || epoch % every == 0) {
            attention().forEach((layer, picture) -> image("attention/" + layer, epoch, picture));
          }
        });
  }

  private void image(String tag, long at, BufferedImage picture) {
    file.image(tag, at, picture.getHeight(), picture.getWidth(), Png.bytes(picture));
  }

  /** The first images of the first batch, as the network gets them. */
  private BufferedImage augmented() {
    List<BufferedImage> shown = new ArrayList<>();
    int size = training.imagesOfBatch();
    try (BatchLoader loader =
        BatchLoader.builder(training.samples())
            .batchSize(size)
            .shuffle(true)
            .dropLast(true)
            .seed(training.spec().seed())
            .build()) {
      try (Batch batch = loader.epoch(1).iterator().next()) {
        long[] shape = batch.images().shape();
        float[] values = new float[Math.toIntExact(batch.images().numel())];
        batch.images().<FloatBuffer>createBuffer().get(values);
        for (int i = 0; i < Math.min(SHOWN, size); i++) {
          shown.add(Strip.of(training.data().normalization().image(values, i, shape)));
        }
      }
    }
    return tiles(shown);
  }

  /** For the first attention modules: their maps over some test images, side by side. */
  private Map<String, BufferedImage> attention() {
    if (training.network().attentions().isEmpty()) {
      return Map.of();
    }
    Map<String, List<BufferedImage>> maps = new LinkedHashMap<>();
    for (ReportExamples.Example example : examples()) {
      Image image = training.data().test().sample(example.index()).image();
      for (AttentionMap map : example.maps()) {
        if (maps.size() < LAYERS || maps.containsKey(map.layer())) {
          maps.computeIfAbsent(map.layer(), layer -> new ArrayList<>()).add(drawn(image, map));
        }
      }
    }
    Map<String, BufferedImage> pictures = new LinkedHashMap<>();
    maps.forEach((layer, drawn) -> pictures.put(layer, tiles(drawn)));
    return pictures;
  }

  private List<ReportExamples.Example> examples() {
    return training
        .network()
        .inEvaluationMode(
            () ->
                ReportExamples.of(
                    training.task(), training.network(), training.data(), source, EXAMPLES));
  }

  /** A map lies over its image if it is a square; the maps of clips and scenes stand alone. */
  private static BufferedImage drawn(Image image, AttentionMap map) {
    Plane plane = Plane.of(map.height(), map.width(), map.values());
    String caption = map.layer() + ": " + map.kind();
    return image.frames() == 0 && image.height() == image.width()
        ? Drawing.over(image, plane, caption)
        : Drawing.of(plane, caption);
  }

  private static BufferedImage tiles(List<BufferedImage> pictures) {
    int width = pictures.stream().mapToInt(BufferedImage::getWidth).max().orElseThrow();
    int height = pictures.stream().mapToInt(BufferedImage::getHeight).max().orElseThrow();
    int columns = Math.min(COLUMNS, pictures.size());
    int rows = (pictures.size() + columns - 1) / columns;
    BufferedImage all =
        new BufferedImage(columns * width, rows * height, BufferedImage.TYPE_3BYTE_BGR);
    Graphics2D graphics = all.createGraphics();
    for (int i = 0; i < pictures.size(); i++) {
      graphics.drawImage(pictures.get(i), i % columns * width, i / columns * height, null);
    }
    graphics.dispose();
    return all;
  }

  @Override
  public void close() {
    if (file != null) {
      EventFile open = file;
      file = null;
      try {
        open.close();
      } catch (UncheckedIOException e) {
        lines.accept("note: TensorBoard's event file may be incomplete: " + e.getMessage());
      }
    }
  }
}
