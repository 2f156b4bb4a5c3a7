package io.fovea.attention.fast;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.attention.Attention;
import io.fovea.attention.NonLocalTest;
import io.fovea.attention.Tensors;
import io.fovea.tensor.Threads;
import io.fovea.tensor.compute.ChannelProducts;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The products of channels that the dot product is made of, beside the projections they stand for. */
@Numeric
class DotProductTest {
  /** As {@link ChannelProducts#mapped}. */
  private static Tensor mapped(Tensor x, Tensor weight, Tensor bias, boolean shortcut) {
    Tensor y = weight.matmul(x).add(bias);
    return shortcut ? y.add(x) : y;
  }

  /** As {@link DotProduct#pairs}. */
  private static Tensor pairs(Tensor x, Tensor both) {
    Tensor projected =
        both.matmul(torch.cat(new TensorVector(x, torch.ones_like(x).narrow(1, 0, 1)), 1));
    long inter = both.size(0) / 2;
    return projected.narrow(1, 0, inter).bmm(projected.narrow(1, inter, inter).transpose(1, 2));
  }

  private static Tensor leaf(long seed, long... shape) {
    return Tensors.random(seed, shape).set_requires_grad(true);
  }

  private static void assertSameGradients(Tensor ours, Tensor expected, Tensor[]... leaves) {
    Tensors.assertClose("output", ours, expected, 1e-12);
    ours.mul(Tensors.random(9, ours.shape())).sum().backward();
    expected.mul(Tensors.random(9, ours.shape())).sum().backward();
    for (int i = 0; i < leaves[0].length; i++) {
      assertThat(leaves[0][i].grad().defined()).isEqualTo(leaves[1][i].grad().defined());
      if (leaves[0][i].grad().defined()) {
        Tensors.assertClose("gradient " + i, leaves[0][i].grad(), leaves[1][i].grad(), 1e-10);
      }
    }
  }

  @Property(tries = 60)
  void mapsAsAPointwiseConvolution(
      @ForAll @IntRange(min = 1, max = 4) int images,
      @ForAll @IntRange(min = 1, max = 80) int positions,
      @ForAll @IntRange(min = 1, max = 9) int channels,
      @ForAll @IntRange(min = 1, max = 9) int other,
      @ForAll boolean perImage,
      @ForAll boolean shortcut,
      @ForAll @IntRange(min = 1, max = 2) int threads,
      @ForAll @IntRange(min = 0, max = 6) int frozen) {
    Threads.set(threads);
    try (PointerScope scope = new PointerScope()) {
      long outputs = shortcut ? channels : other;
      Tensor[][] leaves = new Tensor[2][];
      for (int i = 0; i < 2; i++) {
        leaves[i] =
            new Tensor[] {
              leaf(1, images, channels, positions),
              perImage ? leaf(2, images, outputs, channels) : leaf(2, outputs, channels),
              perImage ? leaf(3, images, outputs, 1) : leaf(3, outputs, 1)
            };
        for (int k = 0; k < 3; k++) {
          leaves[i][k].set_requires_grad((frozen >> k & 1) == 0);
        }
      }
      assertSameGradients(
          ChannelProducts.mapped(leaves[0][0], leaves[0][1], leaves[0][2], shortcut),
          mapped(leaves[1][0], leaves[1][1], leaves[1][2], shortcut),
          leaves);
    } finally {
      Threads.set(1);
    }
  }

  @Property(tries = 60)
  void sumsPairsOfPositions(
      @ForAll @IntRange(min = 1, max = 4) int images,
      @ForAll @IntRange(min = 20, max = 80) int positions,
      @ForAll @IntRange(min = 1, max = 9) int channels,
      @ForAll @IntRange(min = 1, max = 5) int inter,
      @ForAll @IntRange(min = 1, max = 2) int threads,
      @ForAll @IntRange(min = 0, max = 2) int frozen) {
    Threads.set(threads);
    try (PointerScope scope = new PointerScope()) {
      Tensor[][] leaves = new Tensor[2][];
      for (int i = 0; i < 2; i++) {
        leaves[i] =
            new Tensor[] {leaf(1, images, channels, positions), leaf(2, 2L * inter, channels + 1L)};
        for (int k = 0; k < 2; k++) {
          leaves[i][k].set_requires_grad((frozen >> k & 1) == 0);
        }
      }
      assertSameGradients(
          DotProduct.pairs(leaves[0][0], leaves[0][1]), pairs(leaves[1][0], leaves[1][1]), leaves);
    } finally {
      Threads.set(1);
    }
  }

  /** Inputs of one large direction, which the projections take away: in float32 the sums would be nothing. */
  @Test
  void leavesWhatCancelsToThePlainForm() {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = Tensors.random(1, 2, 6, 300);
      Tensor large = x.clone();
      large.select(1, 0).add_(Tensors.scalar(1000));
      Tensor both = Tensors.random(2, 8, 7);
      assertThat(DotProduct.pairs(large, both)).isNotNull();
      both.select(1, 0).zero_();
      assertThat(DotProduct.pairs(large, both))
          .as("what is not looked at does not matter")
          .isNotNull();
      Tensor turned = x.clone();
      turned.add_(Tensors.scalar(1000));
      Tensor zeroSum = both.clone();
      zeroSum.narrow(1, 0, 6).sub_(both.narrow(1, 0, 6).mean(new long[] {1}, true, null));
      assertThat(DotProduct.pairs(turned, zeroSum)).isNull();
      Tensor oneRow = Tensors.random(3, 8, 7);
      oneRow.select(0, 5).copy_(zeroSum.select(0, 5));
      assertThat(DotProduct.pairs(turned, oneRow)).isNull();
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, 1e200})
  void leavesWhatIsNotFiniteToThePlainForm(double value) {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = Tensors.random(1, 3, 4, 40);
      x.view(-1).narrow(0, 200, 1).fill_(Tensors.scalar(value));
      assertThat(DotProduct.pairs(x, Tensors.random(2, 6, 5))).isNull();
      Tensor both = Tensors.random(2, 6, 5);
      both.view(-1).narrow(0, 12, 1).fill_(Tensors.scalar(value));
      assertThat(DotProduct.pairs(Tensors.random(1, 3, 4, 40), both)).isNull();
    }
  }

  @Test
  void isChosenWhereItIsLessToCompute() {
    assertThat(DotProduct.isShorter(3136, 256, 128, false)).isTrue();
    assertThat(DotProduct.isShorter(3136, 256, 256, false)).isTrue();
    assertThat(DotProduct.isShorter(3136, 256, 64, false)).isFalse();
    assertThat(DotProduct.isShorter(49, 2048, 1024, false)).isFalse();
    assertThat(DotProduct.isShorter(49, 64, 32, false)).isFalse();
    assertThat(DotProduct.isShorter(3136, 256, 128, true)).isTrue();
  }

  /** In float32, near what float64 gives, whether the short way serves or is refused. */
  @ParameterizedTest
  @ValueSource(strings = {"normal", "rectified", "far from zero", "cancelled", "of one direction"})
  void staysWithinRounding(String input) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Attention module =
          Tensors.randomized("nonlocal:mode=dot_product,inter=all,subsample=false", 64, 1);
      module.eval();
      Tensor normal = Tensors.random(50, 1, 64, 3201);
      Tensor x =
          switch (input) {
            case "rectified" -> normal.relu();
            case "far from zero" -> normal.add(Tensors.scalar(30));
            case "cancelled" -> normal.add(Tensors.scalar(100));
            case "of one direction" ->
                Tensors.random(52, 64, 1)
                    .mul(Tensors.random(53, 1, 3201))
                    .unsqueeze(0)
                    .add(normal.mul(Tensors.scalar(1e-3)));
            default -> normal;
          };
      if (input.equals("cancelled")) {
        for (String name : new String[] {"g", "phi"}) {
          Tensor weight = Tensors.parameters(module).get(name + ".weight");
          weight.sub_(weight.mean(new long[] {1}, true, null));
        }
      }
      module.to(ScalarType.Float, false); // what is compared has the same parameters
      Tensor single = x.to(ScalarType.Float);
      Tensor y = module.forward(single);
      Tensor z = NonLocalTest.plain(module, single, false);
      module.to(ScalarType.Double, false);
      Tensor exact = NonLocalTest.plain(module, single.to(ScalarType.Double), false);
      Rounding.assertAsCloseAs("output", y, z, exact);
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY})
  void whatIsNotFiniteGoesThrough(double value) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Attention module =
          Tensors.randomized("nonlocal:mode=dot_product,inter=all,subsample=false", 64, 1);
      module.eval();
      Tensor x = Tensors.random(50, 2, 64, 3201);
      x.select(0, 1).select(0, 3).narrow(0, 7, 1).fill_(Tensors.scalar(value));
      Tensor finite = module.forward(x).isfinite();
      assertThat(finite.select(0, 0).all().item_bool()).isTrue();
      assertThat(finite.select(0, 1).any().item_bool()).isFalse();
    }
  }
}
