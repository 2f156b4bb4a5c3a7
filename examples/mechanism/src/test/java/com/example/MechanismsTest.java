package com.example;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionSpec;
import io.fovea.attention.Mechanism;
import io.fovea.attention.MechanismContract;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
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

  @Test
  void theGateFollowsTheContrast() {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Attention module = AttentionSpec.parse("contrast:eps=0").create(1, 1);
      module.parameters().get(0).fill_(new Scalar(2)); // the scale; the shift is 0
      Tensor x = Tensor.create(new float[] {1, 3}, 1, 1, 2); // mean 2, standard deviation 1

      Tensor y = module.forward(x);

      double gate = 1 / (1 + Math.exp(-2));
      assertThat(y.data_ptr_float().get(0)).isCloseTo((float) gate, within(1e-6f));
      assertThat(y.data_ptr_float().get(1)).isCloseTo((float) (3 * gate), within(1e-6f));
    }
  }
}
