package io.fovea.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

class RoundingTest {
  private static Tensor random(long... shape) {
    torch.manual_seed(1);
    return torch.randn(shape).to(ScalarType.Double);
  }

  @Test
  void anotherOrderOfTheSameSumIsRounding() {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = random(100, 100);
      Tensor single = x.to(ScalarType.Float);
      Tensor exact = x.matmul(x);
      Tensor turned = single.t().matmul(single.t()).t();
      Rounding.assertAsCloseAs("turned", turned, single.matmul(single), exact);
    }
  }

  @Test
  void anotherFormulaIsNot() {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = random(100, 100);
      Tensor single = x.to(ScalarType.Float);
      Tensor exact = x.matmul(x);
      Tensor other = single.matmul(single).mul(new Scalar(1.0001));
      assertThatThrownBy(
              () -> Rounding.assertAsCloseAs("other", other, single.matmul(single), exact))
          .isInstanceOf(AssertionError.class)
          .hasMessageContaining("error of other");
      Tensor none = single.div(new Scalar(0.0)).mul(new Scalar(0.0));
      assertThatThrownBy(() -> Rounding.assertWithin("none", none, exact, 1e9))
          .isInstanceOf(AssertionError.class);
    }
  }

  @Test
  void movesAsFarAsARoundingOfWhatGoesInAndLeavesThat() {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = random(1000).abs().add(new Scalar(1.0));
      Tensor before = x.clone();
      double[] moved = Rounding.movement(List.of(x), () -> List.of(x.square(), x.sub(x)));
      assertThat(moved[0])
          .isBetween(Rounding.UNIT, 2 * Rounding.UNIT * Rounding.largest(x.square()) * 1.001);
      assertThat(moved[1]).isZero();
      assertThat(x.equal(before)).isTrue();
    }
  }
}
