package io.fovea.app;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.bytedeco.opencv.global.opencv_core.CV_8UC3;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.training.ImageData;
import io.fovea.training.Json;
import io.fovea.training.MovingGarments;
import io.fovea.training.Normalization;
import io.fovea.training.RunFolder;
import io.fovea.training.SpaceTime;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.opencv.opencv_core.Mat;
import org.bytedeco.opencv.opencv_core.Scalar;
import org.bytedeco.opencv.opencv_core.Size;
import org.bytedeco.opencv.opencv_videoio.VideoWriter;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class VideoCommandTest {
  @TempDir Path folder;

  private Path avi(String name, int frames, int step) throws IOException {
    Path file = folder.resolve(name);
    Files.createDirectories(file.getParent());
    try (PointerScope scope = new PointerScope()) {
      VideoWriter writer =
          new VideoWriter(
              file.toString(),
              VideoWriter.fourcc((byte) 'M', (byte) 'J', (byte) 'P', (byte) 'G'),
              10,
              new Size(32, 24),
              true);
      for (int i = 0; i < frames; i++) {
        int grey = 120 + step * i;
        writer.write(new Mat(24, 32, CV_8UC3, new Scalar(grey, grey, grey, 0)));
      }
      writer.release();
    }
    return file;
  }

  private Path videos() throws IOException {
    for (int i = 0; i < 5; i++) {
      avi("data/brighter/" + i + ".avi", 12, 8);
      avi("data/darker/" + i + ".avi", 12, -8);
    }
    return folder.resolve("data");
  }

  @Test
  void trainsEvaluatesAndPredictsOverTime() throws IOException {
    Path data = videos();
    Path run = folder.resolve("run");
    Outcome trained =
        Outcome.of(
            "train",
            "--task",
            "video",
            "--data",
            data.toString(),
            "--backbone",
            "c2d-resnet8",
            "--frames",
            "4",
            "--image-size",
            "16",
            "--epochs",
            "1",
            "--batch-size",
            "4",
            "--clips",
            "2",
            "--out",
            run.toString(),
            "--threads",
            "1");
    assertThat(trained.status()).as(trained.err()).isZero();
    assertThat(trained.err()).contains("8 training and 2 test videos", "c2d-resnet8 with nonlocal");
    JsonNode config = Json.read(run.resolve("config.json"), JsonNode.class);
    assertThat(config.path("task").asText()).isEqualTo("video");
    assertThat(config.path("model").path("frames").asInt()).isEqualTo(4);
    assertThat(config.path("data").path("spec").path("sampling").path("clips").asInt())
        .isEqualTo(2);

    Outcome evaluated = Outcome.of("evaluate", run.toString());
    assertThat(evaluated.status()).as(evaluated.err()).isZero();
    assertThat(evaluated.out()).contains("of 2 test images of data");

    Path text = Files.writeString(folder.resolve("text.avi"), "not a video");
    Outcome predicted =
        Outcome.of(
            "predict", "--run", run.toString(), avi("long.avi", 10, 8).toString(), text.toString());
    assertThat(predicted.status()).isEqualTo(2);
    assertThat(predicted.out())
        .contains("0.0 s to 0.4 s", "0.4 s to 0.8 s", "0.6 s to 1.0 s", "all of it");
    assertThat(predicted.err()).contains(text + ": cannot be opened as a video");

    Outcome exported = Outcome.of("export", run.toString());
    assertThat(exported.status()).isEqualTo(2);
  }

  @Test
  void comparesAndReports() throws IOException {
    Path out = folder.resolve("study");
    Outcome console =
        Outcome.of(
            "compare",
            "--task",
            "video",
            "--data",
            videos().toString(),
            "--frames",
            "4",
            "--image-size",
            "16",
            "--epochs",
            "1",
            "--batch-size",
            "4",
            "--seeds",
            "1",
            "--modules",
            "none,nonlocal",
            "--out",
            out.toString(),
            "--threads",
            "1");
    assertThat(console.status()).as(console.err()).isZero();
    JsonNode results = Json.read(out.resolve("results.json"), JsonNode.class);
    assertThat(results.path("task").asText()).isEqualTo("video");
    assertThat(results.path("data").path("image")).hasSize(4);
    assertThat(results.path("rows")).hasSize(2);
    assertThat(Files.readString(out.resolve("report.html"))).contains("brighter");
  }

  @Test
  void refusesWhatDoesNotBelongTogether() {
    assertMistake("--frames is for video", "train", "--frames", "4");
    assertMistake(
        "resnet8 takes images; --task video takes c2d-resnet8 or i3d-resnet8",
        "train",
        "--task",
        "video",
        "--backbone",
        "resnet8");
    assertMistake("c2d-resnet8 is for --task video", "train", "--backbone", "c2d-resnet8");
    assertMistake(
        "frames of garments-return are square", "train", "--task", "video", "--crops", "3");
    assertMistake("nowhere: no such folder", "train", "--task", "video", "--data", "nowhere");
  }

  private static void assertMistake(String message, String... arguments) {
    Outcome console = Outcome.of(arguments);
    assertThat(console.status()).isEqualTo(2);
    assertThat(console.err()).contains(message);
  }

  @Test
  void showsWhatAPointDrawsFromAcrossTheFrames() {
    ImageData data = MovingGarments.of(MovingGarments.Relation.RETURN);
    Classifier network = new ModelSpec("c2d-resnet8", 2, 1, 1, 8, "nonlocal").create();
    network.eval();
    byte[] clip = data.test().pixels(0);
    SpaceTime.Point point = new SpaceTime.Point(6, 0.5, 0.5);
    List<SpaceTime> affinities =
        SpaceTime.of(network, clip, 8, 24, 24, data.normalization(), point);
    assertThat(affinities).hasSize(1);
    SpaceTime affinity = affinities.get(0);
    assertThat(affinity.layer()).isEqualTo("nonlocal2");
    assertThat(new int[] {affinity.times(), affinity.height(), affinity.width()})
        .containsExactly(4, 6, 6);
    double sum = 0;
    for (float value : affinity.values()) {
      sum += value;
    }
    assertThat(sum).isCloseTo(1, within(1e-4));
    int[] highest = affinity.highest(2);
    assertThat(affinity.values()[highest[0]]).isGreaterThanOrEqualTo(affinity.values()[highest[1]]);

    BufferedImage strip = Strip.of(clip, 1, 8, 24, 24);
    assertThat(strip.getWidth()).isEqualTo(8 * 24);
    assertThat(strip.getRGB(3 * 24 + 5, 7) & 255)
        .isEqualTo(Byte.toUnsignedInt(clip[(3 * 24 + 7) * 24 + 5]));
    BufferedImage explained = Strip.explained(strip, 8, affinity, point);
    assertThat(explained.getHeight()).isEqualTo(96);
    assertThat(explained.getRGB((int) (6.5 * 96), 48)).isEqualTo(0xff00ffff); // the point itself
  }

  @Test
  void inflatesARunOfImages() throws IOException {
    Path images = folder.resolve("images");
    Classifier network = new ModelSpec("resnet8", 2, 3, 1, "none").create();
    RunFolder.write(
        images,
        network,
        new ModelSpec("resnet8", 2, 3, 1, "none"),
        RunFolder.Data.ofImport(
            null, Path.of("resnet8.pth"), List.of("a", "b"), 16, Normalization.IMAGENET));
    Outcome console =
        Outcome.of(
            "train",
            "--task",
            "video",
            "--data",
            videos().toString(),
            "--backbone",
            "i3d-resnet8",
            "--frames",
            "4",
            "--image-size",
            "16",
            "--epochs",
            "1",
            "--batch-size",
            "4",
            "--attention",
            "none",
            "--inflate",
            images.toString(),
            "--out",
            folder.resolve("inflated").toString(),
            "--threads",
            "1");
    assertThat(console.status()).as(console.err()).isZero();
    assertThat(console.err()).contains("inflated the weights of " + images);
  }
}
