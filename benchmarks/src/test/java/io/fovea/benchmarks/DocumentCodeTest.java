package io.fovea.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.attention.Threads;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Only what computes the same may be compared by its time. */
class DocumentCodeTest {
  @BeforeAll
  static void oneThread() {
    Threads.set(1);
  }

  /** Evaluation comes last, by the statistics that training left. */
  @ParameterizedTest
  @ValueSource(strings = {"se", "cbam", "bam", "pam", "cam", "nonlocal"})
  void agreesWithFovea(String mechanism) {
    Comparison comparison = new Comparison(mechanism, 4, 32, 8, 8);
    assertThat(comparison.train(true).difference()).isLessThanOrEqualTo(Comparison.TOLERANCE);
    assertThat(comparison.train(false).difference()).isLessThanOrEqualTo(Comparison.TOLERANCE);
  }
}
