package io.fovea.reference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.fovea.attention.AttentionSpec;
import io.fovea.errors.SpecException;
import io.fovea.tensor.Threads;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Only what computes the same may be compared by its time. */
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
      Comparison comparison = new Comparison(AttentionSpec.parse(spec), residual, 4, 32, 8, 8);
      assertThat(comparison.train(true).difference()).isLessThanOrEqualTo(Comparison.TOLERANCE);
      assertThat(comparison.train(false).difference()).isLessThanOrEqualTo(Comparison.TOLERANCE);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"dual", "se:reduction=4", "nonlocal:mode=gaussian"})
  void saysWhatTheReferenceHasNoCodeFor(String spec) {
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> new Comparison(AttentionSpec.parse(spec), false, 4, 32, 8, 8))
        .withMessageStartingWith("the reference implementation has no code for " + spec);
  }
}
