package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import java.util.TreeMap;
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
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The products of channels that the dot product is made of, beside the projections they stand for. */
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
            new Tensor[] {leaf(1, images, channels, positions), leaf(2, 2 * inter, channels + 1)};
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

  /** The module's equation from its parameters, op for op. */
  private static Tensor plain(Attention module, Tensor x, boolean subsample, double divisor) {
    Map<String, Tensor> p = Tensors.state(module);
    String pooled = subsample ? ".0" : "";
    long[] shape = x.shape();
    Tensor flat = x.flatten(2, -1);
    Tensor[] drawn = new Tensor[3];
    String[] names = {"theta", "phi" + pooled, "g" + pooled};
    for (int i = 0; i < 3; i++) {
      Tensor weight = p.get(names[i] + ".weight").flatten(1, -1);
      drawn[i] = weight.matmul(flat).add(p.get(names[i] + ".bias").unsqueeze(1));
      if (subsample && i > 0) {
        long[] own = shape.clone();
        own[1] = weight.size(0);
        Tensor map = drawn[i].view(own);
        drawn[i] =
            (shape.length == 5
                    ? torch.max_pool3d(map, 1, 2, 2)
                    : shape.length == 4 ? torch.max_pool2d(map, 2, 2) : torch.max_pool1d(map, 2))
                .flatten(2, -1);
      }
    }
    Tensor weights =
        drawn[0].transpose(1, 2).bmm(drawn[1]).div(Tensors.scalar(drawn[1].size(2) * divisor));
    Tensor y = drawn[2].bmm(weights.transpose(1, 2));
    boolean bn = p.containsKey("W.0.weight");
    Tensor w = p.get(bn ? "W.0.weight" : "W.weight").flatten(1, -1);
    Tensor z = w.matmul(y).add(p.get(bn ? "W.0.bias" : "W.bias").unsqueeze(1));
    if (bn) {
      Tensor mean =
          module.is_training()
              ? z.mean(new long[] {0, 2}, true, null)
              : p.get("W.1.running_mean").view(1, -1, 1).clone();
      Tensor variance =
          module.is_training()
              ? z.sub(mean).square().mean(new long[] {0, 2}, true, null)
              : p.get("W.1.running_var").view(1, -1, 1).clone();
      z =
          z.sub(mean)
              .div(variance.add(Tensors.scalar(1e-5)).sqrt())
              .mul(p.get("W.1.weight").view(1, -1, 1))
              .add(p.get("W.1.bias").view(1, -1, 1));
    }
    return z.view(shape).add(x);
  }

  /** Some 3,200 positions of 64 channels with 64 embeddings: enough for the short way. */
  @ParameterizedTest
  @CsvSource({
    "subsample=false, 2, true, 1",
    "subsample=false, 2, false, 1",
    "'subsample=false,bn=false', 1, true, 1",
    "'subsample=false,scale=true', 3, false, 8",
    "subsample=true, 1, true, 1",
    "'subsample=true,scale=true', 2, false, 8",
    "'subsample=true,bn=false', 3, true, 1",
  })
  void givesTheNumbersOfThePlainForm(
      String options, int dimensions, boolean training, double divisor) {
    long[] shape =
        dimensions == 1
            ? new long[] {2, 64, 3201}
            : dimensions == 2 ? new long[] {1, 64, 57, 57} : new long[] {1, 64, 3, 32, 35};
    boolean subsample = options.contains("subsample=true");
    assertThat(DotProduct.isShorter(3201, 64, 64, subsample)).isTrue();
    Threads.set(2);
    try (PointerScope scope = new PointerScope()) {
      Attention module =
          Tensors.randomized("nonlocal:mode=dot_product,inter=all," + options, 64, dimensions);
      module.train(training);
      Tensor x = Tensors.random(50, shape).set_requires_grad(true);
      Tensor y = module.forward(x);
      y.mul(Tensors.random(51, shape)).sum().backward();
      Map<String, Tensor> parameters = Tensors.parameters(module);
      Map<String, Tensor> ours = new TreeMap<>();
      parameters.forEach((name, parameter) -> ours.put(name, parameter.grad().clone()));
      ours.put("x", x.grad().clone());
      module.zero_grad(true);
      x.mutable_grad().reset();

      Tensor z = plain(module, x, subsample, divisor);
      Tensors.assertClose("output", y, z, 1e-11);
      z.mul(Tensors.random(51, shape)).sum().backward();
      ours.forEach(
          (name, gradient) -> {
            Tensor expected = name.equals("x") ? x.grad() : parameters.get(name).grad();
            boolean constant = name.equals("W.0.bias") || name.equals("theta.bias");
            if (!training || !constant) { // a batch norm takes them away, but for rounding
              Tensors.assertClose("gradient of " + name, gradient, expected, 1e-9);
            }
          });
      try (NoGradGuard guard = new NoGradGuard()) {
        Tensors.assertClose("output without gradients", module.forward(x), z, 1e-11);
      }
      assertThat(OwnGradient.alive()).isZero();
    } finally {
      Threads.set(1);
    }
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
      Tensor y = module.forward(x.to(ScalarType.Float)).to(ScalarType.Double);
      module.to(ScalarType.Double, false);
      Tensor z = plain(module, x.to(ScalarType.Float).to(ScalarType.Double), false, 1);
      Tensors.assertClose("output", y, z, 2e-5);
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
