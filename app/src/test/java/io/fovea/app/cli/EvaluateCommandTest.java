package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.app.Outcome;
import io.fovea.app.TestRuns;
import io.fovea.training.run.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code fovea evaluate} on other data than the run's, and the files that it writes. */
class EvaluateCommandTest {
  @TempDir static Path runs;
  @TempDir Path root;
  private Path data;

  @BeforeAll
  static void makeARun() {
    TestRuns.make(run(), "none");
  }

  private static Path run() {
    return runs.resolve("run");
  }

  /** Ten images of two classes that the network knows, without a split. */
  @BeforeEach
  void writeImages() throws IOException {
    data = root.resolve("held out");
    for (int i = 0; i < 6; i++) {
      write("Bag/" + i + ".png", 30 + i);
    }
    for (int i = 0; i < 4; i++) {
      write("Dress/" + i + ".png", 60 + i);
    }
  }

  private void write(String name, int side) throws IOException {
    Path file = data.resolve(name);
    Files.createDirectories(file.getParent());
    Files.write(file, TestRuns.png(side, side));
  }

  private Outcome evaluate(String... more) {
    List<String> arguments = new ArrayList<>(List.of("evaluate", run().toString()));
    arguments.addAll(List.of("--data", data.toString()));
    arguments.addAll(List.of(more));
    return Outcome.of(arguments.toArray(new String[0]));
  }

  private static String last(Outcome outcome) {
    return outcome.outLines().get(outcome.outLines().size() - 1);
  }

  @Test
  void allImagesOfAFolderWithoutASplitCount() {
    Outcome outcome = evaluate();

    assertThat(outcome.err()).isEmpty();
    assertThat(outcome.status()).isZero();
    assertThat(last(outcome))
        .contains(" of all 10 images of held out (one image is 10.0 points), loss ");
    assertThat(outcome.outLines()).anyMatch(line -> line.matches("Bag +6 .*"));
    assertThat(outcome.outLines()).anyMatch(line -> line.matches("Dress +4 .*"));
    assertThat(outcome.outLines()).anyMatch(line -> line.startsWith("macro mean"));
  }

  @Test
  void ofASplitFolderTheTestPartCounts() throws IOException {
    Files.move(data, root.resolve("valid"));
    data = root.resolve("valid");
    write("../train/Bag/0.png", 30);
    data = root;

    Outcome outcome = evaluate();

    assertThat(outcome.status()).isZero();
    assertThat(last(outcome)).contains(" of 10 valid images of ", ", loss ");
  }

  @Test
  void aClassThatTheNetworkDoesNotKnowIsLeftOut() throws IOException {
    write("Dragon/1.png", 40);
    write("Dragon/2.png", 41);

    Outcome outcome = evaluate();

    assertThat(outcome.status()).isZero();
    assertThat(outcome.err())
        .isEqualTo(
            "left out, because the network does not know these classes: Dragon (2)"
                + System.lineSeparator());
    assertThat(last(outcome)).contains(" of all 10 images of ");
  }

  @Test
  void aFolderWithNoneOfTheClassesIsRefused() throws IOException {
    data = root.resolve("other");
    write("Dragon/1.png", 40);
    write("Unicorn/1.png", 40);

    Outcome outcome = evaluate();

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines())
        .singleElement()
        .asString()
        .startsWith(
            "fovea: " + data + ": none of its classes (Dragon, Unicorn) is one of the network's (");
  }

  @Test
  void theFilesHoldTheSameNumbers() throws IOException {
    Path json = root.resolve("out/scores.json");
    Path csv = root.resolve("out/images.csv");
    Path report = root.resolve("out/report");

    Outcome outcome =
        evaluate("--json", json.toString(), "--csv", csv.toString(), "--report", report.toString());

    assertThat(outcome.status()).isZero();
    assertThat(outcome.errLines())
        .containsExactly("wrote " + json, "wrote " + csv, "wrote " + report.resolve("report.html"));
    JsonNode tree = Json.read(json, JsonNode.class);
    assertThat(tree.path("format").asText()).isEqualTo("fovea-evaluation/1");
    assertThat(tree.path("samples").asInt()).isEqualTo(10);
    assertThat(last(outcome))
        .startsWith(String.format("top-1 %.1f %%", 100 * tree.path("top1").asDouble()));
    assertThat(tree.path("scores").path("classes")).hasSize(10);
    assertThat(
            tree.path("scores").path("classes").path(0).path("iou").isNumber()
                || tree.path("scores").path("classes").path(0).path("iou").isNull())
        .isTrue();
    assertThat(tree.path("calibration").path("bins")).hasSize(15);
    List<String> lines = Files.readAllLines(csv);
    assertThat(lines.get(0)).isEqualTo("file,class,predicted,correct,confidence,probability,rank");
    assertThat(lines).hasSize(11);
    long correct = lines.stream().filter(line -> line.contains(",true,")).count();
    assertThat(correct / 10.0).isEqualTo(tree.path("top1").asDouble());
    assertThat(lines.get(1)).startsWith("Bag/0.png,Bag,");
    assertThat(Files.readString(report.resolve("report.html")))
        .contains("\"worst\":[{\"file\":", "data:image/png;base64,")
        .doesNotContain("FOVEA-");

    for (String[] there :
        new String[][] {
          {"--json", json.toString()}, {"--csv", csv.toString()}, {"--report", report.toString()}
        }) {
      Outcome again = evaluate(there);
      assertThat(again.status()).isEqualTo(2);
      assertThat(again.err())
          .endsWith(": exists already; choose another name, or replace it with --overwrite\n");
    }
    assertThat(Files.readAllLines(csv)).isEqualTo(lines);
  }

  @Test
  void filesThatCannotBeWrittenAreRefusedBeforeAnythingIsEvaluated() throws IOException {
    Path file = Files.writeString(root.resolve("file"), "");
    for (String option : List.of("--json", "--csv", "--report")) {
      Outcome outcome = evaluate(option, file.resolve("scores.html").toString());

      assertThat(outcome.status()).isEqualTo(2);
      assertThat(outcome.out()).isEmpty();
      assertThat(outcome.errLines())
          .containsExactly(
              "fovea: "
                  + file.resolve("scores.html")
                  + ": cannot be written: "
                  + file
                  + " is not a folder");
    }
    assertThat(evaluate("--csv", root.toString()).errLines())
        .containsExactly("fovea: " + root + ": cannot be written: it is a folder; name a file");
    assertThat(file.resolveSibling("runs")).doesNotExist();
  }

  @Test
  void segmentationHasScoresOfPixels() {
    Path trained = TestRuns.segmenter(root.resolve("segmenter"));
    Path json = root.resolve("scores.json");
    Path csv = root.resolve("images.csv");
    Path page = root.resolve("page.html");

    Outcome outcome =
        Outcome.of(
            "evaluate",
            trained.toString(),
            "--json",
            json.toString(),
            "--csv",
            csv.toString(),
            "--report",
            page.toString());

    assertThat(outcome.status()).isZero();
    assertThat(outcome.outLines().get(0)).contains("pixels %", "accuracy %", "IoU %");
    JsonNode tree = Json.read(json, JsonNode.class);
    assertThat(tree.path("miou").isNumber()).isTrue();
    assertThat(tree.has("calibration")).isFalse();
    assertThat(csv).content().startsWith("file,pixels,pixel_accuracy,miou");
    assertThat(page).content().contains("\"truth\":\"data:image/png;base64,");
  }
}
