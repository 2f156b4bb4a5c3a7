package io.fovea.nn;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.attention.Tensors;
import io.fovea.tensor.internal.ChannelsLast;
import io.fovea.tensor.internal.Macs;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import java.util.ArrayList;
import java.util.List;
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

/** Convolutions with their batch norms fused in, beside the two one after the other. */
@Numeric
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

  /** In float64, and in float32 as close to that as what is not fused. */
  private static void check(Convolution convolution, Activation function, Tensor x) {
    BatchNorm norm = norm(convolution.weight().size(0), 7);
    try (NoGradGuard guard = new NoGradGuard()) {
      norm.to(ScalarType.Float, false);
      convolution.to(ScalarType.Float, false);
      Tensor single = x.to(ScalarType.Float);
      List<Tensor> inputs = new ArrayList<>(List.of(single.to(ScalarType.Double), single));
      if (x.dim() == 4) {
        inputs.add(ChannelsLast.of(single));
      }
      Tensor exact = null;
      for (Tensor input : inputs) {
        norm.to(input.scalar_type().intern(), false);
        convolution.to(input.scalar_type().intern(), false);
        Tensor plain = convolution.forward(input, norm, function);
        // Before the function: a value near zero is the difference of larger ones, and as far off.
        double largest = Rounding.largest(convolution.forward(input, norm, null));
        double bound =
            exact == null
                ? 1e-12 * largest
                : Rounding.byReference(Rounding.error(plain, exact), largest);
        exact = exact == null ? plain : exact;
        try (Fusing fusing = new Fusing()) {
          fusing.add(convolution, norm);
          Tensor fused = fusing.using(() -> convolution.forward(input, norm, function));
          Rounding.assertWithin("several images", fused, exact, bound);
          Tensor again = fusing.using(() -> convolution.forward(input, norm, function));
          Tensors.assertClose("the weights in order already", again, fused, 0);
          Tensor first = input.narrow(0, 0, 1);
          Tensor alone = fusing.using(() -> convolution.forward(first, norm, function));
          Rounding.assertWithin("one image", alone, exact.narrow(0, 0, 1), bound);
        }
      }
    }
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
      check(convolution, function, x);
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
      check(builder.build(), function, x);
    }
  }

  @Test
  void convolutionsOfASequenceAreFusedWithTheNormThatFollows() {
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
      try (Fusing fusing = new Fusing();
          NoGradGuard guard = new NoGradGuard()) {
        fusing.add(sequence);
        Tensor before = sequence.forward(x);
        Tensor fused = fusing.using(() -> sequence.forward(x));
        sequence.to(ScalarType.Double, false);
        Tensor exact = sequence.forward(x.to(ScalarType.Double));
        sequence.to(ScalarType.Float, false);
        Rounding.assertAsCloseAs("sequence", fused, before, exact);
        assertThat(Macs.count(() -> fusing.using(() -> sequence.forward(x))))
            .isEqualTo(Macs.count(() -> sequence.forward(x)));
        Tensors.parameters(sequence).values().forEach(Tensor::zero_);
        Tensor kept = fusing.using(() -> sequence.forward(x));
        assertThat(Tensors.largest(Tensors.values(kept)))
            .as("the last convolution is no copy, and is zero now")
            .isZero();
        Tensor zero = inner.forward(torch.randn(2, 5, 4, 4));
        Tensor copy = fusing.using(() -> inner.forward(torch.randn(2, 5, 4, 4)));
        assertThat(Tensors.largest(Tensors.values(zero))).isZero();
        assertThat(Tensors.largest(Tensors.values(copy))).isPositive();
      }
    }
  }
}
