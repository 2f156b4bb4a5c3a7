package io.fovea.app.study;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class ResultsTest {

  /** Mean 0.02, deviation 0.01, t(2) = 4.3027: 0.02 ± 4.3027 * 0.01 / sqrt(3). */
  @Test
  void anIntervalThatHoldsZeroIsNoise() {
    Results.Difference difference = Results.Difference.of(new double[] {0.01, 0.02, 0.03});

    assertThat(difference.mean()).isCloseTo(0.02, within(1e-12));
    assertThat(difference.low()).isCloseTo(0.02 - 0.0248414, within(1e-6));
    assertThat(difference.high()).isCloseTo(0.02 + 0.0248414, within(1e-6));
    assertThat(difference.beyondNoise()).isFalse();
    assertThat(difference.note()).isNull();
  }

  @Test
  void anIntervalWithoutZeroIsBeyondNoise() {
    assertThat(Results.Difference.of(new double[] {0.04, 0.05, 0.06}).beyondNoise()).isTrue();
    assertThat(Results.Difference.of(new double[] {-0.04, -0.05, -0.06}).beyondNoise()).isTrue();
    assertThat(Results.Difference.of(new double[] {0, 0, 0}).beyondNoise()).isFalse();
  }

  /** t(1) = 12.7062, deviation of 0 and 0.02: 0.0141421. */
  @Test
  void twoSeedsHaveAWideInterval() {
    Results.Difference difference = Results.Difference.of(new double[] {0, 0.02});

    assertThat(difference.high()).isCloseTo(0.01 + 0.127062, within(1e-6));
    assertThat(difference.beyondNoise()).isFalse();
  }

  @Test
  void oneSeedHasNoInterval() {
    Results.Difference difference = Results.Difference.of(new double[] {0.5});

    assertThat(difference)
        .isEqualTo(
            new Results.Difference(
                0.5, null, null, null, null, "with one seed, the noise between seeds is unknown"));
    assertThat(difference.beyondNoise()).isFalse();
  }

  /** p by scipy.stats.t.cdf: 2 * t.cdf(-8.660254, 2), and with t = 4.714952. */
  @Test
  void severalDifferencesAreCorrected() {
    Results.Difference large = Results.Difference.of(new double[] {0.04, 0.05, 0.06});
    Results.Difference small = Results.Difference.of(new double[] {0.04, 0.05, 0.08});
    Results.Difference one = Results.Difference.of(new double[] {0.5});

    List<Results.Difference> corrected =
        Results.Difference.corrected(Arrays.asList(null, small, large, one));

    assertThat(large.p()).isCloseTo(0.013072457560346515, within(1e-9));
    assertThat(small.p()).isCloseTo(0.04215851130768121, within(1e-9));
    assertThat(corrected.get(0)).isNull();
    assertThat(corrected.get(1).adjustedP()).isEqualTo(small.p());
    assertThat(corrected.get(2).adjustedP()).isEqualTo(2 * large.p());
    assertThat(corrected.get(3)).isEqualTo(one);
    assertThat(corrected)
        .map(each -> each != null && each.beyondNoise())
        .containsExactly(false, true, true, false);
  }

  /** A p of 0.049 counts alone, and not among two without any other discovery. */
  @Test
  void whatIsBeyondNoiseAloneMayBeChanceAmongMany() {
    Results.Difference alone = Results.Difference.of(new double[] {0.03, 0.05, 0.07});
    Results.Difference none = Results.Difference.of(new double[] {0.01, -0.01, 0.005});

    Results.Difference among = Results.Difference.corrected(List.of(none, alone)).get(1);

    assertThat(alone.beyondNoise()).isTrue();
    assertThat(among.beyondNoise()).isFalse();
    assertThat(among.excludesZero()).isTrue();
  }

  @Test
  void theDeviationIsTheSamples() {
    assertThat(Results.deviation(new double[] {2, 4, 4, 4, 5, 5, 7, 9}))
        .isCloseTo(Math.sqrt(32 / 7.0), within(1e-12));
    assertThat(Results.deviation(new double[] {3, 3})).isZero();
  }
}
