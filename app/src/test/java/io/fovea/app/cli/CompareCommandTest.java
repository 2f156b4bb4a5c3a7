package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.app.Outcome;
import io.fovea.app.TestRuns;
import io.fovea.errors.FoveaException;
import io.fovea.training.run.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CompareCommandTest {
  @TempDir static Path once;
  private static Outcome first;

  @TempDir Path temporary;

  /** A comparison to look at, and to copy and go on from. */
  @BeforeAll
  static void compareOnce() {
    first = compare(once.resolve("study"), 1);
  }

  private static Outcome compare(Path out, int epochs) {
    return Outcome.of(
        "compare",
        "--modules",
        "none,se:reduction=4",
        "--seeds",
        "1,2",
        "--epochs",
        Integer.toString(epochs),
        "--limit",
        "200",
        "--width",
        "0.25",
        "--out",
        out.toString());
  }

  private Path copy() throws IOException {
    Path from = once.resolve("study");
    Path to = temporary.resolve("copy");
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : files.toList()) {
        Files.copy(file, to.resolve(from.relativize(file)), StandardCopyOption.COPY_ATTRIBUTES);
      }
    }
    return to;
  }

  private static JsonNode results(Path folder) {
    return Json.read(folder.resolve("results.json"), JsonNode.class);
  }

  private static String top1(Path folder) {
    return results(folder).path("rows").findValues("top1").toString();
  }

  private static Map<String, FileTime> runs(Path folder) throws IOException {
    Map<String, FileTime> times = new TreeMap<>();
    try (Stream<Path> files = Files.list(folder.resolve("runs"))) {
      for (Path file : files.toList()) {
        times.put(file.getFileName().toString(), Files.getLastModifiedTime(file));
      }
    }
    return times;
  }

  @Test
  void modulesArePartedAtCommasButNotInsideASpec() {
    assertThat(CompareCommand.parseModules("none,cbam:reduction=8,kernel=3,se"))
        .containsExactly("none", "cbam:reduction=8,kernel=3", "se");
    assertThat(CompareCommand.parseModules(" none , se:reduction=4 ,bias=true, cam"))
        .containsExactly("none", "se:reduction=4,bias=true", "cam");
    assertThatThrownBy(() -> CompareCommand.parseModules("se,none,se"))
        .isInstanceOf(FoveaException.class)
        .hasMessage("--modules names se twice");
    assertThatThrownBy(() -> CompareCommand.parseModules("none,,se"))
        .isInstanceOf(FoveaException.class);
    assertThat(
            CompareCommand.parseModules(
                "none,se@after:2.1,3.1,cam@stage:1,2;se:reduction=4,bias=true"))
        .containsExactly("none", "se@after:2.1,3.1", "cam@stage:1,2; se:reduction=4,bias=true");
    assertThatThrownBy(() -> CompareCommand.parseModules("kernel=7,se"))
        .isInstanceOf(FoveaException.class);
  }

  @Test
  void printsATableAndWhereTheReportIs() {
    assertThat(first.status()).isZero();
    assertThat(first.outLines()).anyMatch(line -> line.startsWith("none "));
    assertThat(first.outLines()).anyMatch(line -> line.startsWith("se:reduction=4 "));
    assertThat(first.outLines())
        .endsWith(
            once.resolve("study").resolve("results.json").toString(),
            once.resolve("study").resolve("report.html").toString());
    assertThat(first.errLines()).filteredOn(line -> line.contains("images/s")).hasSize(4);
  }

  @Test
  void resultsHoldWhatWasMeasuredAndHow() {
    JsonNode results = results(once.resolve("study"));

    assertThat(results.path("format").asText()).isEqualTo("fovea-study/1");
    assertThat(results.path("complete").asBoolean()).isTrue();
    assertThat(results.path("missing")).isEmpty();
    assertThat(results.path("command").asText())
        .startsWith("./fovea compare --modules none,se:reduction=4");
    assertThat(results.path("data").path("train_images").asInt()).isEqualTo(200);
    assertThat(results.path("data").path("test_images").asInt()).isEqualTo(2000);
    assertThat(results.path("data").path("image")).hasToString("[1,28,28]");
    assertThat(results.path("data").path("classes")).hasSize(10);
    assertThat(results.path("backbone").asText()).isEqualTo("resnet8");
    assertThat(results.path("width").asDouble()).isEqualTo(0.25);
    assertThat(results.path("epochs").asInt()).isEqualTo(1);
    assertThat(results.path("batch_size").asInt()).isEqualTo(16);
    assertThat(results.path("seeds")).hasToString("[1,2]");
    assertThat(results.path("machine")).isNotEmpty();
    assertThat(results.path("rows")).hasSize(2);
  }

  @Test
  void averagedWeightsAreComparedBesideTheWeightsThemselves() {
    Path out = temporary.resolve("averaged");

    Outcome outcome =
        Outcome.of(
            "compare",
            "--modules",
            "none,se:reduction=4",
            "--seeds",
            "1,2",
            "--epochs",
            "1",
            "--limit",
            "40",
            "--width",
            "0.25",
            "--ema",
            "0.9",
            "--out",
            out.toString());

    assertThat(outcome.outLines()).anyMatch(line -> line.contains("averaged top-1 %"));
    assertThat(outcome.outLines())
        .contains("averaged: with the moving average of the weights (--ema).");
    assertThat(outcome.errLines()).filteredOn(line -> line.contains(", averaged ")).hasSize(4);
    JsonNode rows = results(out).path("rows");
    for (JsonNode row : rows) {
      JsonNode curves = row.path("curves");
      assertThat(row.path("ema_top1").path(1))
          .isEqualTo(curves.path(1).path("epochs").path(0).path("ema_top1"));
      assertThat(row.path("ema_top1_mean").isNumber()).isTrue();
    }
    assertThat(rows.path(1).path("ema_difference").path("mean").doubleValue())
        .isCloseTo(
            rows.path(1).path("ema_top1_mean").doubleValue()
                - rows.path(0).path("ema_top1_mean").doubleValue(),
            within(1e-12));
    assertThat(results(once.resolve("study")).path("rows").path(0).has("ema_top1")).isFalse();
  }

  @Test
  void aRowHoldsAccuracyAndCost() {
    JsonNode rows = results(once.resolve("study")).path("rows");
    for (JsonNode row : rows) {
      JsonNode top1 = row.path("top1");
      double one = top1.path(0).asDouble();
      double two = top1.path(1).asDouble();
      assertThat(top1).hasSize(2);
      assertThat(one).isBetween(0.0, 1.0);
      assertThat(row.path("top1_mean").asDouble()).isCloseTo((one + two) / 2, within(1e-12));
      assertThat(row.path("top1_std").asDouble())
          .isCloseTo(Math.abs(one - two) / Math.sqrt(2), within(1e-12));
      assertThat(row.path("train_images_per_second").asDouble()).isPositive();
      assertThat(row.path("latency_ms").asDouble()).isPositive();
      assertThat(row.path("latency_batch_ms").asDouble()).isPositive();
      assertThat(row.path("latency_batch_size").asInt()).isEqualTo(64);
      assertThat(row.path("curves")).hasSize(2);
      int images = 0;
      int right = 0;
      for (int i = 0; i < 10; i++) {
        right += row.path("confusion").path(i).path(i).asInt();
        for (JsonNode count : row.path("confusion").path(i)) {
          images += count.asInt();
        }
      }
      assertThat(images).isEqualTo(4000); // both seeds
      assertThat(right / 4000.0).isCloseTo((one + two) / 2, within(1e-12));
    }
    JsonNode none = rows.path(0);
    JsonNode se = rows.path(1);
    assertThat(none.path("module").asText()).isEqualTo("none");
    assertThat(se.path("module").asText()).isEqualTo("se:reduction=4");
    assertThat(se.path("parameters").asLong()).isGreaterThan(none.path("parameters").asLong());
    assertThat(se.path("macs").asLong()).isGreaterThan(none.path("macs").asLong());
    assertThat(none.has("difference")).isTrue();
    assertThat(none.path("difference").isNull()).isTrue();
    JsonNode difference = se.path("difference");
    double mean = difference.path("mean").asDouble();
    assertThat(mean)
        .isCloseTo(
            se.path("top1_mean").asDouble() - none.path("top1_mean").asDouble(), within(1e-12));
    assertThat(difference.path("low").asDouble()).isLessThanOrEqualTo(mean);
    assertThat(difference.path("high").asDouble()).isGreaterThanOrEqualTo(mean);
    assertThat(difference.path("beyond_noise").isBoolean()).isTrue();
  }

  @Test
  void theReportHoldsTheResults() throws IOException {
    String report = Files.readString(once.resolve("study").resolve("report.html"));
    JsonNode results = results(once.resolve("study"));

    assertThat(report).doesNotContain("/*FOVEA-DATA*/").contains("const DATA = {");
    int begin = report.indexOf("const DATA = ") + "const DATA = ".length();
    JsonNode held = Json.MAPPER.readTree(report.substring(begin, report.indexOf(";\n", begin)));
    assertThat(held.path("rows")).isEqualTo(results.path("rows"));
    assertThat(held.path("examples")).hasSize(10);
    assertThat(held.path("examples").path(0).path("modules").has("se:reduction=4")).isTrue();
    JsonNode images = held.path("mistakes").path("images");
    for (String module : List.of("none", "se:reduction=4")) {
      JsonNode mistakes = held.path("mistakes").path("modules").path(module);
      assertThat(mistakes).hasSize(8);
      double before = 1;
      for (JsonNode mistake : mistakes) {
        JsonNode image = images.path(mistake.path("image").asText());
        assertThat(image.path("image").asText()).startsWith("data:image/png;base64,");
        assertThat(mistake.path("predicted").asText()).isNotEqualTo(image.path("label").asText());
        assertThat(mistake.path("probability").asDouble()).isBetween(0.1, before);
        before = mistake.path("probability").asDouble();
      }
    }
  }

  @Test
  void whatIsDoneIsNotTrainedAgain() throws IOException {
    Path folder = copy();
    Map<String, FileTime> before = runs(folder);

    assertThat(compare(folder, 1).status()).isZero();

    assertThat(before)
        .containsOnlyKeys(
            "none-seed1.json",
            "none-seed2.json",
            "se-reduction=4-seed1.json",
            "se-reduction=4-seed2.json");
    assertThat(runs(folder)).isEqualTo(before);
    assertThat(top1(folder)).isEqualTo(top1(once.resolve("study")));
  }

  @Test
  void aRunThatIsMissingIsTrainedToTheSameResult() throws IOException {
    Path folder = copy();
    Map<String, FileTime> before = runs(folder);
    Path missing = folder.resolve("runs").resolve("se-reduction=4-seed2.json");
    JsonNode was = Json.read(missing, JsonNode.class);
    Files.delete(missing);

    Outcome outcome = compare(folder, 1);

    assertThat(outcome.status()).isZero();
    assertThat(outcome.err()).contains("3 finished already");
    Map<String, FileTime> after = runs(folder);
    assertThat(after.keySet()).isEqualTo(before.keySet());
    after.remove("se-reduction=4-seed2.json");
    assertThat(before).containsAllEntriesOf(after);
    assertThat(top1(folder)).isEqualTo(top1(once.resolve("study")));
    JsonNode is = Json.read(missing, JsonNode.class);
    for (String figure : new String[] {"train_loss", "test_loss", "test_top1"}) {
      assertThat(is.path("epochs").path(0).path(figure))
          .isEqualTo(was.path("epochs").path(0).path(figure));
    }
  }

  @Test
  void aRunThatDivergedIsToldAndTheOthersAreNotTestedForIt() throws IOException {
    Path folder = copy();
    TestRuns.diverge(
        folder.resolve("runs").resolve("se-reduction=4-seed2.json"), "the loss is NaN in epoch 1");
    Map<String, FileTime> before = runs(folder);

    Outcome outcome = compare(folder, 1);

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(outcome.outLines())
        .contains("se:reduction=4 diverged with seed 2: the loss is NaN in epoch 1");
    assertThat(runs(folder)).isEqualTo(before);
    JsonNode results = results(folder);
    assertThat(results.path("complete").asBoolean()).isTrue();
    assertThat(results.path("diverged"))
        .hasToString(
            "[{\"module\":\"se:reduction=4\",\"seed\":2,"
                + "\"reason\":\"the loss is NaN in epoch 1\"}]");
    JsonNode row = results.path("rows").path(1);
    JsonNode whole = results(once.resolve("study")).path("rows").path(1);
    assertThat(row.path("top1")).hasSize(1);
    assertThat(row.path("top1").path(0)).isEqualTo(whole.path("top1").path(0));
    assertThat(row.path("difference").path("beyond_noise").asBoolean()).isFalse();
    assertThat(row.path("difference").path("note").asText())
        .isEqualTo("diverged with seed 2, so the other seeds look better than the module is");
  }

  @Test
  void trainingsThatAllDivergeEndWithTheReasonAndAreNotRepeated() throws IOException {
    Path out = temporary.resolve("diverged");
    String[] command = {
      "compare",
      "--modules",
      "none,se:reduction=4",
      "--seeds",
      "1",
      "--epochs",
      "1",
      "--limit",
      "200",
      "--width",
      "0.25",
      "--learning-rate",
      "1e30",
      "--out",
      out.toString()
    };

    Outcome outcome = Outcome.of(command);

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines().get(outcome.errLines().size() - 1))
        .matches(
            "fovea: no training has a result: the loss is (NaN|Infinity) in epoch 1: the training"
                + " diverged; try a learning rate below 1\\.0E30");
    assertThat(results(out).path("diverged")).hasSize(2);
    assertThat(results(out).path("rows")).isEmpty();
    Map<String, FileTime> before = runs(out);
    assertThat(Outcome.of(command).status()).isEqualTo(2);
    assertThat(runs(out)).hasSize(2).isEqualTo(before);
  }

  @Test
  void otherSettingsDoNotGoIntoTheSameFolder() throws IOException {
    Path folder = copy();
    Map<String, FileTime> before = runs(folder);
    String report = Files.readString(folder.resolve("report.html"));

    Outcome outcome = compare(folder, 2);

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines()).hasSize(1);
    assertThat(outcome.err())
        .startsWith("fovea: " + folder + ": holds runs with other settings (")
        .contains("epochs", "1", "2", "choose another --out");
    assertThat(runs(folder)).isEqualTo(before);
    assertThat(Files.readString(folder.resolve("report.html"))).isEqualTo(report);
  }

  @Test
  void resultsOfOtherDataAreNotMixed() throws IOException {
    Path images = temporary.resolve("images");
    for (int i = 0; i < 8; i++) {
      Path file = images.resolve((i < 4 ? "cat/" : "dog/") + i + ".png");
      Files.createDirectories(file.getParent());
      Files.write(file, TestRuns.png(16 + i, 16));
    }
    Path study = temporary.resolve("study");
    Outcome before = compareFolder(images, study, "none");
    assertThat(before.status()).as(before.err()).isZero();
    assertThat(results(study).path("data").path("checksum").asText()).matches("[0-9a-f]{16}");
    Files.move(images.resolve("cat/0.png"), temporary.resolve("0.png"));
    Files.move(images.resolve("dog/4.png"), images.resolve("cat/0.png"));
    Files.move(temporary.resolve("0.png"), images.resolve("dog/4.png"));

    Outcome labels = compareFolder(images, study, "none,se:reduction=4");

    assertThat(labels.status()).isEqualTo(2);
    assertThat(labels.errLines())
        .contains(
            "fovea: "
                + study
                + ": holds runs on other data (as many samples as then, but other files, other"
                + " labels or another split); choose another --out");
    Files.createDirectories(images.resolve("cow"));
    Files.write(images.resolve("cow/a.png"), TestRuns.png(30, 16));
    Files.write(images.resolve("cow/b.png"), TestRuns.png(31, 16));
    assertThat(compareFolder(images, study, "none,se:reduction=4").err())
        .contains(study + ": holds runs on other data (2 classes then, 3 now); choose another");
  }

  @Test
  void aResultOfAnotherStudyIsRefused() throws IOException {
    Path folder = copy();
    Path foreign = folder.resolve("runs").resolve("none-seed1.json");
    String text = Files.readString(foreign);
    Files.writeString(foreign, text.replaceFirst("\"settings\" : \".", "\"settings\" : \"x"));

    Outcome outcome = compare(folder, 1);

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err())
        .contains(foreign + ": is the result of another study; delete it, or choose another --out");
  }

  private static Outcome compareFolder(Path images, Path study, String modules) {
    return Outcome.of(
        "compare",
        "--data",
        images.toString(),
        "--modules",
        modules,
        "--seeds",
        "1",
        "--epochs",
        "1",
        "--image-size",
        "16",
        "--width",
        "0.25",
        "--out",
        study.toString());
  }

  /** What Mutations found: JSON that is whole, in which a part of the result is missing or another. */
  @Test
  void aRunWithoutAPartIsNamed() throws IOException {
    Path folder = copy();
    Path damaged = folder.resolve("runs").resolve("none-seed1.json");
    String whole = Files.readString(damaged);
    for (String[] change :
        new String[][] {
          {"\"confusion\"", "\"nothing\""},
          {"\"epochs\"", "\"nothing\""},
          {"\"epoch\" : 1", "\"epoch\" : 7"},
          {"\"examples\"", "\"nothing\""},
          {"\"index\" : ", "\"index\" : 1000"},
          {"\"predicted\" : ", "\"predicted\" : 1000"},
          {"\"maps\"", "\"nothing\""},
          {"\"seed\" : ", "\"seed\" : 7"},
          {"\"module\"", "\"nothing\""}
        }) {
      Files.writeString(damaged, whole.replace(change[0], change[1]));

      Outcome outcome = compare(folder, 1);

      assertThat(outcome.status()).as(change[0]).isEqualTo(2);
      assertThat(outcome.err())
          .endsWith(
              "fovea: "
                  + damaged
                  + ": is damaged; delete it, and the same command trains this run again"
                  + System.lineSeparator());
    }
  }

  @Test
  void aDamagedRunIsNamed() throws IOException {
    Path folder = copy();
    Path damaged = folder.resolve("runs").resolve("none-seed1.json");
    Files.writeString(damaged, "{");

    Outcome outcome = compare(folder, 1);

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err()).contains("fovea: " + damaged + ": cannot be read");
  }
}
