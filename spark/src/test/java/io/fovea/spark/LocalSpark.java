package io.fovea.spark;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.data.Image;
import io.fovea.data.ImageDataset;
import io.fovea.data.bundled.FashionMnist;
import io.fovea.data.source.Preprocessing;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.onnx.Onnx;
import io.fovea.training.Tasks;
import io.fovea.training.run.ModelCard;
import io.fovea.training.run.Run;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.imageio.ImageIO;
import org.apache.spark.sql.SparkSession;
import org.bytedeco.javacpp.PointerScope;

/** The session that all tests share, networks that nobody trained, and images. */
final class LocalSpark {
  private static SparkSession session;

  private LocalSpark() {}

  /** Two tasks at once in this process. */
  static synchronized SparkSession session() {
    if (session == null) {
      session =
          SparkSession.builder()
              .master("local[2]")
              .appName("tests")
              .config("spark.ui.enabled", "false")
              .config("spark.sql.shuffle.partitions", "2")
              .config("spark.driver.host", "localhost")
              .config("spark.driver.bindAddress", "127.0.0.1")
              .getOrCreate();
    }
    return session;
  }

  /** A small network for grey images of 28 x 28. */
  static Path run(Path folder, long seed) {
    ModelSpec model = new ModelSpec("resnet8", 10, 1, 0.5, "se:reduction=4");
    try (PointerScope scope = new PointerScope()) {
      Run.write(
          folder,
          Tasks.CLASSIFICATION,
          model.create(seed),
          model,
          new Preprocessing(
              FashionMnist.sample().classes(), 1, 28, FashionMnist.sample().normalization()),
          "made for a test",
          null);
    }
    return folder;
  }

  /** Exports a run. */
  static Path onnx(Path run, Path file) throws IOException {
    Run<Classifier, ImageDataset> opened = Run.open(run, Tasks.CLASSIFICATION);
    try (PointerScope scope = new PointerScope()) {
      Onnx.write(
          file,
          opened.load(Run.Weights.LAST),
          "test",
          ModelCard.metadata(opened, Run.Weights.LAST));
    }
    return file;
  }

  /** Writes the first images of the bundled sample, and more of them turned upside down. */
  static void images(Path folder, int count) {
    ImageDataset images = FashionMnist.sample().train();
    try {
      Files.createDirectories(folder);
      for (int i = 0; i < count; i++) {
        Image image = images.sample(i % images.size()).image();
        BufferedImage picture =
            new BufferedImage(image.width(), image.height(), BufferedImage.TYPE_BYTE_GRAY);
        picture.getRaster().setDataElements(0, 0, image.width(), image.height(), image.pixels());
        Path file = folder.resolve("%05d.png".formatted(i));
        assertThat(ImageIO.write(picture, "png", file.toFile())).isTrue();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
