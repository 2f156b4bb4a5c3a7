package io.fovea.reference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.fovea.errors.SpecException;
import io.fovea.models.Precision;
import io.fovea.tensor.Threads;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Only networks that compute the same may be compared by their time. */
class NetworkComparisonTest {
  @BeforeAll
  static void oneThread() {
    Threads.set(1);
  }

  /** Normalising over few values, deep networks magnify rounding. */
  @ParameterizedTest
  @CsvSource({
    "none-resnet8, 32, 1e-4",
    "cbam-resnet14, 32, 1e-4",
    "se-resnet18, 64, 1e-4",
    "se-resnet50, 64, 2e-3"
  })
  void agreesWithTheDocument(String network, int side, double tolerance) {
    try (PointerScope scope = new PointerScope()) {
      NetworkComparison both = new NetworkComparison(network, Precision.FLOAT32, 4, 3, side, side);
      both.train(false);
      assertThat(NetworkComparison.difference(both.foveaScores(), both.referenceScores()))
          .isLessThan(1e-5);
      both.train(true);
      assertThat(NetworkComparison.difference(both.foveaStep(), both.referenceStep()))
          .isLessThan(tolerance);
      assertThat(both.gradientDifference()).isLessThan(20 * tolerance);
      both.train(false); // by the statistics and the weights that the step left
      assertThat(NetworkComparison.difference(both.foveaScores(), both.referenceScores()))
          .isLessThan(10 * tolerance);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          resnet50             | expected a network like se-resnet50
          dual-resnet8         | the reference implementation has no code for dual
          se-c2d-resnet8       | se-c2d-resnet8 is a network for video
          """)
  void refuses(String network, String message) {
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> new NetworkComparison(network, Precision.FLOAT32, 4, 3, 32, 32))
        .withMessageStartingWith(message);
  }
}
