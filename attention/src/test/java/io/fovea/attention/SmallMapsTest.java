package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.testing.Numeric;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Small maps and channels of zeros have a defined result and a defined gradient. */
@Numeric
class SmallMapsTest {
  static Stream<AttentionSpec> specs() {
    return MechanismContract.specs(Mechanism.all()).stream()
        // a max pool of a map that is smaller than its window has no result
        .filter(spec -> spec.effective("subsample").orElse("false").equals("false"));
  }

  @ParameterizedTest
  @MethodSource("specs")
  void onePosition(AttentionSpec spec) {
    try (PointerScope scope = new PointerScope()) {
      assertFinite(spec.toString(), Tensors.random(1, 3, MechanismContract.channels(spec), 1, 1));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"mlca", "ema:factor=2", "ela:groups=4", "coord", "ge:extent=4"})
  void oneRowAndOneColumn(String spec) {
    try (PointerScope scope = new PointerScope()) {
      assertFinite(spec, Tensors.random(1, 3, 8, 1, 9));
      assertFinite(spec, Tensors.random(1, 3, 8, 9, 1));
    }
  }

  /** PyTorch's norms and deviations have the gradient 0 where they are 0; a root's is infinite. */
  @ParameterizedTest
  @ValueSource(strings = {"grn", "sge:groups=4", "srm", "gct", "simam"})
  void channelsOfZeros(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = Tensors.random(1, 2, 4, 3, 3);
      x.select(1, 2).zero_();
      assertFinite(spec, x);
      assertFinite(spec, x.zero_());
    }
  }

  private static void assertFinite(String spec, Tensor x) {
    Attention module = Tensors.randomized(spec, x.size(1), 2);
    Tensor leaf = x.clone().set_requires_grad(true);
    for (boolean training : new boolean[] {true, false}) {
      module.train(training);
      Tensor y = module.forward(leaf);
      y.mul(Tensors.random(7, x.shape())).sum().backward();
      for (Tensor values : List.of(y, leaf.grad())) {
        assertThat(Arrays.stream(Tensors.values(values)).allMatch(Double::isFinite)).isTrue();
      }
    }
  }
}
