package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.app.Outcome;
import io.fovea.attention.fast.Kernels;
import java.util.List;
import org.junit.jupiter.api.Test;

class DoctorCommandTest {
  @Test
  void saysWhatComputesAndWhatToAdd() {
    Outcome outcome = Outcome.of("doctor");

    assertThat(outcome.status()).isZero();
    for (String fact :
        List.of(
            "Java",
            "cores",
            "libtorch",
            "threads",
            "BLAS",
            "instructions",
            "convolutions",
            "bfloat16")) {
      assertThat(outcome.outLines()).anyMatch(line -> line.matches(fact + " +\\S.*"));
    }
    assertThat(outcome.out()).contains("libtorch      2.").doesNotContain("${");
    String kernels = Kernels.inUse().map(Kernels::describe).orElse("none");
    assertThat(outcome.outLines()).anyMatch(line -> line.matches("kernels +" + kernels + ".*"));
    Kernels.whyNot()
        .ifPresent(
            why -> assertThat(outcome.out()).contains("To make Fovea faster: ").contains(why));
  }
}
