package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.bytedeco.opencv.global.opencv_core.CV_8UC3;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.app.Outcome;
import io.fovea.app.TestRuns;
import io.fovea.data.Image;
import io.fovea.data.Normalization;
import io.fovea.data.bundled.MovingGarments;
import io.fovea.data.source.Preprocessing;
import io.fovea.explain.Strip;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.training.Tasks;
import io.fovea.training.run.Json;
import io.fovea.training.run.Run;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.imageio.ImageIO;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.opencv.opencv_core.Mat;
import org.bytedeco.opencv.opencv_core.Scalar;
import org.bytedeco.opencv.opencv_core.Size;
import org.bytedeco.opencv.opencv_videoio.VideoWriter;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class VideoCommandTest {
  /** Made by {@code scripts/data/videos.py}. */
  private static final Path VIDEOS = Path.of("../data/src/test/resources/videos");

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
    assertThat(evaluated.out()).contains("of 2 test clips of data");

    Path text = Files.writeString(folder.resolve("text.avi"), "not a video");
    Outcome predicted =
        Outcome.of(
            "predict", "--run", run.toString(), avi("long.avi", 10, 8).toString(), text.toString());
    assertThat(predicted.status()).isEqualTo(2);
    assertThat(predicted.out())
        .contains("0.0 s to 0.4 s", "0.4 s to 0.8 s", "0.6 s to 1.0 s", "whole video");
    assertThat(predicted.err()).contains(text + ": cannot be opened as a video");

    Path onnx = folder.resolve("run.onnx");
    Outcome exported = Outcome.of("export", run.toString(), "--out", onnx.toString());
    assertThat(exported.status()).as(exported.err()).isZero();
    Outcome elsewhere =
        Outcome.of("predict", "--onnx", onnx.toString(), folder.resolve("long.avi").toString());
    assertThat(elsewhere.status()).as(elsewhere.err()).isZero();
    assertThat(elsewhere.out()).isEqualTo(predicted.out()).contains("whole video");
    assertThat(Outcome.of("export", run.toString(), "--argmax").errLines())
        .containsExactly("fovea: --argmax is for segmentation, not for video");
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
        "resnet8 is for images; --task video needs c2d-resnet8 or i3d-resnet8",
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
  void drawsAClipAsAStrip() {
    byte[] clip = MovingGarments.of(MovingGarments.Relation.RETURN).test().pixels(0);
    BufferedImage strip = Strip.of(new Image(1, 8, 24, 24, clip));
    assertThat(strip.getWidth()).isEqualTo(8 * 24);
    assertThat(strip.getRGB(3 * 24 + 5, 7) & 255)
        .isEqualTo(Byte.toUnsignedInt(clip[(3 * 24 + 7) * 24 + 5]));
  }

  private Path random(String attention) {
    return TestRuns.video(
        folder.resolve("random-" + attention.replaceAll("[^a-z]", "")), attention);
  }

  @Test
  void explainsWhatPositionsAttendToAcrossTheFrames() throws IOException {
    Path run = random("nonlocal");
    Path out = folder.resolve("explained");
    Path text = Files.writeString(folder.resolve("text.mp4"), "not a video");
    Outcome console =
        Outcome.of(
            "explain",
            run.toString(),
            VIDEOS.resolve("h264.mp4").toString(),
            text.toString(),
            "--frame",
            "12",
            "--point",
            "40,24",
            "--out",
            out.toString());
    assertThat(console.status()).isEqualTo(2); // of the text
    assertThat(console.err()).contains(text + ": cannot be opened as a video");
    // 20 frames; every second of them, so that the twelfth is in the middle.
    assertThat(console.out())
        .contains("(frame 4, 0.40 s to frame 18, 1.80 s)", "nonlocal2", "frame 12 at 39,25")
        .contains(out.resolve("explain.html").toString());
    try (var files = Files.list(out.resolve("h264"))) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .containsExactlyInAnyOrder("nonlocal2.received.png", "nonlocal2.from-12-39-25.png");
    }
    BufferedImage strip = ImageIO.read(out.resolve("h264/nonlocal2.from-12-39-25.png").toFile());
    assertThat(strip.getWidth()).isEqualTo(8 * (144 + 4) - 4);
    // A white line around column 10 and row 8 of 16, in the fifth frame.
    int centre = 4 * 148 + (int) (10.5 / 16 * 144);
    assertThat(strip.getRGB(centre, (int) (8.5 / 16 * 144) - 4) & 0xffffff).isEqualTo(0xffffff);

    String page = Files.readString(out.resolve("explain.html"));
    int from = page.indexOf("const data = ") + 13;
    JsonNode data = Json.MAPPER.readTree(page.substring(from, page.indexOf(";\n", from)));
    JsonNode video = data.path("videos").path(0);
    assertThat(video.path("frames")).hasSize(8);
    assertThat(video.path("frames").path(4).path("label").asText()).isEqualTo("frame 12, 1.20 s");
    JsonNode module = video.path("modules").path(0);
    JsonNode row = module.path("rows").path(0);
    assertThat(List.of(row.path("frame").asInt(), row.path("t").asInt(), row.path("x").asInt()))
        .containsExactly(4, 2, 10);
    double sum = 0;
    for (JsonNode value : row.path("values")) {
      sum += value.asDouble();
    }
    assertThat(row.path("values")).hasSize(4 * 8 * 8);
    assertThat(sum).isCloseTo(1, within(1e-3));
  }

  @Test
  void explainsTheMostTellingPositionsOfTheMiddle() throws IOException {
    Path run = random("nonlocal@post:2");
    Outcome console =
        Outcome.of(
            "explain", run.toString(), VIDEOS.resolve("h264.mkv").toString(), "--threads", "1");
    assertThat(console.status()).as(console.err()).isZero();
    // 70 frames, of which a clip spans 15.
    assertThat(console.out()).contains("(frame 27, 2.70 s to frame 41, 4.10 s)");
    try (var files = Files.list(run.resolve("explain/h264"))) {
      assertThat(files).hasSizeBetween(2, 4);
    }
  }

  @Test
  void saysWhatCannotBeExplained() throws IOException {
    Path run = random("nonlocal");
    String video = VIDEOS.resolve("h264.mp4").toString();
    assertMistake(
        "frame 20 is outside " + video, "explain", run.toString(), video, "--frame", "20");
    assertMistake(
        "point 3,2 is outside the square of "
            + video
            + " that the network sees: columns 8 to 55, rows 0 to 47",
        "explain",
        run.toString(),
        video,
        "--point",
        "3,2");
    assertMistake(
        "unknown attention module: \"nonlocal3\" (did you mean \"nonlocal2\"?)",
        "explain",
        run.toString(),
        video,
        "--layer",
        "nonlocal3");
    assertMistake(
        "--target is for classification", "explain", run.toString(), video, "--target", "calm");
    assertMistake("no position attends to others", "explain", random("se").toString(), video);
  }

  @Test
  void inflatesARunOfImages() throws IOException {
    Path images = folder.resolve("images");
    Classifier network = new ModelSpec("resnet8", 2, 3, 1, "none").create();
    Run.write(
        images,
        Tasks.CLASSIFICATION,
        network,
        new ModelSpec("resnet8", 2, 3, 1, "none"),
        new Preprocessing(List.of("a", "b"), 3, 16, Normalization.IMAGENET),
        "imported from resnet8.pth",
        null);
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
            "--init",
            images.toString(),
            "--out",
            folder.resolve("inflated").toString(),
            "--threads",
            "1");
    assertThat(console.status()).as(console.err()).isZero();
    assertThat(console.err()).contains("starts from " + images + " (a run): ");
  }
}
