package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.fovea.nn.Flow;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The data flow is that of the equation. */
class FlowTest {
  private static final long CHANNELS = 384;

  static Stream<AttentionSpec> specs() {
    return MechanismContract.specs(Mechanism.all()).stream();
  }

  @Test
  void squeezesAndExcites() {
    try (PointerScope scope = new PointerScope()) {
      assertThat(AttentionSpec.parse("se").create(CHANNELS, 2).flow())
          .containsExactly(
              new Flow.Step("x", "", List.of(), "[B, C, H, W]"),
              new Flow.Step("mean over the positions", "", List.of(0), "[B, C]"),
              new Flow.Step("linear", "fc.0", List.of(1), "[B, C/16]"),
              new Flow.Step("ReLU", "", List.of(2), "[B, C/16]"),
              new Flow.Step("linear", "fc.2", List.of(3), "[B, C]"),
              new Flow.Step("sigmoid", "", List.of(4), "[B, C]"),
              new Flow.Step("× gate", "", List.of(0, 5), "[B, C, H, W]"));
    }
  }

  /** Each step takes earlier ones, and each but the last is taken by a later one. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("specs")
  void everyStepIsUsed(AttentionSpec spec) {
    try (PointerScope scope = new PointerScope()) {
      List<Flow.Step> steps = spec.create(CHANNELS, 2).flow();
      List<Integer> used = steps.stream().flatMap(step -> step.from().stream()).toList();
      for (int i = 0; i < steps.size(); i++) {
        int number = i;
        assertThat(steps.get(i).from()).allMatch(from -> from < number);
        assertThat(used.contains(i)).as("%s: %s", i, steps.get(i)).isEqualTo(i < steps.size() - 1);
      }
    }
  }

  @Test
  void isOfImages() {
    try (PointerScope scope = new PointerScope()) {
      Attention module = AttentionSpec.parse("se").create(16, 3);
      assertThatIllegalStateException().isThrownBy(module::flow);
    }
  }
}
