package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.app.Outcome;
import io.fovea.attention.AttentionSpec;
import io.fovea.attention.Mechanism;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The pages of docs/mechanisms are what the mechanisms say of themselves. */
class MechanismPageTest {
  private static final Path DOCS = Path.of("..", "docs", "mechanisms");
  private static final String RESULTS =
      Path.of("..", "docs", "results", "mechanisms.json").toString();

  @Test
  void thePagesInDocsAreThoseThatAreWritten(@TempDir Path folder) throws IOException {
    assertThat(Outcome.of("mechanisms", "--docs", folder.toString(), "--results", RESULTS).status())
        .isZero();
    try (Stream<Path> written = Files.list(folder);
        Stream<Path> there = Files.list(DOCS)) {
      assertThat(there.map(Path::getFileName))
          .containsExactlyInAnyOrderElementsOf(written.map(Path::getFileName).toList());
    }
    try (Stream<Path> written = Files.list(folder)) {
      assertThat(written)
          .allSatisfy(
              page -> assertThat(DOCS.resolve(page.getFileName())).hasSameTextualContentAs(page));
    }
  }

  @Test
  void thePagesShowWhatAComparisonMeasured(@TempDir Path folder) throws IOException {
    Path results = folder.resolve("results.json");
    Files.writeString(
        results,
        """
        {"study": "compare", "score": "top1", "backbone": "resnet20", "epochs": 2, "seeds": [1, 2],
         "data": {"name": "mine", "train_images": 2000, "test_images": 500},
         "diverged": [{"module": "cbam", "seed": 2, "reason": "NaN"},
                      {"module": "pam", "seed": 1, "reason": "NaN"}],
         "rows": [
          {"module": "none", "parameters": 1000, "macs": 2000000, "top1_mean": 0.8, "top1_std": 0.01,
           "difference": null},
          {"module": "se", "parameters": 1100, "macs": 2000000, "top1_mean": 0.85, "top1_std": 0.002,
           "difference": {"mean": 0.05, "low": 0.04, "high": 0.06, "p": 0.001, "adjusted_p": 0.002,
            "beyond_noise": true}},
          {"module": "eca", "parameters": 1003, "macs": 2000000, "top1_mean": 0.81, "top1_std": 0.02,
           "difference": {"mean": 0.01, "low": -0.04, "high": 0.06, "p": 0.6, "adjusted_p": 0.6,
            "beyond_noise": false}},
          {"module": "cbam", "parameters": 1200, "macs": 3000000, "top1_mean": 0.7, "top1_std": null,
           "difference": {"mean": -0.1, "low": null, "high": null, "p": null, "adjusted_p": null,
            "beyond_noise": false}}]}
        """);
    Path pages = folder.resolve("pages");

    Outcome outcome =
        Outcome.of("mechanisms", "--docs", pages.toString(), "--results", results.toString());

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(Files.readString(pages.resolve("README.md")))
        .endsWith(
            """

            ## Measured

            At its paper's place in `resnet20`, trained for 2 epochs on 2,000 images of mine, tested on 500, with the seeds 1, 2.
            `none` is the network without attention; the differences are paired by seed.

                mechanism   parameters     MACs      top-1 %   to none     95% interval   diverged
                none             1.0 k   2.00 M   80.0 ± 1.0
                se               1.1 k   2.00 M   85.0 ± 0.2      +5.0   +4.0 to +6.0 *
                eca              1.0 k   2.00 M   81.0 ± 2.0      +1.0   -4.0 to +6.0
                cbam             1.2 k   3.00 M         70.0     -10.0                      seed 2
                pam                                                                         seed 1

            Beyond the noise of the seeds (*), after Holm's correction for 2 comparisons: `se`.
            Where a seed diverged (the loss became NaN), the mean is that of the other seeds, and nothing is tested.
            """);
    assertThat(Files.readString(pages.resolve("se.md")))
        .contains("| 85.0 ± 0.2 | +5.0 | +4.0 to +6.0 * |  |");
    assertThat(Files.readString(pages.resolve("sge.md"))).doesNotContain("## Measured");
  }

  @Test
  void resultsOfSomethingElseAreRefused(@TempDir Path folder) throws IOException {
    Path results = folder.resolve("results.json");
    Files.writeString(results, "{\"study\": \"search\"}");

    Outcome other =
        Outcome.of(
            "mechanisms",
            "--docs",
            folder.resolve("p").toString(),
            "--results",
            results.toString());
    assertThat(other.status()).isEqualTo(2);
    assertThat(other.errLines())
        .containsExactly(
            "fovea: "
                + results
                + ": is not the results.json of fovea compare with classification networks");
    assertThat(folder.resolve("p")).doesNotExist();

    Outcome alone = Outcome.of("mechanisms", "--results", results.toString());
    assertThat(alone.status()).isEqualTo(2);
    assertThat(alone.errLines()).containsExactly("fovea: --results is for --docs");
  }

  @Test
  void theChineseListHasAllOfThem() throws IOException {
    String list = Files.readString(Path.of("../docs/zh/mechanisms.md"));
    for (Mechanism mechanism : Mechanism.all()) {
      String name = mechanism.name();
      assertThat(list).contains("| [`" + name + "`](../mechanisms/" + name + ".md) | ");
    }
  }

  @Test
  void everyMechanismSaysAllOfItself() {
    for (Mechanism mechanism : Mechanism.all()) {
      assertThat(mechanism.equation()).as(mechanism.name()).isNotEmpty();
      assertThat(mechanism.cost()).as(mechanism.name()).isPresent();
      assertThat(mechanism.code()).as(mechanism.name()).isNotEmpty();
      for (String variant : mechanism.variants().keySet()) {
        assertThat(AttentionSpec.parse(variant).mechanism()).isSameAs(mechanism);
      }
    }
  }

  @Test
  void theCommandPrintsTheSame() {
    Outcome outcome = Outcome.of("mechanisms", "gc");

    assertThat(outcome.status()).isZero();
    assertThat(outcome.outLines())
        .contains(
            "  c = Σ_j softmax_j(w x_j + b) x_j",
            "formulas        parameters: 2·C·d + 3·d + 2·C + 1; d = max(1, C / reduction)",
            "code            authors and reference: xvjiarui/GCNet 029db54,"
                + " mmdet/ops/gcb/context_block.py")
        .anyMatch(line -> line.startsWith("  changzy00 8ce59da: makes a softmax"))
        .anyMatch(line -> line.matches(" *1 +0 +conv 1 × 1 +conv_mask +\\[B, 1, H, W].*"));
  }
}
