package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.app.Outcome;
import io.fovea.attention.Mechanism;
import org.junit.jupiter.api.Test;

class MechanismsCommandTest {
  @Test
  void listsAllOfThem() {
    Outcome outcome = Outcome.of("mechanisms");

    assertThat(outcome.status()).isZero();
    for (Mechanism mechanism : Mechanism.all()) {
      assertThat(outcome.outLines())
          .anyMatch(
              line ->
                  line.startsWith(mechanism.name() + " ") && line.endsWith(mechanism.summary()));
    }
    // 2 C²/r weights
    assertThat(outcome.outLines()).anyMatch(line -> line.matches("se +8\\.2 k .*"));
  }

  @Test
  void describesOneWithItsOptions() {
    Outcome outcome = Outcome.of("mechanisms", "se:reduction=8,bias=true", "--channels", "64");

    assertThat(outcome.status()).isZero();
    assertThat(outcome.outLines())
        .contains(
            "Squeeze-and-excitation: se:reduction=8,bias=true",
            "paper           https://arxiv.org/abs/1709.01507",
            "parameters      1,096") // 64 * 8 + 8 + 8 * 64 + 64
        .anyMatch(line -> line.matches("reduction +16 +8 +the factor .*"))
        .anyMatch(line -> line.matches("squeeze +avg +\\S.*"));
  }

  @Test
  void unknownOnesAreNamed() {
    Outcome outcome = Outcome.of("mechanisms", "cbma");

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err()).contains("did you mean \"cbam\"?");
  }
}
