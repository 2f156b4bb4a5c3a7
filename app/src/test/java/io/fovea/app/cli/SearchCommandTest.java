package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.app.Outcome;
import io.fovea.training.run.Json;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SearchCommandTest {
  @TempDir static Path once;
  private static Outcome first;

  @TempDir Path temporary;

  private static List<String> search(Path out, String... more) {
    List<String> words =
        new ArrayList<>(
            List.of(
                "search",
                "--budget",
                "16epochs",
                "--modules",
                "eca,simam,bam:reduction=4,se",
                "--epochs",
                "2",
                "--eta",
                "2",
                "--finalists",
                "1",
                "--limit",
                "60",
                "--width",
                "0.25",
                "--threads",
                "1",
                "--out",
                out.toString()));
    words.addAll(List.of(more));
    return words;
  }

  private static Outcome run(List<String> words) {
    return Outcome.of(words.toArray(new String[0]));
  }

  /** A search to look at. */
  @BeforeAll
  static void searchOnce() {
    first = run(search(once.resolve("search")));
  }

  private static JsonNode results(Path folder) {
    return Json.read(folder.resolve("results.json"), JsonNode.class);
  }

  @Test
  void printsTheFinalAndWhatCanBeSaid() {
    assertThat(first.status()).as(first.err()).isZero();
    assertThat(first.outLines()).anyMatch(line -> line.startsWith("none "));
    assertThat(first.out())
        .contains(
            "Left out:",
            "the same function as bam:reduction=4",
            "reduction=16 exceeds the 4 channels")
        .contains("5 candidates raced: 1 in the final")
        .contains("intervals and p hold for all finalists together")
        .contains(
            "  ./fovea train --epochs 2 --limit 60 --width 0.25 --threads 1 --backbone resnet8"
                + " --attention ");
    assertThat(first.outLines())
        .endsWith(
            once.resolve("search").resolve("results.json").toString(),
            once.resolve("search").resolve("report.html").toString());
    assertThat(first.err())
        .contains("The race looks at 10 of the training images; the 2,000 test images")
        .contains("Finalists: ");
  }

  @Test
  void resultsHoldTheRaceAndTheFinal() throws IOException {
    JsonNode results = results(once.resolve("search"));
    JsonNode search = results.path("search");

    assertThat(results.path("format").asText()).isEqualTo("fovea-search/1");
    assertThat(results.path("study").asText()).isEqualTo("search");
    assertThat(results.path("complete").asBoolean()).isTrue();
    assertThat(search.path("rungs")).hasToString("[1,2]");
    assertThat(search.path("budget").asText()).isEqualTo("16 epochs");
    assertThat(search.path("race_epochs").asInt() + search.path("final_epochs").asInt())
        .isLessThanOrEqualTo(16);
    assertThat(search.path("baseline").path("module").asText()).isEqualTo("none");
    assertThat(search.path("finalists")).hasSize(1);
    assertThat(search.path("test_images").asInt()).isEqualTo(2000);
    assertThat(results.path("rows")).hasSize(2);
    JsonNode difference = results.path("rows").path(1).path("difference");
    JsonNode finalist = search.path("finalists").path(0);
    assertThat(difference.path("mean")).isEqualTo(finalist.path("difference"));
    assertThat(difference.path("low")).isEqualTo(finalist.path("low"));
    assertThat(results.path("train_command").asText()).startsWith("./fovea train ");
    assertThat(Files.readString(once.resolve("search").resolve("report.html")))
        .contains("\"search\":{", search.path("conclusion").asText());
  }

  @Test
  void theSameCommandAgainTrainsNothing() {
    Outcome again = run(search(once.resolve("search")));

    assertThat(again.status()).isZero();
    assertThat(again.outLines()).isEqualTo(first.outLines());
    assertThat(again.err()).doesNotContain("validation");
  }

  @Test
  void damagedMapsAreNamed() throws IOException {
    Path folder = once.resolve("search");
    Path lap = folder.resolve("runs/none-seed2-final.json");
    String whole = Files.readString(lap);
    try {
      Files.writeString(lap, whole.replace("\"predicted\" : ", "\"predicted\" : 1000"));

      Outcome again = run(search(folder));

      assertThat(again.status()).isEqualTo(2);
      assertThat(again.errLines())
          .contains(
              "fovea: "
                  + folder
                  + ": the maps of the training of none with seed 2 are damaged; choose another"
                  + " folder");
    } finally {
      Files.writeString(lap, whole);
    }
  }

  /** What does not depend on the time. */
  private static JsonNode essence(Path folder) {
    ObjectNode search = (ObjectNode) results(folder).path("search").deepCopy();
    search.remove(
        List.of("seconds", "fronts", "recommendations", "excluded", "candidates", "baseline"));
    search.path("race").forEach(lap -> ((ObjectNode) lap).remove("seconds"));
    search.path("finalists").forEach(each -> ((ObjectNode) each).remove("network"));
    return search;
  }

  /** A kill ends the process at once, after the first training of the race or during the second. */
  @Test
  void aKilledSearchGoesOnToTheSameResult() throws Exception {
    Path folder = temporary.resolve("killed");
    List<String> words =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                "io.fovea.app.Fovea"));
    words.addAll(search(folder));
    Process process = new ProcessBuilder(words).redirectErrorStream(true).start();
    try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
      String line = lines.readLine();
      while (line != null && !line.contains("validation")) {
        line = lines.readLine();
      }
      assertThat(line).isNotNull();
    } finally {
      process.destroyForcibly();
      process.waitFor();
    }
    assertThat(folder.resolve("search.json")).exists();
    assertThat(
            Json.read(folder.resolve("search.json"), JsonNode.class).path("complete").asBoolean())
        .isFalse();

    Outcome outcome = run(search(folder));

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(essence(folder)).isEqualTo(essence(once.resolve("search")));
  }

  @Test
  void aDryRunTrainsAndWritesNothing() {
    Path out = temporary.resolve("out");

    Outcome outcome = run(search(out, "--dry-run", "--reductions", "4", "--max-macs", "1k"));

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(outcome.out())
        .contains("0 candidates, 10 left out; rungs of 1, 2 epochs")
        .contains("se:reduction=4@stage", "more than the limit of 1,000")
        .contains("Nothing was trained, and nothing was written.");
    assertThat(out).doesNotExist();
  }

  @Test
  void networksAreTimedInOnnxRuntime() {
    Outcome outcome = run(search(temporary.resolve("out"), "--dry-run", "--latency-of", "onnx"));

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(outcome.out())
        .contains("5 candidates, 3 left out")
        .contains("The time for one image is that of ONNX Runtime.")
        .doesNotContain("cannot run it");
  }
}
