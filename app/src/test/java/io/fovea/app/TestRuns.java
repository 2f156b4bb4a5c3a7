package io.fovea.app;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.data.ImageDataset;
import io.fovea.data.Normalization;
import io.fovea.data.bundled.FashionMnist;
import io.fovea.data.source.DataSpec;
import io.fovea.data.source.Preprocessing;
import io.fovea.data.video.Sampling;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.SegmenterSpec;
import io.fovea.models.weights.StateDict;
import io.fovea.training.Tasks;
import io.fovea.training.run.Json;
import io.fovea.training.run.Run;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import javax.imageio.ImageIO;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;

/** Runs that nobody trained, and pictures to ask them about. */
public final class TestRuns {
  private TestRuns() {}

  /** Makes a finished run of a study one that diverged. */
  public static void diverge(Path file, String reason) throws IOException {
    ObjectNode run = Json.read(file, ObjectNode.class);
    run.put("diverged", reason);
    run.set("epochs", Json.MAPPER.createArrayNode());
    run.set("confusion", Json.MAPPER.createArrayNode());
    Json.write(file, run);
  }

  /** A small network for the bundled sample; its residual modules do something. */
  public static Run<Classifier, ImageDataset> make(Path folder, String attention) {
    ModelSpec model = new ModelSpec("resnet8", 10, 1, 0.5, attention);
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Classifier network = model.create(11);
      StateDict.parameters(network)
          .forEach(
              (name, parameter) -> {
                if (name.endsWith("gamma")) {
                  parameter.fill_(new Scalar(0.7));
                }
              });
      DataSpec sample = DataSpec.of(DataSpec.SAMPLE).withImageSize(28).withChannels(1);
      return Run.write(
          folder,
          Tasks.CLASSIFICATION,
          network,
          model,
          new Preprocessing(
              FashionMnist.sample().classes(),
              1,
              28,
              new Normalization(List.of(0.286), List.of(0.353))),
          "made for a test",
          sample);
    }
  }

  /** A small network for clips of 8 frames, every second one, of two classes. */
  public static Path video(Path folder, String attention) {
    ModelSpec model = new ModelSpec("c2d-resnet8", 2, 3, 1, 8, attention);
    try (PointerScope scope = new PointerScope()) {
      Run.write(
          folder,
          Tasks.VIDEO,
          model.create(1),
          model,
          new Preprocessing(
              List.of("calm", "wild"), 3, 32, Normalization.IMAGENET, new Sampling(8, 2, 1, 1), 0),
          "videos",
          null);
    }
    return folder;
  }

  /** A small segmentation network for images of any size, with two classes. */
  public static Path scenes(Path folder, String head) {
    SegmenterSpec model = new SegmenterSpec("small", 2, 3, head, 8, false);
    try (PointerScope scope = new PointerScope()) {
      Run.write(
          folder,
          Tasks.SEGMENTATION,
          model.create(1),
          model,
          new Preprocessing(List.of("ground", "block"), 3, 0, Normalization.IMAGENET),
          "scenes",
          null);
    }
    return folder;
  }

  /** A segmentation network that was trained for a moment on the bundled scenes. */
  public static Path segmenter(Path folder) {
    Outcome training =
        Outcome.of(
            "train",
            "--task",
            "segmentation",
            "--attention",
            "none",
            "--limit",
            "8",
            "--epochs",
            "1",
            "--out",
            folder.toString());
    assertThat(training.status()).as(training.err()).isZero();
    return folder;
  }

  /** A picture with a bright disc left of its centre. */
  public static byte[] png(int width, int height) {
    BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    for (int i = 0; i < width * height; i++) {
      int x = i % width - width / 3;
      int y = i / width - height / 2;
      boolean inside = x * x + y * y < height * height / 9;
      image.setRGB(i % width, i / width, inside ? 0xf0d0a0 : 0x203040);
    }
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try {
      ImageIO.write(image, "png", out);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return out.toByteArray();
  }
}
