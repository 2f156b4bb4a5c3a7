package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.app.Outcome;
import io.fovea.app.TestRuns;
import io.fovea.training.run.Json;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Folders, patterns, lists and the standard input, and the formats of the predictions. */
class PredictCommandTest {
  @TempDir static Path folder;

  @BeforeAll
  static void makeARunAndImages() throws IOException {
    TestRuns.make(run(), "none");
    for (int i = 0; i < 5; i++) {
      write("in/a" + i + ".png", TestRuns.png(30 + 3 * i, 40));
    }
    write("in/deeper/b, c.png", TestRuns.png(33, 33));
    write("in/notes.txt", "no image".getBytes(StandardCharsets.UTF_8));
    write("in/.hidden.png", TestRuns.png(33, 33));
  }

  private static Path run() {
    return folder.resolve("run");
  }

  private static Path write(String name, byte[] content) throws IOException {
    Path file = folder.resolve(name);
    Files.createDirectories(file.getParent());
    return Files.write(file, content);
  }

  private static Outcome predict(String... more) {
    List<String> arguments = new ArrayList<>(List.of("predict", run().toString()));
    arguments.addAll(List.of(more));
    return Outcome.of(arguments.toArray(new String[0]));
  }

  private static String in(String name) {
    return folder.resolve("in").resolve(name).toString();
  }

  @Test
  void aFolderIsPredictedTogetherAsItsFilesAreOneByOne() {
    Outcome all = predict(folder.resolve("in").toString());

    assertThat(all.status()).as(all.err()).isZero();
    StringBuilder single = new StringBuilder();
    for (String name : List.of("a0.png", "a1.png", "a2.png", "a3.png", "a4.png")) {
      single.append(predict(in(name)).out());
    }
    single.append(predict(in("deeper/b, c.png")).out());
    assertThat(all.out()).isEqualTo(single.toString());
  }

  @Test
  void aPatternChoosesFiles() {
    assertThat(predict(in("a[13].png")).outLines()).hasSize(8).contains(in("a1.png"), in("a3.png"));
    assertThat(predict(in("*.png"), "--top", "1").outLines()).hasSize(10);
    assertThat(predict(in("**.png"), "--top", "1").outLines()).hasSize(12);
    assertThat(predict(in("x*.png")).errLines())
        .containsExactly(
            "fovea: " + in("x*.png") + ": no such file, and no file matches this pattern");
  }

  @Test
  void aListNamesFiles() throws IOException {
    String text = "\ufeff" + in("a1.png") + "\r\n\n" + in("deeper/b, c.png") + "\n";
    Path list = write("list.txt", text.getBytes(StandardCharsets.UTF_8));

    Outcome outcome = predict("--list", list.toString(), "--top", "1");

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(outcome.outLines()).hasSize(4).contains(in("a1.png"), in("deeper/b, c.png"));
    assertThat(predict("--list", in("none.txt")).errLines())
        .containsExactly("fovea: " + in("none.txt") + ": no such file");
  }

  @Test
  void theStandardInputNamesFiles() {
    InputStream before = System.in;
    try {
      System.setIn(
          new ByteArrayInputStream((in("a2.png") + "\n").getBytes(StandardCharsets.UTF_8)));

      Outcome outcome = predict("-", "--top", "1");

      assertThat(outcome.status()).as(outcome.err()).isZero();
      assertThat(outcome.outLines()).hasSize(2).startsWith(in("a2.png"));
    } finally {
      System.setIn(before);
    }
  }

  @Test
  void csvHasALineForEachFileAndForFailures() throws IOException {
    Path bad = write("bad/x.png", "no image".getBytes(StandardCharsets.UTF_8));
    Path gone = folder.resolve("bad/gone.png");

    Outcome outcome =
        predict(
            bad.toString(),
            in("deeper/b, c.png"),
            gone.toString(),
            "--format",
            "csv",
            "--top",
            "2");

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines()).hasSize(3).last().isEqualTo("fovea: 2 of 3 files failed");
    List<String> lines = outcome.outLines();
    assertThat(lines.get(0)).isEqualTo("file,class_1,probability_1,class_2,probability_2,error");
    assertThat(lines.get(1))
        .isEqualTo(bad + ",,,,,\"" + bad + ": not a JPEG, PNG, BMP or WebP image\"");
    assertThat(lines.get(2))
        .startsWith("\"" + in("deeper/b, c.png") + "\",")
        .matches(".*,0\\.\\d{6},.*,0\\.\\d{6},");
    assertThat(lines.get(3)).startsWith(gone + ",").endsWith("no such file");
  }

  @Test
  void jsonHasAnObjectOnEachLine() throws JsonProcessingException {
    Outcome outcome =
        predict(in("a1.png"), in("gone.png"), "--format", "JSON", "--top", "100", "--scores");

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.outLines()).hasSize(2);
    JsonNode first = Json.MAPPER.readTree(outcome.outLines().get(0));
    assertThat(first.path("file").asText()).isEqualTo(in("a1.png"));
    assertThat(first.path("predictions")).hasSize(10);
    double before = Double.POSITIVE_INFINITY;
    for (JsonNode prediction : first.path("predictions")) {
      assertThat(prediction.path("score").doubleValue()).isLessThanOrEqualTo(before);
      before = prediction.path("score").doubleValue();
    }
    JsonNode second = Json.MAPPER.readTree(outcome.outLines().get(1));
    assertThat(second.path("error").asText()).endsWith("no such file");
  }

  /** The softmax of the scores are the probabilities. */
  @Test
  void scoresAndProbabilitiesBelongTogether() throws JsonProcessingException {
    String scores = predict(in("a1.png"), "--format", "json", "--top", "10", "--scores").out();
    String shares = predict(in("a1.png"), "--format", "json", "--top", "10").out();

    JsonNode logits = Json.MAPPER.readTree(scores).path("predictions");
    JsonNode probabilities = Json.MAPPER.readTree(shares).path("predictions");
    double sum = 0;
    for (JsonNode one : logits) {
      sum += Math.exp(one.path("score").doubleValue());
    }
    for (int i = 0; i < 10; i++) {
      double expected = Math.exp(logits.path(i).path("score").doubleValue()) / sum;
      assertThat(probabilities.path(i).path("probability").doubleValue())
          .isCloseTo(expected, within(1e-6));
    }
  }

  /** A misspelt run is not taken for an image, with the newest run in its place. */
  @Test
  void aRunThatIsNotThereIsRefusedByName() {
    for (String command : List.of("predict", "explain")) {
      Outcome outcome = Outcome.of(command, folder.resolve("rnu").toString(), in("a1.png"));

      assertThat(outcome.status()).isEqualTo(2);
      assertThat(outcome.out()).isEmpty();
      assertThat(outcome.errLines())
          .containsExactly(
              "fovea: "
                  + folder.resolve("rnu")
                  + ": there is no run, file or folder of this name; to use the newest run, name files"
                  + " only");
    }
  }

  @Test
  void mistakesAreOneLine() throws IOException {
    Path empty = Files.createDirectories(folder.resolve("empty"));

    assertThat(predict(empty.toString()).errLines())
        .containsExactly("fovea: " + empty + ": there are no images in this folder");
    assertThat(predict().errLines())
        .singleElement()
        .asString()
        .startsWith("fovea: expected image or video files after " + run());
    assertThat(predict(in("a1.png"), "--scores", "--probabilities").status()).isEqualTo(2);
  }

  @Test
  void masksOfAFolderKeepItsFolders() {
    Path trained = TestRuns.segmenter(folder.resolve("segmenter"));
    Path out = folder.resolve("masks");

    Outcome outcome =
        Outcome.of(
            "predict",
            trained.toString(),
            folder.resolve("in").toString(),
            "--out",
            out.toString(),
            "--format",
            "json");

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(outcome.outLines()).hasSize(6);
    assertThat(out.resolve("a1-mask.png")).exists();
    assertThat(out.resolve("deeper/b, c-overlay.png")).exists();
    assertThat(outcome.out()).contains("\"mask\":\"" + out.resolve("a1-mask.png"));
    assertThat(Outcome.of("predict", trained.toString(), in("a1.png"), "--scores").errLines())
        .containsExactly("fovea: --scores is for classification, not for segmentation");
  }

  @Test
  void aFolderOfVideosHasFilesAndFoldersOfFrames() throws IOException {
    Path trained = TestRuns.video(folder.resolve("videos-run"), "none");
    for (String name : List.of("clips/one/1.png", "clips/one/2.png", "clips/deep/two/1.png")) {
      write(name, TestRuns.png(40, 40));
    }

    Outcome outcome =
        Outcome.of(
            "predict",
            trained.toString(),
            folder.resolve("clips").toString(),
            "--format",
            "csv",
            "--top",
            "1");

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(outcome.outLines()).hasSize(3);
    assertThat(outcome.outLines().get(1)).startsWith(folder.resolve("clips/deep/two") + ",");
    assertThat(outcome.outLines().get(2)).startsWith(folder.resolve("clips/one") + ",");
  }
}
