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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AblateCommandTest {
  @TempDir static Path once;
  private static Outcome first;

  @TempDir Path temporary;

  @BeforeAll
  static void ablateOnce() {
    first = ablate(once.resolve("study"), "squeeze,excitation");
  }

  private static Outcome ablate(Path out, String tables, String... more) {
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "ablate",
                "se",
                "--table",
                tables,
                "--width",
                "1",
                "--limit",
                "100",
                "--epochs",
                "1",
                "--seeds",
                "1,2",
                "--out",
                out.toString()));
    arguments.addAll(List.of(more));
    return Outcome.of(arguments.toArray(new String[0]));
  }

  @Test
  void printsEachTableInThePapersLayout() {
    assertThat(first.status()).isZero();
    assertThat(first.outLines())
        .contains(
            "Squeeze operator (Hu et al., arXiv 1709.01507v4, table 11)",
            "Excitation operator (Hu et al., arXiv 1709.01507v4, table 12)")
        .anyMatch(line -> line.matches("squeeze +top-1 error % +parameters +paper: ImageNet.*"))
        .anyMatch(line -> line.matches("max +\\d+\\.\\d ± \\d+\\.\\d +\\d+\\.\\d k +22\\.57"))
        .anyMatch(line -> line.matches("sigmoid +\\d+\\.\\d ± \\d+\\.\\d +\\d+\\.\\d k +22\\.28"))
        .anyMatch(
            line -> line.startsWith("Order of 3 rows, compared with the paper: Kendall's tau "));
    assertThat(first.err()).contains("10 runs (5 modules, 2 seeds)").contains("runs left, about");
  }

  @Test
  void resultsHoldTheTablesBesideTheRows() throws IOException {
    JsonNode results = Json.read(once.resolve("study").resolve("results.json"), JsonNode.class);
    assertThat(results.path("study").asText()).isEqualTo("ablate se");
    assertThat(results.path("rows")).hasSize(5);
    assertThat(results.path("tables")).hasSize(2);
    JsonNode excitation = results.path("tables").path(1);
    assertThat(excitation.path("name").asText()).isEqualTo("excitation");
    assertThat(excitation.path("rows").path(0).path("published").asDouble()).isEqualTo(23.47);
    assertThat(excitation.path("rows").path(0).path("module").asText())
        .isEqualTo("se:excitation=relu");
    assertThat(excitation.path("rows").path(2).path("top1_mean").asDouble())
        .isEqualTo(row(results, "se").path("top1_mean").asDouble());
    assertThat(excitation.path("agreement").path("rows").asInt()).isEqualTo(3);
    assertThat(Files.readString(once.resolve("study").resolve("report.html")))
        .contains("Excitation operator");
  }

  /** The order is compared seed by seed, in which a row without one of the seeds has no part. */
  @Test
  void aRowOfWhichARunDivergedHasNoFigure() throws IOException {
    Path out = temporary.resolve("diverged");
    assertThat(ablate(out, "excitation").status()).isZero();
    TestRuns.diverge(out.resolve("runs").resolve("se-seed1.json"), "the loss is NaN in epoch 1");

    Outcome outcome = ablate(out, "excitation");

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(outcome.outLines())
        .anyMatch(line -> line.matches("sigmoid +22\\.28"))
        .contains("With fewer than three rows, no agreement is computed.")
        .contains("se diverged with seed 1: the loss is NaN in epoch 1");
    JsonNode results = Json.read(out.resolve("results.json"), JsonNode.class);
    JsonNode table = results.path("tables").path(0);
    assertThat(table.path("rows").path(2).path("top1_mean").isNull()).isTrue();
    assertThat(table.path("agreement").isNull()).isTrue();
    assertThat(row(results, "se").path("top1")).hasSize(1);
  }

  private static JsonNode row(JsonNode results, String module) {
    for (JsonNode row : results.path("rows")) {
      if (row.path("module").asText().equals(module)) {
        return row;
      }
    }
    throw new AssertionError("no row " + module);
  }

  @Test
  void aDryRunPrintsThePlanAndWritesNothing() {
    Path out = temporary.resolve("plan");
    Outcome outcome = ablate(out, "placement", "--dry-run");

    assertThat(outcome.status()).isZero();
    assertThat(outcome.outLines())
        .anyMatch(line -> line.matches("se@pre +\\d+\\.\\d k +\\d+\\.\\d+ M +1, 2"))
        .anyMatch(
            line ->
                line.startsWith("The command would train 10 networks of 1 epochs with 100 images"));
    assertThat(out).doesNotExist();
  }

  /** Small backbones are widened for a reduction of 32; those of ImageNet stay as they are. */
  @ParameterizedTest
  @CsvSource({"resnet8, 297\\.5 k", "resnet18, 11\\.18 M"})
  void onlySmallBackbonesAreWidened(String backbone, String parameters) {
    Path out = temporary.resolve("plan");
    Outcome outcome =
        Outcome.of(
            "ablate",
            "se",
            "--table",
            "squeeze",
            "--backbone",
            backbone,
            "--dry-run",
            "--out",
            out.toString());

    assertThat(outcome.status()).isZero();
    assertThat(outcome.outLines()).anyMatch(line -> line.matches("none +" + parameters + " .*"));
  }

  /** What one table has trained, another does not train again. */
  @Test
  void tablesShareTheirRuns() {
    Outcome outcome = ablate(once.resolve("study"), "squeeze,placement", "--dry-run");

    assertThat(outcome.outLines())
        .anyMatch(line -> line.matches("se +.* done"))
        .anyMatch(line -> line.matches("se@post +.* 1, 2"))
        .anyMatch(line -> line.startsWith("The command would train 6 networks"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "sa | | unknown ablation: \"sa\" (did you mean \"se\"?); available:"
            + " se, cbam, bam, nonlocal",
        "se | reductions | unknown table of se: \"reductions\" (did you mean \"reduction\"?)",
        "se | stage,stage | --table names a table twice",
        "cam | | unknown ablation: \"cam\"",
      })
  void mistakesAreNamed(String mechanism, String table, String message) {
    Outcome outcome =
        table == null
            ? Outcome.of("ablate", mechanism)
            : Outcome.of("ablate", mechanism, "--table", table);
    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines()).hasSize(1);
    assertThat(outcome.err()).startsWith("fovea: " + message);
  }

  /** A reduction of 32 does not fit into 16 channels; that is said before anything is trained. */
  @Test
  void whatCannotBeIsRefusedBeforeTraining() {
    Path out = temporary.resolve("narrow");
    Outcome outcome = ablate(out, "reduction");

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines()).hasSize(1);
    assertThat(outcome.err()).contains("reduction=32 exceeds the 16 channels of resnet8");
    assertThat(out).doesNotExist();
  }
}
