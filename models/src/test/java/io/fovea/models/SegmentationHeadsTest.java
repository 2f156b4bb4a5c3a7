package io.fovea.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.errors.SpecException;
import io.fovea.models.weights.StateDict;
import io.fovea.testing.Numeric;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Beside what PyTorch computes; scripts/golden/heads.py made the numbers. */
@Numeric
class SegmentationHeadsTest {
  private static final double TOLERANCE = 1e-10;

  static List<String> heads() {
    return SegmentationHeads.names();
  }

  @ParameterizedTest
  @MethodSource("heads")
  void scoresAndGradientsAreThoseOfTheAuthorsCode(String name) {
    JsonNode golden = Filling.golden("heads.json").path(name);
    try (PointerScope scope = new PointerScope()) {
      SegmentationHead head =
          SegmentationHeads.create(name, new SegmentationHead.Sizes(16, 32, 5, 8));
      head.to(ScalarType.Double, false);
      Filling.fill(head, UnaryOperator.identity());
      head.eval();
      Tensor earlier = Filling.uniform("earlier", 2, 16, 40, 15).set_requires_grad(true);
      Tensor last = Filling.uniform("last", 2, 32, 40, 15).set_requires_grad(true);

      List<Tensor> scores = head.forward(List.of(earlier, last), true);

      assertThat(scores).hasSize(2);
      Tensor loss = null;
      for (int i = 0; i < 2; i++) {
        Filling.assertClose(
            Filling.values(scores.get(i)), golden.path("scores").path(i), 53, TOLERANCE);
        Tensor weights = Filling.uniform("weights" + i, scores.get(i).shape());
        Tensor sum = scores.get(i).mul(weights).sum();
        loss = loss == null ? sum : loss.add(sum);
      }
      loss.backward();
      Filling.assertClose(Filling.values(last.grad()), golden.path("last"), 211, TOLERANCE);
      if (!golden.path("earlier").isNull()) {
        Filling.assertClose(Filling.values(earlier.grad()), golden.path("earlier"), 211, TOLERANCE);
      }
      Map<String, Tensor> parameters = StateDict.parameters(head);
      List<String> theirs = new ArrayList<>();
      golden.path("parameters").fieldNames().forEachRemaining(theirs::add);
      assertThat(parameters.keySet()).containsExactlyInAnyOrderElementsOf(theirs);
      double largest = largest(golden.path("parameters"));
      parameters.forEach(
          (parameter, values) -> {
            double[] gradient = Filling.values(values.grad());
            JsonNode expected = golden.path("parameters").path(parameter);
            int step = gradient.length / 16 | 1;
            if (largest(expected) < 1e-12 * largest) { // zero but for rounding, as of a key's bias
              assertThat(Arrays.stream(gradient).map(Math::abs).max().orElseThrow())
                  .as(parameter)
                  .isLessThan(1e-12 * largest);
            } else {
              Filling.assertClose(gradient, expected, step, TOLERANCE);
            }
          });
    }
  }

  /** The largest absolute value of numbers, which may be in lists of lists. */
  private static double largest(JsonNode numbers) {
    double largest = Math.abs(numbers.asDouble());
    for (JsonNode one : numbers) {
      largest = Math.max(largest, largest(one));
    }
    return largest;
  }

  @ParameterizedTest
  @MethodSource("heads")
  void networksHaveThemAndFuseThem(String name) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      SegmenterSpec spec = new SegmenterSpec("small", 4, 3, name, 8, false);
      Segmenter network = spec.create(3);
      assertThat(spec.named(" " + name + " ")).isEqualTo(name);
      assertThat(spec.ends().classifier()).hasSize(4);
      assertThat(network.macs(48, 64)).isPositive();
      network.train(true);
      Tensor x = torch.randn(2, 3, 48, 64);
      Segmenter.Scores scores = network.forward(x);
      assertThat(scores.main().shape()).containsExactly(2, 4, 48, 64);
      assertThat(scores.auxiliary()).hasSize(1);
      network.eval();
      Tensor plain = network.scores(x);
      try (FusedNetwork fused = network.fuse()) {
        Tensor fast = fused.infer(() -> network.scores(x));
        double largest = plain.abs().max().item_double();
        assertThat(fast.sub(plain).abs().max().item_double()).isLessThan(1e-3 * largest);
      }
    }
  }

  @Test
  void otherHeadsAreRefusedInOneLine() {
    assertThatThrownBy(() -> SegmentationHeads.named("psp:bins=1"))
        .isInstanceOf(SpecException.class)
        .hasMessage("the head psp has no options, got \"psp:bins=1\"");
    assertThatThrownBy(() -> SegmentationHeads.named("pam@stage:2"))
        .hasMessage(
            "the head of a segmentation network takes one attention without a place, got"
                + " \"pam@stage:2\"");
  }
}
