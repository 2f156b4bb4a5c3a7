package io.fovea.training.search;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.errors.SpecException;
import io.fovea.training.run.Json;
import java.io.IOException;
import java.io.InputStream;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The numbers are those of SciPy and statsmodels, from scripts/golden/search.py. */
class StatisticsTest {
  private static final Offset<Double> EXACT = within(1e-9);

  private static JsonNode golden() throws IOException {
    try (InputStream in = StatisticsTest.class.getResourceAsStream("/golden/search.json")) {
      return Json.MAPPER.readTree(in);
    }
  }

  static Stream<JsonNode> paired() throws IOException {
    return Json.MAPPER.convertValue(golden().path("paired"), JsonNode.class).valueStream();
  }

  static Stream<JsonNode> holm() throws IOException {
    return golden().path("holm").valueStream();
  }

  @ParameterizedTest
  @MethodSource("paired")
  void pairedDifferencesAreThoseOfSciPy(JsonNode expected) {
    double[][] one = Json.MAPPER.convertValue(expected.path("one"), double[][].class);
    double[][] other = Json.MAPPER.convertValue(expected.path("other"), double[][].class);
    double level = expected.path("level").asDouble();

    PairedDifference found = PairedDifference.of(one, other);

    assertThat(found.mean()).isCloseTo(expected.path("mean").asDouble(), EXACT);
    assertThat(found.standardError()).isCloseTo(expected.path("standard_error").asDouble(), EXACT);
    assertThat(found.degreesOfFreedom())
        .isCloseTo(expected.path("degrees_of_freedom").asDouble(), EXACT);
    assertThat(found.p()).isCloseTo(expected.path("p").asDouble(), EXACT);
    assertThat(found.interval(level).low()).isCloseTo(expected.path("low").asDouble(), EXACT);
    assertThat(found.interval(level).high()).isCloseTo(expected.path("high").asDouble(), EXACT);

    PairedDifference first =
        PairedDifference.of(new double[][] {one[0]}, new double[][] {other[0]});
    assertThat(first.onOtherImages(level).low())
        .isCloseTo(expected.path("first_seed_low").asDouble(), EXACT);
    assertThat(first.onOtherImages(level).high())
        .isCloseTo(expected.path("first_seed_high").asDouble(), EXACT);
    assertThat(first.isNoiseKnown()).isFalse();
    assertThat(first.interval(level)).isNull();
    assertThat(first.p()).isEqualTo(1);
  }

  @ParameterizedTest
  @MethodSource("holm")
  void correctedProbabilitiesAreThoseOfStatsmodels(JsonNode expected) {
    double[] p = Json.MAPPER.convertValue(expected.path("p"), double[].class);
    double[] adjusted = Json.MAPPER.convertValue(expected.path("adjusted"), double[].class);

    assertThat(Holm.adjusted(p)).containsExactly(adjusted, EXACT);
  }

  @Test
  void moreSeedsFindSmallerDifferences() throws IOException {
    JsonNode last = golden().path("paired").path(2);
    PairedDifference found =
        PairedDifference.of(
            Json.MAPPER.convertValue(last.path("one"), double[][].class),
            Json.MAPPER.convertValue(last.path("other"), double[][].class));

    assertThat(found.detectable(10, 3, 0.05)).isPositive().isLessThan(found.detectable(5, 3, 0.05));
    assertThat(found.detectable(5, 1, 0.05)).isLessThan(found.detectable(5, 3, 0.05));
  }

  @ParameterizedTest
  @CsvSource({
    "30m, 1800, 0, 30m",
    "2h, 7200, 0, 2h",
    "90s, 90, 0, 1m30s",
    "1h30m, 5400, 0, 1h30m",
    "200epochs, 0, 200, 200 epochs",
    "1 epoch, 0, 1, 1 epoch"
  })
  void budgetsAreTimesOrEpochs(String text, double seconds, long epochs, String again) {
    Budget budget = Budget.parse(text);

    assertThat(budget.seconds()).isEqualTo(seconds);
    assertThat(budget.epochs()).isEqualTo(epochs);
    assertThat(budget).hasToString(again);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "30", "epochs", "0epochs", "0m", "-3m", "soon"})
  void otherBudgetsAreRefused(String text) {
    assertThatThrownBy(() -> Budget.parse(text)).isInstanceOf(SpecException.class);
  }

  @Test
  void rungsGoDownFromAWholeTraining() {
    assertThat(SearchSpec.DEFAULT.rungs(10)).containsExactly(1, 3, 10);
    assertThat(SearchSpec.DEFAULT.rungs(27)).containsExactly(1, 3, 9, 27);
    assertThat(SearchSpec.DEFAULT.rungs(1)).containsExactly(1);
    assertThat(SearchSpec.DEFAULT.withRungs(2, 3).rungs(12)).containsExactly(3, 6, 12);
    assertThatThrownBy(() -> SearchSpec.DEFAULT.withRungs(3, 5).rungs(4))
        .isInstanceOf(SpecException.class)
        .hasMessage("the epochs of the lowest rung, 5, exceed those of a whole training, 4");
  }

  @Test
  void aBudgetIsDividedBetweenRaceAndFinal() {
    assertThat(Division.ofRace(200, 10)).isEqualTo(100);
    assertThat(Division.ofRace(60, 10)).isEqualTo(20); // two seeds of one finalist and of none
    assertThat(Division.enough(20, 10)).isEqualTo(60);
    assertThat(Division.finalists(3, 120, 10, 1)).isEqualTo(3);
    assertThat(Division.finalists(3, 100, 10, 1)).isEqualTo(2);
    assertThat(Division.finalists(3, 40, 10, 1)).isEqualTo(1);
    assertThat(Division.finalists(3, 10, 10, 1)).isZero();
    assertThat(Division.finalists(3, 60, 10, 2)).isEqualTo(3);
  }
}
