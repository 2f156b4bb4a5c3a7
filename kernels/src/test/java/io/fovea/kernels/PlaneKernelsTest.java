package io.fovea.kernels;

import static io.fovea.kernels.Steps.module;
import static io.fovea.kernels.Steps.random;
import static io.fovea.kernels.Steps.step;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.fovea.attention.Attention;
import io.fovea.attention.fast.Kernels;
import io.fovea.tensor.Threads;
import io.fovea.tensor.internal.ChannelsLast;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.function.UnaryOperator;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.MemoryFormat;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The kernels of mechanisms whose gates come from one plane or from a group of planes, against the plain
 * form in float64. They may err as the plain form in float32 does, which maps in another memory order get.
 */
@Numeric
class PlaneKernelsTest {
  /** The same values with gaps between the rows, which kernels do not read if there are several rows. */
  private static Tensor withGaps(Tensor x) {
    return torch.cat(new TensorVector(x, x), 3).narrow(3, 0, x.size(3));
  }

  private static void assertSteps(String spec, Tensor x) {
    Attention module = module(spec, x.size(1));
    List<Tensor> actual = step(module, x);
    List<Tensor> plain = step(module, withGaps(x));
    List<Tensor> exact = step(module, x.to(ScalarType.Double));
    assertThat(actual).hasSameSizeAs(exact);
    for (int i = 0; i < actual.size(); i++) {
      Rounding.assertAsCloseAs(spec + ", " + i, actual.get(i), plain.get(i), exact.get(i));
    }
  }

  @Property(tries = 60)
  void simam(
      @ForAll @IntRange(min = 1, max = 3) int images,
      @ForAll @IntRange(min = 2, max = 20) int channels,
      @ForAll @IntRange(min = 1, max = 11) int height,
      @ForAll @IntRange(min = 1, max = 40) int width) {
    try (PointerScope scope = new PointerScope()) {
      assertSteps("simam:lambda=0.1", random(1, images, channels, height, width));
    }
  }

  @Property(tries = 60)
  void groupEnhance(
      @ForAll @IntRange(min = 1, max = 3) int images,
      @ForAll @IntRange(min = 1, max = 5) int channels,
      @ForAll @IntRange(min = 1, max = 4) int groups,
      @ForAll @IntRange(min = 2, max = 11) int height,
      @ForAll @IntRange(min = 2, max = 40) int width) {
    try (PointerScope scope = new PointerScope()) {
      assertSteps(
          "sge:groups=" + groups, random(1, images, (long) groups * channels, height, width));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"simam", "sge:groups=2"})
  void largeMaps(String spec) {
    try (PointerScope scope = new PointerScope()) {
      assertSteps(spec, random(1, 2, 6, 97, 131).add(new Scalar(3.0)));
    }
  }

  /** Nothing differs from its mean, and the gradient of a norm of zeros is 0. */
  @ParameterizedTest
  @ValueSource(strings = {"simam", "sge:groups=2"})
  void constantMapsAndSinglePositions(String spec) {
    try (PointerScope scope = new PointerScope()) {
      assertSteps(spec, torch.ones(2, 4, 5, 7).mul(new Scalar(2.0)));
      assertSteps(spec, torch.zeros(2, 4, 5, 7));
      assertSteps(spec, random(1, 2, 4, 1, 1));
    }
  }

  /** Other memory orders, and maps that share memory between their images, are computed as well. */
  @ParameterizedTest
  @ValueSource(strings = {"simam", "sge:groups=2"})
  void anyMemoryOrder(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = module(spec, 8);
      Tensor x = random(1, 2, 8, 5, 6);
      Tensor last = x.contiguous(MemoryFormat.ChannelsLast);
      Tensor expanded = x.narrow(0, 0, 1).expand(2, 8, 5, 6);
      List<Tensor> expected = step(module, x);
      List<Tensor> ofLast = step(module, last);
      assertThat(ChannelsLast.is(ofLast.get(0))).isTrue();
      for (int i = 0; i < expected.size(); i++) {
        assertThat(ofLast.get(i).equal(expected.get(i))).isTrue();
      }
      Tensor ofExpanded = module.forward(expanded);
      assertThat(ofExpanded.narrow(0, 1, 1).equal(ofExpanded.narrow(0, 0, 1))).isTrue();
      Tensor exact = step(module, x.to(ScalarType.Double)).get(0);
      Rounding.assertAsCloseAs(
          spec, expected.get(0).narrow(0, 0, 1), ofExpanded.narrow(0, 0, 1), exact.narrow(0, 0, 1));
    }
  }

  private static Tensor gradient(Attention module, Tensor x, UnaryOperator<Tensor> loss) {
    Tensor input = x.detach().set_requires_grad(true);
    loss.apply(module.forward(input)).sum().backward();
    return input.grad();
  }

  /** One value for all positions, which has no memory of its own, and channels last. */
  @ParameterizedTest
  @ValueSource(strings = {"simam", "sge:groups=2"})
  void anyMemoryOrderOfTheGradientOfTheOutput(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = module(spec, 8);
      Tensor x = random(1, 2, 8, 5, 6);
      Tensor ones = torch.ones(2, 8, 5, 6);
      Tensor weights = random(3, 2, 8, 5, 6);
      Tensor last = weights.contiguous(MemoryFormat.ChannelsLast);
      assertThat(gradient(module, x, y -> y).equal(gradient(module, x, y -> y.mul(ones)))).isTrue();
      assertThat(
              gradient(module, x, y -> y.mul(last)).equal(gradient(module, x, y -> y.mul(weights))))
          .isTrue();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"simam", "sge:groups=2"})
  void nothingIsRefused(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = module(spec, 8);
      for (long[] shape : new long[][] {{0, 8, 5, 6}, {2, 8, 0, 6}, {2, 8, 5, 0}}) {
        assertThatIllegalArgumentException().isThrownBy(() -> module.forward(torch.zeros(shape)));
      }
    }
  }

  /** Numbers that are not finite, in one channel only. */
  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY})
  void othersStayFinite(float value) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      for (String spec : List.of("simam", "sge:groups=4")) {
        Tensor x = random(1, 1, 4, 5, 7);
        x.narrow(1, 2, 1).view(-1).narrow(0, 3, 1).fill_(new Scalar(value));
        Attention module = module(spec, 4);
        Tensor finite = module.forward(x).isfinite();
        Tensor expected = module.forward(withGaps(x)).isfinite();
        assertThat(finite.equal(expected)).as(spec).isTrue();
        assertThat(finite.narrow(1, 0, 2).all().item_bool()).isTrue();
        assertThat(finite.narrow(1, 2, 1).any().item_bool()).isFalse();
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"simam", "sge:groups=4"})
  void anyNumberOfThreadsGivesTheSameBits(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = random(1, 3, 16, 30, 31);
      Attention module = module(spec, 16);
      Threads.set(1);
      List<Tensor> alone = step(module, x);
      for (int threads = 2; threads <= 4; threads++) {
        Threads.set(threads);
        List<Tensor> together = step(module, x);
        for (int i = 0; i < alone.size(); i++) {
          assertThat(together.get(i).equal(alone.get(i))).isTrue();
        }
      }
    } finally {
      Threads.set(1);
    }
  }

  @Test
  void refusesBuffersOfAnotherSize() {
    Kernels.Shape shape = new Kernels.Shape(1, 2, 3, 4);
    ByteBuffer right = ByteBuffer.allocateDirect(shape.channels() * shape.positions() * 4);
    ByteBuffer small = ByteBuffer.allocateDirect(right.capacity() - 4);
    VectorKernels kernels = new VectorKernels();
    Kernels.GroupEnhanceWeights weights =
        new Kernels.GroupEnhanceWeights(new float[2], new float[2], 1);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> kernels.simam(shape, 1, small, right))
        .withMessageStartingWith("x: expected 96 bytes");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> kernels.simamGradient(shape, 1, right, small, right))
        .withMessageStartingWith("dy: expected 96 bytes");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> kernels.groupEnhance(shape, weights, right, small))
        .withMessageStartingWith("y: expected 96 bytes");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> kernels.groupEnhanceGradient(shape, weights, right, right, small))
        .withMessageStartingWith("dx: expected 96 bytes");
  }
}
