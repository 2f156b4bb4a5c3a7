package io.fovea.reference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.fovea.errors.SpecException;
import io.fovea.models.Precision;
import io.fovea.tensor.Threads;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Only networks that compute the same may be compared by their time. */
@Numeric
class NetworkComparisonTest {
  @BeforeAll
  static void oneThread() {
    Threads.set(1);
  }

  /**
   * A rectifier's input that is rounded to the other side of 0 lets a gradient through, or not: of
   * the hundred thousands in a network often none, sometimes one or two, by luck. So much of a
   * gradient in float32 may differ; in float64 nothing does.
   */
  private static final double OTHER_SIDE = 0.1;

  /**
   * In float64, and in float32 as close to that as the reference implementation is in float32.
   * Normalising over few values, deep networks magnify rounding, of the one as of the other.
   */
  @ParameterizedTest
  @CsvSource({"none-resnet8, 32", "cbam-resnet14, 32", "se-resnet18, 64", "se-resnet50, 64"})
  void agreesWithTheReference(String network, int side) {
    try (PointerScope scope = new PointerScope()) {
      NetworkComparison single =
          new NetworkComparison(network, Precision.FLOAT32, 4, 3, side, side);
      NetworkComparison wide =
          new NetworkComparison(network, Precision.FLOAT32, ScalarType.Double, 4, 3, side, side);

      Tensor before = assertScoresAgree(single, wide);
      for (NetworkComparison both : List.of(single, wide)) {
        both.train(true);
      }
      Tensor exact = wide.referenceStep();
      assertSame("scores of a step", wide.foveaStep(), exact);
      Rounding.assertAsCloseAs(
          "scores of a step", single.foveaStep(), single.referenceStep(), exact);
      Tensor gradient = wide.referenceGradient();
      assertSame("gradient", wide.foveaGradient(), gradient);
      double bound =
          Rounding.byReference(
                  Rounding.error(single.referenceGradient(), gradient), Rounding.largest(gradient))
              + OTHER_SIDE * Rounding.largest(gradient);
      Rounding.assertWithin("gradient", single.foveaGradient(), gradient, bound);

      // By the statistics and the weights that the step left.
      Tensor after = assertScoresAgree(null, wide);
      single.train(false);
      double step = Rounding.error(before, after);
      assertThat(step).isPositive();
      Rounding.assertWithin("scores after a step", single.foveaScores(), after, OTHER_SIDE * step);
    }
  }

  /** In evaluation mode, in float64 and, if that is given, float32; the exact scores. */
  private static Tensor assertScoresAgree(NetworkComparison single, NetworkComparison wide) {
    wide.train(false);
    Tensor exact = wide.referenceScores();
    assertSame("scores", wide.foveaScores(), exact);
    if (single != null) {
      single.train(false);
      Rounding.assertAsCloseAs("scores", single.foveaScores(), single.referenceScores(), exact);
    }
    return exact;
  }

  private static void assertSame(String what, Tensor fovea, Tensor reference) {
    Rounding.assertWithin(
        what + " in float64", fovea, reference, 1e-9 * Rounding.largest(reference));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          resnet50             | expected a network like se-resnet50
          dual-resnet8         | no reference implementation for dual
          se-c2d-resnet8       | se-c2d-resnet8 is a video network
          """)
  void refuses(String network, String message) {
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> new NetworkComparison(network, Precision.FLOAT32, 4, 3, 32, 32))
        .withMessageStartingWith(message);
  }
}
