package com.example;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.attention.AttentionSpec;
import io.fovea.attention.Mechanism;
import io.fovea.attention.MechanismContract;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Both mechanisms keep what every mechanism of Fovea keeps, and Fovea finds them. */
class MechanismsTest extends MechanismContract {
  @Override
  protected List<Mechanism> mechanisms() {
    return List.of(ContrastGate.MECHANISM, MedianGate.MECHANISM);
  }

  @Test
  void foveaFindsThem() {
    assertThat(AttentionSpec.mechanisms()).endsWith("contrast", "median");
    assertThat(AttentionSpec.parse("contrast:eps=0.001").create(64, 2).channels()).isEqualTo(64);
  }
}
