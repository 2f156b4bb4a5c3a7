package io.fovea.reference;

import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.fovea.attention.AttentionSpec;
import io.fovea.errors.SpecException;
import io.fovea.tensor.Threads;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Only what computes the same may be compared by its time. */
@Numeric
class ReferenceCodeTest {
  @BeforeAll
  static void oneThread() {
    Threads.set(1);
  }

  /** Evaluation comes last, by the statistics that training left. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "se",
        "cbam",
        "bam",
        "pam",
        "cam",
        "nonlocal",
        "nonlocal:mode=dot_product",
        "nonlocal:mode=concatenation"
      })
  void agreesWithFovea(String spec) {
    for (boolean residual : new boolean[] {false, true}) {
      try (PointerScope scope = new PointerScope()) {
        AttentionSpec parsed = AttentionSpec.parse(spec);
        Comparison single = new Comparison(parsed, residual, 4, 32, 8, 8);
        Comparison wide = new Comparison(parsed, residual, ScalarType.Double, 4, 32, 8, 8);
        for (boolean training : new boolean[] {true, false}) {
          single.train(training);
          wide.train(training);
          List<Tensor> exact = results(wide.reference());
          List<Tensor> reference = results(single.reference());
          List<Tensor> fovea = results(single.fovea());
          List<Tensor> foveaInFloat64 = results(wide.fovea());
          double error = 0; // in parts of the largest value: Fovea's roundings lie elsewhere
          for (int i = 0; i < exact.size(); i++) {
            double largest = Rounding.largest(exact.get(i));
            error = Math.max(error, Rounding.error(reference.get(i), exact.get(i)) / largest);
          }
          for (int i = 0; i < exact.size(); i++) {
            double largest = Rounding.largest(exact.get(i));
            String what = spec + ": " + List.of("output", "with gradients", "gradient").get(i);
            Rounding.assertWithin(
                what + " in float64", foveaInFloat64.get(i), exact.get(i), 1e-10 * largest);
            Rounding.assertWithin(
                what, fovea.get(i), exact.get(i), Rounding.byReference(error * largest, largest));
          }
          single.check();
        }
      }
    }
  }

  /** The output without and with gradients, and the gradient of the input. */
  private static List<Tensor> results(Comparison.Contender contender) {
    return List.of(contender.infer(), contender.step(), contender.inputGradient().clone());
  }

  @ParameterizedTest
  @ValueSource(strings = {"dual", "se:reduction=4", "nonlocal:mode=gaussian"})
  void saysWhatTheReferenceHasNoCodeFor(String spec) {
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> new Comparison(AttentionSpec.parse(spec), false, 4, 32, 8, 8))
        .withMessageStartingWith("no reference implementation for " + spec);
  }
}
