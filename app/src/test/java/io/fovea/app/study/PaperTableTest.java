package io.fovea.app.study;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fovea.models.placement.PlacedAttention;
import io.fovea.training.evaluate.Metric;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PaperTableTest {
  private static double[][] oneSeed(double... values) {
    double[][] rows = new double[values.length][];
    for (int i = 0; i < values.length; i++) {
      rows[i] = new double[] {values[i]};
    }
    return rows;
  }

  /** The example of SciPy's documentation of kendalltau: -0.4714045. */
  @Test
  void tauIsKendallsB() {
    PaperTable.Agreement agreement =
        PaperTable.Agreement.of(new double[] {12, 2, 1, 12, 2}, oneSeed(1, 4, 7, 1, 0));
    assertThat(agreement.tau()).isCloseTo(-0.47140452, within(1e-8));
    assertThat(agreement.rows()).isEqualTo(5);
  }

  /** Of the 24 orders of four rows one agrees fully, and four with one exchange of neighbours or none. */
  @Test
  void chanceCountsTheOrdersThatAgreeAtLeastAsWell() {
    double[] paper = {1, 2, 3, 4};
    assertThat(PaperTable.Agreement.of(paper, oneSeed(10, 20, 30, 40)).chance())
        .isCloseTo(1 / 24.0, within(1e-12));
    PaperTable.Agreement oneExchange = PaperTable.Agreement.of(paper, oneSeed(20, 10, 30, 40));
    assertThat(oneExchange.tau()).isCloseTo(4 / 6.0, within(1e-12));
    assertThat(oneExchange.chance()).isCloseTo(4 / 24.0, within(1e-12));
    assertThat(PaperTable.Agreement.of(paper, oneSeed(4, 3, 2, 1)).chance()).isEqualTo(1);
  }

  @Test
  void theRangeIsThatOfSingleSeeds() {
    PaperTable.Agreement agreement =
        PaperTable.Agreement.of(
            new double[] {1, 2, 3}, new double[][] {{1, 3, 1}, {2, 2, 3}, {3, 1, 2}});
    assertThat(agreement.lowest()).isEqualTo(-1);
    assertThat(agreement.highest()).isEqualTo(1);
  }

  @Test
  void thereIsNoOrderOfTwoRowsOrOfEqualOnes() {
    assertThat(PaperTable.Agreement.of(new double[] {1, 2}, oneSeed(1, 2))).isNull();
    PaperTable.Agreement equal = PaperTable.Agreement.of(new double[] {1, 2, 3}, oneSeed(5, 5, 5));
    assertThat(equal.tau()).isNull();
    assertThat(equal.chance()).isNull();
    assertThat(equal.lowest()).isNull();
  }

  /** The papers' order of better and worse, whether they give error or accuracy. */
  @ParameterizedTest
  @CsvSource({"false,-1", "true,1"})
  void errorsAreBetterWhenLower(boolean accuracy, double tau) {
    PaperTable table =
        new PaperTable(
            "t",
            "T",
            "source",
            "setting",
            accuracy,
            "head",
            List.of(
                new PaperTable.Row("a", "se", 10.0, null),
                new PaperTable.Row("b", "cam", 20.0, null),
                new PaperTable.Row("c", "pam", 30.0, "1M"),
                new PaperTable.Row("d", "bam", null, null),
                new PaperTable.Row("e", "dual", 40.0, null)));
    PaperTable.Outcome outcome =
        table.outcome(List.of(row("se", 0.5), row("cam", 0.6), row("pam", 0.7), row("bam", 0.1)));
    assertThat(outcome.agreement().rows()).isEqualTo(3);
    assertThat(outcome.agreement().tau()).isEqualTo(tau);
    assertThat(outcome.metric()).isEqualTo(accuracy ? "accuracy" : "error");
    assertThat(outcome.rows()).hasSize(5);
    assertThat(outcome.rows().get(0).top1Mean()).isEqualTo(0.5);
    assertThat(outcome.rows().get(2).publishedParameters()).isEqualTo("1M");
    assertThat(outcome.rows().get(4).top1Mean()).isNull();
    assertThat(outcome.rows().get(4).parameters()).isNull();
  }

  private static Results.Row row(String module, double top1) {
    Results.Score score = new Results.Score(Metric.TOP1, List.of(top1), top1, null);
    return new Results.Row(
        module,
        7,
        8,
        List.of(score),
        List.of(),
        null,
        null,
        1,
        1,
        1,
        64,
        List.of(),
        new long[0][0]);
  }

  @ParameterizedTest
  @ValueSource(strings = {"se", "cbam", "bam", "nonlocal"})
  void rowsAreCanonicalSpecsAndNamesAreUnique(String mechanism) {
    for (int stages : new int[] {3, 4}) {
      Set<String> names = new HashSet<>();
      for (PaperTable table : Ablations.of(mechanism).tables(stages)) {
        assertThat(names.add(table.name())).isTrue();
        Set<String> labels = new HashSet<>();
        for (PaperTable.Row row : table.rows()) {
          assertThat(labels.add(row.label())).isTrue();
          assertThat(PlacedAttention.text(PlacedAttention.parseAll(row.module())))
              .isEqualTo(row.module());
        }
      }
    }
  }
}
