package io.fovea.nn;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.attention.Tensors;
import io.fovea.tensor.internal.ChannelsLast;
import io.fovea.tensor.internal.Macs;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

/** Convolutions with their batch norms folded in, beside the two one after the other. */
class FusingTest {
  @Provide
  Arbitrary<Activation> functions() {
    return Arbitraries.of(Activation.RELU, Activation.RELU_IN_PLACE, Activation.HARD_SWISH)
        .injectNull(0.25);
  }

  private static BatchNorm norm(long channels, long seed) {
    BatchNorm norm = new BatchNorm(channels, 1e-3, 0.1);
    try (NoGradGuard guard = new NoGradGuard()) {
      for (Map.Entry<String, Tensor> entry : Tensors.state(norm).entrySet()) {
        Tensor values = Tensors.random(seed + entry.getKey().hashCode(), entry.getValue().shape());
        if (!entry.getKey().equals("num_batches_tracked")) {
          entry.getValue().copy_(entry.getKey().equals("running_var") ? values.abs() : values);
        }
      }
    }
    norm.eval();
    return norm;
  }

  private static void check(
      Convolution convolution, Activation function, Tensor x, double tolerance) {
    BatchNorm norm = norm(convolution.weight().size(0), 7);
    norm.to(x.scalar_type().intern(), false);
    convolution.to(x.scalar_type().intern(), false);
    try (Fusing folding = new Fusing();
        NoGradGuard guard = new NoGradGuard()) {
      Tensor expected = convolution.forward(x, norm, function);
      folding.add(convolution, norm);
      Tensor folded = folding.using(() -> convolution.forward(x, norm, function));
      double largest = convolution.forward(x, norm, null).abs().max().item_double();
      assertNear(folded, expected, tolerance * largest);
      Tensor again = folding.using(() -> convolution.forward(x, norm, function));
      Tensors.assertClose("the weights in order already", again, folded, 0);
      Tensor first = x.narrow(0, 0, 1);
      Tensor alone = folding.using(() -> convolution.forward(first, norm, function));
      assertNear(alone, expected.narrow(0, 0, 1), tolerance * largest);
    }
  }

  /**
   * Tolerances are parts of the largest value before the function: a value near zero is the difference of
   * larger ones, and as far off as they are.
   */
  private static void assertNear(Tensor actual, Tensor expected, double tolerance) {
    assertThat(actual.sub(expected).abs().max().item_double()).isLessThanOrEqualTo(tolerance);
  }

  @Property(tries = 60)
  void givesTheNumbersOfBoth(
      @ForAll @IntRange(min = 1, max = 3) int groups,
      @ForAll @IntRange(min = 1, max = 9) int in,
      @ForAll @IntRange(min = 1, max = 20) int out,
      @ForAll @IntRange(min = 0, max = 2) int half,
      @ForAll @IntRange(min = 1, max = 2) int stride,
      @ForAll @IntRange(min = 1, max = 2) int dilation,
      @ForAll @IntRange(min = 5, max = 11) int side,
      @ForAll boolean bias,
      @ForAll("functions") Activation function) {
    try (PointerScope scope = new PointerScope()) {
      Convolution convolution =
          Convolution.builder(2, (long) in * groups, (long) out * groups, 2 * half + 1)
              .stride(stride)
              .padding(half * dilation)
              .dilation(dilation)
              .groups(groups)
              .bias(bias)
              .build();
      Tensor x = Tensors.random(side, 2, (long) in * groups, side, side + 1);
      check(convolution, function, ChannelsLast.of(x.to(ScalarType.Float)), 1e-5);
      check(convolution, function, x.to(ScalarType.Float), 1e-5);
      check(convolution, function, x, 1e-13);
    }
  }

  @Property(tries = 20)
  void alsoInOneAndThreeDimensions(
      @ForAll boolean three,
      @ForAll @IntRange(min = 1, max = 2) int stride,
      @ForAll("functions") Activation function) {
    try (PointerScope scope = new PointerScope()) {
      int dimensions = three ? 3 : 1;
      Convolution.Builder builder =
          Convolution.builder(dimensions, 4, 6, 3).stride(stride).padding(1).bias(false);
      if (three) {
        builder.padding(0, 1, 1).repeatFrames(1);
      }
      Tensor x = three ? Tensors.random(1, 2, 4, 3, 5, 6) : Tensors.random(1, 2, 4, 9);
      check(builder.build(), function, x.to(ScalarType.Float), 1e-5);
    }
  }

  @Test
  void sequencesAreFoldedWhereANormFollows() {
    try (PointerScope scope = new PointerScope()) {
      Sequence inner =
          new Sequence()
              .add("0", Convolution.builder(2, 5, 4, 1).bias(false).build())
              .add("1", norm(4, 3));
      Sequence sequence =
          new Sequence()
              .add("0", Convolution.builder(2, 3, 5, 3).build())
              .add("1", norm(5, 2))
              .add("2", Activation.RELU)
              .add("3", inner)
              .add("4", Activation.HARD_SWISH)
              .add("5", Convolution.builder(2, 4, 2, 1).build());
      Tensor x = torch.randn(2, 3, 8, 8);
      sequence.eval();
      try (Fusing folding = new Fusing();
          NoGradGuard guard = new NoGradGuard()) {
        folding.add(sequence);
        Tensor before = sequence.forward(x);
        Tensors.assertClose("sequence", folding.using(() -> sequence.forward(x)), before, 1e-5);
        assertThat(Macs.count(() -> folding.using(() -> sequence.forward(x))))
            .isEqualTo(Macs.count(() -> sequence.forward(x)));
        Tensors.parameters(sequence).values().forEach(Tensor::zero_);
        Tensor kept = folding.using(() -> sequence.forward(x));
        assertThat(Tensors.largest(Tensors.values(kept)))
            .as("the last convolution is no copy, and is zero now")
            .isZero();
        Tensor zero = inner.forward(torch.randn(2, 5, 4, 4));
        Tensor copy = folding.using(() -> inner.forward(torch.randn(2, 5, 4, 4)));
        assertThat(Tensors.largest(Tensors.values(zero))).isZero();
        assertThat(Tensors.largest(Tensors.values(copy))).isPositive();
      }
    }
  }
}
