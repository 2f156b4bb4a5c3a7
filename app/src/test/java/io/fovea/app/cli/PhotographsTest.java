package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.app.Outcome;
import io.fovea.app.TestRuns;
import io.fovea.models.Classifier;
import io.fovea.models.weights.Safetensors;
import io.fovea.models.weights.StateDict;
import io.fovea.training.run.Json;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import javax.imageio.ImageIO;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What {@code fovea train} decides because of the images, and how long it says it will take. */
class PhotographsTest {
  @TempDir Path folder;
  private Path data;

  /** The cache of downloaded weights is not the user's. */
  @BeforeEach
  void writePhotographs() throws IOException {
    System.setProperty("fovea.cache", folder.resolve("cache").toString());
    data = folder.resolve("data");
    for (int i = 0; i < 5; i++) {
      write("cat", i, 120, 100);
      write("dog", i, 130, 101);
    }
  }

  @AfterEach
  void restore() {
    System.clearProperty("fovea.cache");
  }

  private void write(String name, int number, int width, int height) throws IOException {
    Path file = data.resolve(name).resolve(number + ".png");
    Files.createDirectories(file.getParent());
    Files.write(file, TestRuns.png(width, height));
  }

  private Outcome train(String... more) {
    List<String> arguments = new ArrayList<>(List.of("train", "--data", data.toString()));
    arguments.addAll(List.of("--batch-size", "2", "--epochs", "2", "--dry-run"));
    arguments.addAll(List.of(more));
    Outcome outcome = Outcome.of(arguments.toArray(new String[0]));
    assertThat(outcome.status()).as(outcome.err()).isZero();
    return outcome;
  }

  @Test
  void photographsChooseALargerNetwork() {
    Path out = folder.resolve("run");

    Outcome outcome = train("--image-size", "40", "--out", out.toString());

    assertThat(outcome.errLines())
        .contains(
            "the images are 10 photographs (median 130 x 101 pixels): trains resnet18 at 40 x 40;"
                + " --backbone resnet8 is faster and sees less, at 32 x 32",
            "note: 10 photographs are few for new weights; --pretrained starts from"
                + " resnet18-f37072fd.pth (torchvision, v1), which is downloaded once",
            "note: of 2 test images, one image is 50.0 points");
    assertThat(outcome.out())
        .matches(
            "3 steps of 2 images took [0-9.]+ ms each: 2 epochs of 4 steps and 2 test images will"
                + " take about \\d+ s; nothing was written\\R");
    assertThat(out).doesNotExist();
  }

  /** A network may see few pixels of them; the page shows what it sees as sharp as it is in the file. */
  @Test
  void theReportOfAStudyShowsPhotographs() throws IOException {
    Path out = folder.resolve("study");
    Outcome outcome =
        Outcome.of(
            "compare",
            "--data",
            data.toString(),
            "--backbone",
            "resnet8",
            "--image-size",
            "32",
            "--modules",
            "none,se",
            "--seeds",
            "1",
            "--epochs",
            "1",
            "--batch-size",
            "2",
            "--out",
            out.toString());
    assertThat(outcome.status()).as(outcome.err()).isZero();

    String report = Files.readString(out.resolve("report.html"));
    int begin = report.indexOf("const DATA = ") + "const DATA = ".length();
    JsonNode held = Json.MAPPER.readTree(report.substring(begin, report.indexOf(";\n", begin)));
    JsonNode cat = held.path("examples").path(0);
    assertThat(cat.path("label").asText()).isEqualTo("cat");
    assertThat(cat.path("width").asInt()).isEqualTo(100); // the largest square of 120 x 100
    String uri = cat.path("image").asText();
    byte[] png = Base64.getDecoder().decode(uri.substring(uri.indexOf(',') + 1));
    BufferedImage shown = ImageIO.read(new ByteArrayInputStream(png));
    BufferedImage file = ImageIO.read(data.resolve("cat/0.png").toFile());
    assertThat(shown.getWidth()).isEqualTo(100);
    assertThat(shown.getRGB(0, 0)).isEqualTo(file.getRGB(10, 0)); // not scaled
    assertThat(shown.getRGB(30, 50)).isEqualTo(file.getRGB(40, 50));
  }

  @Test
  void asSmallAsThumbnailsTheySaySo() {
    Outcome outcome = train("--backbone", "resnet8", "--pretrained", "none");

    assertThat(outcome.errLines())
        .contains(
            "note: 10 photographs (median 130 x 101 pixels) are scaled to 32 x 32, so that details"
                + " are lost; --backbone resnet18 sees 224 x 224");
    assertThat(outcome.err()).doesNotContain("--pretrained");
  }

  @Test
  void smallImagesAreNoPhotographs() throws IOException {
    for (int i = 0; i < 5; i++) {
      write("cat", i, 40, 36);
      write("dog", i, 40, 36);
    }

    assertThat(train().err()).contains("resnet8 with none").doesNotContain("photographs");
  }

  @Test
  void fewPhotographsStartFromDownloadedWeights() throws IOException {
    Path weights = folder.resolve("cache/weights/resnet18-f37072fd.pth");
    Files.createDirectories(weights.getParent());
    try (PointerScope scope = new PointerScope()) {
      Classifier network = Classifier.builder("resnet18").classes(3).build();
      Safetensors.write(weights, StateDict.of(network), Map.of());
    }

    assertThat(train("--image-size", "40").err())
        .contains(
            "few photographs: starts from the downloaded weights, as with --pretrained; --pretrained"
                + " none trains new ones",
            "starts from resnet18-f37072fd.pth (torchvision, v1)",
            "the classifier starts fresh: 2 classes instead of 3");
    assertThat(train("--image-size", "40", "--recipe", "scratch").err())
        .contains("resnet18 with none")
        .doesNotContain("weights");
  }

  @Test
  void aFileIsNoFolder() throws IOException {
    Path list = Files.writeString(folder.resolve("labels.csv"), "a.png,cat dog\n");
    Path run = folder.resolve("run");
    TestRuns.make(run, "se:reduction=4");
    for (List<String> command :
        List.of(
            List.of("train", "--data", list.toString()),
            List.of("compare", "--data", list.toString()),
            List.of("evaluate", run.toString(), "--data", list.toString()),
            List.of("explain", run.toString(), "--data", list.toString()),
            List.of("data", list.toString()))) {
      Outcome outcome = Outcome.of(command.toArray(new String[0]));

      assertThat(outcome.status()).as("%s", command).isEqualTo(2);
      assertThat(outcome.err())
          .contains(
              "fovea: "
                  + list
                  + ": is a file; lists of files and labels, with several labels for an image or with"
                  + " one, cannot be read yet: sort the images into one folder for each class.");
    }
  }
}
