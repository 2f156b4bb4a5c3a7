package io.fovea.tensor.compute;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.attention.Tensors;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import java.util.List;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The short ways against the sum over all pairs, in numbers and gradients. */
@Numeric
class PairSumsTest {
  private interface Sum {
    Tensor of(Tensor queries, Tensor keys, Tensor values);
  }

  private static Tensor productsByPairs(Tensor queries, Tensor keys, Tensor values) {
    return queries.bmm(keys).div(new Scalar((double) keys.size(2))).bmm(values);
  }

  @Property(tries = 60)
  void products(
      @ForAll @IntRange(min = 1, max = 3) int images,
      @ForAll @IntRange(min = 1, max = 40) int n,
      @ForAll @IntRange(min = 1, max = 40) int m,
      @ForAll @IntRange(min = 1, max = 9) int embedding,
      @ForAll @IntRange(min = 1, max = 9) int width) {
    assertSame(
        PairSums::products,
        PairSumsTest::productsByPairs,
        Tensors.random(1, images, n, embedding),
        Tensors.random(2, images, embedding, m),
        Tensors.random(3, images, m, width));
  }

  @Property(tries = 60)
  void rectified(
      @ForAll @IntRange(min = 1, max = 3) int images,
      @ForAll @IntRange(min = 1, max = 40) int n,
      @ForAll @IntRange(min = 1, max = 40) int m,
      @ForAll @IntRange(min = 1, max = 9) int width) {
    assertSame(
        PairSums::rectifiedBySorting,
        PairSums::rectifiedByPairs,
        Tensors.random(1, images, n, 1),
        Tensors.random(2, images, 1, m),
        Tensors.random(3, images, m, width));
  }

  /** Whole numbers: many keys are equal, and many pairs are exactly 0, where relu's gradient is 0. */
  @Property(tries = 30)
  void rectifiedWithTies(
      @ForAll @IntRange(min = 1, max = 30) int n, @ForAll @IntRange(min = 1, max = 30) int m) {
    assertSame(
        PairSums::rectifiedBySorting,
        PairSums::rectifiedByPairs,
        Tensors.random(1, 2, n, 1).round(),
        Tensors.random(2, 2, 1, m).round(),
        Tensors.random(3, 2, m, 3));
  }

  /** Far from zero, where running sums in float32 would be off by more than the pairs are. */
  @Test
  void rectifiedFarFromZero() {
    try (PointerScope scope = new PointerScope()) {
      Tensor q = Tensors.random(1, 1, 200, 1).add(new Scalar(1000.0)).to(ScalarType.Float);
      Tensor k = Tensors.random(2, 1, 1, 200).sub(new Scalar(1000.0)).to(ScalarType.Float);
      Tensor v = Tensors.random(3, 1, 200, 4).to(ScalarType.Float);
      Tensor exact =
          PairSums.rectifiedByPairs(
              q.to(ScalarType.Double), k.to(ScalarType.Double), v.to(ScalarType.Double));
      Rounding.assertAsCloseAs(
          "sums", PairSums.rectifiedBySorting(q, k, v), PairSums.rectifiedByPairs(q, k, v), exact);
    }
  }

  /** What is not finite reaches what it reaches through all pairs: also those it has no weight in. */
  @ParameterizedTest
  @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY})
  void goesThrough(double value) {
    for (int which = 0; which < 3; which++) {
      try (PointerScope scope = new PointerScope()) {
        Tensor[] rectified = {
          Tensors.random(1, 1, 256, 1), Tensors.random(2, 1, 1, 256), Tensors.random(3, 1, 256, 2)
        };
        rectified[which].view(-1).narrow(0, 5, 1).fill_(new Scalar(value));
        assertThat(values(PairSums::rectified, rectified))
            .isEqualTo(values(PairSums::rectifiedByPairs, rectified));
        Tensor[] products = {
          Tensors.random(1, 1, 64, 2), Tensors.random(2, 1, 2, 64), Tensors.random(3, 1, 64, 2)
        };
        products[which].view(-1).narrow(0, 5, 1).fill_(new Scalar(value));
        assertThat(finite(values(PairSums::products, products)))
            .isEqualTo(finite(values(PairSumsTest::productsByPairs, products)));
      }
    }
  }

  private static double[] values(Sum sum, Tensor... inputs) {
    return Tensors.values(sum.of(inputs[0], inputs[1], inputs[2]));
  }

  private static List<Boolean> finite(double... values) {
    return IntStream.range(0, values.length).mapToObj(i -> Double.isFinite(values[i])).toList();
  }

  private static void assertSame(Sum sum, Sum plain, Tensor... inputs) {
    try (PointerScope scope = new PointerScope()) {
      Tensor[] ours = computed(sum, inputs);
      Tensor[] expected = computed(plain, inputs);
      for (int i = 0; i < ours.length; i++) {
        Tensors.assertClose(i == 0 ? "sums" : "gradient " + i, ours[i], expected[i], 1e-12);
      }
    }
  }

  /** The sums, and the gradients of the three inputs. */
  private static Tensor[] computed(Sum sum, Tensor... inputs) {
    Tensor[] leaves = new Tensor[3];
    for (int i = 0; i < 3; i++) {
      leaves[i] = inputs[i].detach().clone().set_requires_grad(true);
    }
    Tensor y = sum.of(leaves[0], leaves[1], leaves[2]);
    y.mul(Tensors.random(4, y.shape())).sum().backward();
    return new Tensor[] {y, leaves[0].grad(), leaves[1].grad(), leaves[2].grad()};
  }
}
