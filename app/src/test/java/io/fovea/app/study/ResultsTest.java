package io.fovea.app.study;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

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
                0.5, null, null, false, "with one seed, the noise between seeds is unknown"));
  }

  @Test
  void theDeviationIsTheSamples() {
    assertThat(Results.deviation(new double[] {2, 4, 4, 4, 5, 5, 7, 9}))
        .isCloseTo(Math.sqrt(32 / 7.0), within(1e-12));
    assertThat(Results.deviation(new double[] {3, 3})).isZero();
  }
}
