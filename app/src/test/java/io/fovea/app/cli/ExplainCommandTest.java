package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.app.Outcome;
import io.fovea.app.TestRuns;
import io.fovea.training.run.Json;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ExplainCommandTest {
  @TempDir static Path folder;
  private static Path run;
  private static Path image;

  @BeforeAll
  static void makeARun() throws IOException {
    run = folder.resolve("run");
    TestRuns.make(run, "cbam:reduction=4@standard:2; dual:reduction=2@stage:3");
    image = folder.resolve("disc.png");
    Files.write(image, TestRuns.png(60, 40));
  }

  private static Outcome explain(Path out, String... more) {
    List<String> arguments =
        new ArrayList<>(List.of("explain", "--threads", "1", run.toString(), "--out", out + ""));
    arguments.addAll(List.of(more));
    return Outcome.of(arguments.toArray(String[]::new));
  }

  private static JsonNode data(Path html) throws IOException {
    String text = Files.readString(html);
    String start = "const data = ";
    int from = text.indexOf(start) + start.length();
    return Json.MAPPER.readTree(text.substring(from, text.indexOf(";\n", from)));
  }

  private static List<String> files(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void noPageIsReplacedWithoutBeingAsked(@TempDir Path out) throws IOException {
    Files.writeString(out.resolve("explain.html"), "another");
    assertMistake(
        explain(out, image.toString()),
        out.resolve("explain.html") + ": exists already; choose another name");
    Path own = run.resolve("explain");
    Files.createDirectories(own);
    Files.writeString(own.resolve("explain.html"), "another");

    Outcome outcome =
        Outcome.of(
            "explain", "--threads", "1", run.toString(), image.toString(), "--layer", "layer1");

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(outcome.outLines())
        .endsWith(run.resolve("explain-2").resolve("explain.html").toString());
    assertThat(own.resolve("explain.html")).hasContent("another");
  }

  @Test
  void drawsEveryModuleAndGradCamOfEveryStage(@TempDir Path out) throws IOException {
    Outcome outcome = explain(out, image.toString());

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(outcome.outLines().get(0)).matches("\\Q" + image + "\\E: [A-Z].*, \\d+\\.\\d %");
    assertThat(outcome.out())
        .containsPattern("layer2.0.cbam +channels +\\d")
        .containsPattern("layer2.0.cbam +positions +\\d")
        .containsPattern("dual3 +received +\\d")
        .containsPattern("dual3 +channel matrix +\\d")
        .endsWith(out.resolve("explain.html") + System.lineSeparator());
    List<String> pictures = files(out.resolve("disc"));
    assertThat(pictures)
        .contains(
            "dual3.channel-matrix.png",
            "dual3.received.png",
            "grad-cam.layer1.png",
            "grad-cam++.layer3.png",
            "layer2.0.cbam.channels.png",
            "layer2.0.cbam.positions.png")
        .allMatch(name -> name.endsWith(".png"));
    assertThat(pictures.stream().filter(name -> name.startsWith("dual3.from-")).count())
        .isBetween(2L, 4L);

    String html = Files.readString(out.resolve("explain.html"));
    assertThat(html.replace("http://www.w3.org/2000/svg", "")).doesNotContain("http:", "https:");
    assertThat(html).doesNotContain("FOVEA-");
    JsonNode data = data(out.resolve("explain.html"));
    JsonNode one = data.path("images").path(0);
    assertThat(one.path("image").path("width").asInt()).isEqualTo(60);
    assertThat(one.path("predictions")).hasSize(10);
    assertThat(one.path("modules")).hasSize(2);
    assertThat(one.path("modules").path(0).path("channel").path("values")).hasSize(16);
    assertThat(one.path("modules").path(0).path("spatial").path("values")).hasSize(14 * 14);
    assertThat(one.path("modules").path(1).path("affinity").path("grid").path("step").asInt())
        .isEqualTo(1);
    assertThat(one.path("grad_cam")).hasSize(3);
  }

  /** The picture is enlarged by a whole factor; what the network does not see is dark; the legend fits. */
  @Test
  void overlaysLieOverTheSquareInTheCentre(@TempDir Path out) throws IOException {
    explain(out, image.toString(), "--layer", "layer2.0.cbam");

    Path file = out.resolve("disc").resolve("layer2.0.cbam.positions.png");
    BufferedImage picture = ImageIO.read(file.toFile());
    assertThat(picture.getWidth()).isEqualTo(60 * 6); // 224 / 40, upwards
    assertThat(picture.getHeight()).isEqualTo(40 * 6 + 28 + 3 * 18);
    assertThat(picture.getRGB(3, 3) & 0xffffff).isEqualTo(0x0d131a); // 0x203040 times 0.4
    assertThat(picture.getRGB(180, 120) & 0xffffff).isNotEqualTo(0x203040);
    assertThat(picture.getRGB(71, 40 * 6 + 12) & 0xffffff)
        .isEqualTo(0x46085c); // viridis, four steps from its beginning
    assertThat(files(out.resolve("disc")))
        .noneMatch(name -> name.startsWith("dual3"))
        .contains("grad-cam.layer2.png");
  }

  @Test
  void aPointAsksWhatAPixelDrawsFrom(@TempDir Path out) throws IOException {
    Outcome outcome =
        explain(out, image.toString(), "--layer", "dual3", "--point", "10,0", "--point", "49,39");

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(files(out.resolve("disc")).stream().filter(name -> name.contains(".from-")))
        .containsExactly("dual3.from-0-0.png", "dual3.from-6-6.png");
  }

  @Test
  void gradCamLooksForTheTargetInTheLayer(@TempDir Path out) throws IOException {
    Outcome outcome = explain(out, image.toString(), "--target", "Sandal", "--layer", "layer1.0");

    assertThat(outcome.status()).as(outcome.err()).isZero();
    JsonNode cams = data(out.resolve("explain.html")).path("images").path(0).path("grad_cam");
    assertThat(cams).hasSize(1);
    assertThat(cams.path(0).path("layer").asText()).isEqualTo("layer1.0");
    assertThat(cams.path(0).path("class").asText()).isEqualTo("Sandal");
    assertThat(cams.path(0).path("label").asInt()).isEqualTo(5);
  }

  @Test
  void looksAtADataSet(@TempDir Path out) throws IOException {
    Outcome outcome = explain(out, "--data", "fashion-mnist-sample", "--per-class", "2");

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(outcome.outLines().get(0)).isEqualTo("20 test images of fashion-mnist-sample");
    assertThat(files(out.resolve("data")))
        .containsExactly(
            "dual3.average.png", "layer2.0.cbam.average.png", "layer2.0.cbam.classes.png");
    JsonNode survey = data(out.resolve("explain-data.html")).path("survey");
    assertThat(survey.path("images")).hasSize(10).allMatch(count -> count.asInt() == 2);
    assertThat(survey.path("modules").path(0).path("gates").path(9)).hasSize(16);
    assertThat(survey.path("modules").path(0).path("map").path("received").asBoolean()).isFalse();
    assertThat(survey.path("modules").path(1).path("map").path("received").asBoolean()).isTrue();
  }

  @Test
  void anUnreadableImageDoesNotKeepTheOthersBack(@TempDir Path out) throws IOException {
    Path bad = folder.resolve("bad.png");
    Files.writeString(bad, "no picture");

    Outcome outcome = explain(out, bad.toString(), image.toString());

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines()).hasSize(1);
    assertThat(outcome.err()).contains("bad.png: not a JPEG, PNG, BMP or WebP image");
    assertThat(data(out.resolve("explain.html")).path("images")).hasSize(1);
  }

  @Test
  void mistakesAreOneLine(@TempDir Path out) {
    String file = image.toString();
    assertMistake(explain(out), "give image or video files, or a data set with --data");
    assertMistake(explain(out, file, "--data", "x"), "--data cannot be combined with image files");
    assertMistake(
        explain(out, file, "--target", "Sandel"),
        "unknown class: \"Sandel\" (did you mean \"Sandal\"?)");
    assertMistake(
        explain(out, file, "--layer", "layer9"), "unknown layer: \"layer9\" (did you mean \"layer");
    assertMistake(explain(out, file, "--point", "5"), "--point: expected a pixel's column and row");
    assertMistake(
        explain(out, file, "--point", "5,5"),
        "point 5,5 is outside the square of "
            + file
            + " that the network sees: columns 10 to 49, rows 0 to 39");
    assertMistake(
        explain(out, file, "--point", "30,5", "--layer", "layer2.0.cbam"),
        "--point: in layer2.0.cbam no position attends to others; this needs"
            + " one of pam, dual, nonlocal");
    assertMistake(explain(out, file, "--per-class", "3"), "--per-class needs --data");
    assertMistake(
        explain(out, "--data", "fashion-mnist-sample", "--per-class", "0"),
        "--per-class must be at least 1, got 0");
    assertMistake(
        explain(out, "--data", "fashion-mnist-sample", "--target", "Bag"),
        "--target, --layer, --point and --region cannot be combined with --data");
    assertThat(out.resolve("explain.html")).doesNotExist();
  }

  private static void assertMistake(Outcome outcome, String message) {
    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines()).hasSize(1);
    assertThat(outcome.err()).startsWith("fovea: ").contains(message);
  }
}
