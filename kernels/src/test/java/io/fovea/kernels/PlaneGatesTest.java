package io.fovea.kernels;

import static io.fovea.kernels.Steps.module;
import static io.fovea.kernels.Steps.random;
import static io.fovea.kernels.Steps.step;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionSpec;
import io.fovea.attention.fast.Kernels;
import io.fovea.attention.fast.Kernels.PlaneStatistic;
import io.fovea.tensor.Threads;
import io.fovea.tensor.compute.CustomGradient;
import io.fovea.tensor.internal.ChannelsLast;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.MemoryFormat;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The kernels of mechanisms that describe each plane by a number and change it by numbers, against the
 * plain form in float64. They may err as the plain form in float32 does, which maps in another memory
 * order get.
 */
@Numeric
class PlaneGatesTest {
  /** All ways to describe planes and to change them. */
  private static final List<String> SPECS =
      List.of(
          "eca",
          "eca:kernel=5,bias=true",
          "ese",
          "gct",
          "grn",
          "srm",
          "ge:reduction=2",
          "ge:mlp=false",
          "gc:pool=average,reduction=1",
          "gc:pool=average,reduction=1,fusion=multiply",
          "gc:pool=average,reduction=1,fusion=both");

  private static List<String> specs() {
    return SPECS;
  }

  /** The same values with gaps between the rows, which kernels do not read if there are several rows. */
  private static Tensor withGaps(Tensor x) {
    return torch.cat(new TensorVector(x, x), 3).narrow(3, 0, x.size(3));
  }

  /**
   * Compares a step with the plain form. Its error may be small by chance in a single number, such as the
   * gradient of a bias, and so the bound also counts what rounding the inputs changes.
   */
  private static void assertSteps(String spec, Tensor x) {
    Attention module = module(spec, x.size(1));
    List<Tensor> actual = step(module, x);
    List<Tensor> plain = step(module, withGaps(x));
    Tensor wide = x.to(ScalarType.Double);
    List<Tensor> exact = step(module, wide);
    List<Tensor> inputs = new ArrayList<>(List.of(module.parameters().get()));
    inputs.add(wide);
    double[] movement = Rounding.movement(inputs, () -> step(module, wide));
    assertThat(actual).hasSameSizeAs(exact);
    for (int i = 0; i < actual.size(); i++) {
      double error = Math.max(Rounding.error(plain.get(i), exact.get(i)), movement[i]);
      double bound = Rounding.byReference(error, Rounding.largest(exact.get(i)));
      Rounding.assertWithin(spec + ", " + i, actual.get(i), exact.get(i), bound);
    }
  }

  @Property(tries = 60)
  void anyShape(
      @ForAll @IntRange(min = 0, max = 10) int spec,
      @ForAll @IntRange(min = 2, max = 4) int images,
      @ForAll @IntRange(min = 1, max = 20) int channels,
      @ForAll @IntRange(min = 2, max = 11) int height,
      @ForAll @IntRange(min = 1, max = 40) int width) {
    try (PointerScope scope = new PointerScope()) {
      // the layer norm of the global context block gives constants for few values
      int more = SPECS.get(spec).startsWith("gc") ? 10 : 0;
      // and the batch norm of style recalibration those of few images, whose gradients cancel out
      int further = SPECS.get(spec).equals("srm") ? 10 : 0;
      assertSteps(SPECS.get(spec), random(1, images + further, channels + more, height, width));
    }
  }

  @ParameterizedTest
  @MethodSource("specs")
  void largeMaps(String spec) {
    try (PointerScope scope = new PointerScope()) {
      assertSteps(spec, random(1, 2, 12, 97, 131).add(new Scalar(3.0)));
    }
  }

  /** Volumes and sequences, too, whose planes are all their positions. */
  @ParameterizedTest
  @MethodSource("specs")
  void anyDimensions(String spec) {
    try (PointerScope scope = new PointerScope()) {
      for (long[] shape : new long[][] {{2, 12, 35}, {2, 12, 3, 4, 5}}) {
        Tensor x = random(1, shape);
        torch.manual_seed(7);
        Attention module = AttentionSpec.parse(spec).create(12, shape.length - 2);
        Tensor y = module.forward(x);
        module.to(ScalarType.Double, false);
        Tensor exact = module.forward(x.to(ScalarType.Double));
        Rounding.assertWithin(spec, y, exact, Rounding.byReference(0, 4 * Rounding.largest(exact)));
      }
    }
  }

  /** The norm of zeros and the deviation of equal values have gradients. */
  @ParameterizedTest
  @MethodSource("specs")
  void constantMapsAndSinglePositions(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Tensor some = random(1, 2, 12, 5, 7);
      some.narrow(1, 3, 1).zero_();
      some.narrow(1, 5, 1).fill_(new Scalar(2.0));
      assertSteps(spec, some);
      assertSteps(spec, random(1, 2, 12, 1, 1));
    }
  }

  /** A gradient of zeros only, where the norms of all planes are zeros. */
  @ParameterizedTest
  @MethodSource("specs")
  void zeros(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = module(spec, 12);
      Tensor x = torch.zeros(2, 12, 5, 7);
      List<Tensor> actual = step(module, x);
      List<Tensor> plain = step(module, withGaps(x));
      for (int i = 0; i < 2; i++) {
        assertThat(actual.get(i).isfinite().equal(plain.get(i).isfinite())).isTrue();
      }
    }
  }

  /** Other memory orders, and maps that share memory between their images, are computed as well. */
  @ParameterizedTest
  @MethodSource("specs")
  void anyMemoryOrder(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = module(spec, 12);
      Tensor x = random(1, 2, 12, 5, 6);
      List<Tensor> exact = step(module, x.to(ScalarType.Double));
      List<Tensor> ofRows = step(module, x);
      List<Tensor> plain = step(module, withGaps(x));
      List<Tensor> ofLast = step(module, x.contiguous(MemoryFormat.ChannelsLast));
      assertThat(ChannelsLast.is(ofLast.get(0))).isTrue();
      for (int i = 0; i < 2; i++) {
        double error =
            Math.max(
                Rounding.error(plain.get(i), exact.get(i)),
                Rounding.error(ofRows.get(i), exact.get(i)));
        double bound = Rounding.byReference(error, Rounding.largest(exact.get(i)));
        Rounding.assertWithin(spec + ", " + i, ofLast.get(i), exact.get(i), bound);
      }
      module.eval();
      Tensor expanded = x.narrow(0, 0, 1).expand(2, 12, 5, 6);
      Tensor first = module.forward(expanded.contiguous());
      Rounding.assertAsCloseAs(spec, module.forward(expanded), first, first);
    }
  }

  private static Tensor gradient(Attention module, Tensor x, UnaryOperator<Tensor> loss) {
    Tensor input = x.detach().set_requires_grad(true);
    loss.apply(module.forward(input)).sum().backward();
    return input.grad();
  }

  /** One value for all positions, which has no memory of its own, and channels last. */
  @ParameterizedTest
  @MethodSource("specs")
  void anyMemoryOrderOfTheGradientOfTheOutput(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = module(spec, 12);
      Tensor x = random(1, 2, 12, 5, 6);
      Tensor ones = torch.ones(2, 12, 5, 6);
      Tensor weights = random(3, 2, 12, 5, 6);
      Tensor last = weights.contiguous(MemoryFormat.ChannelsLast);
      assertThat(gradient(module, x, y -> y).equal(gradient(module, x, y -> y.mul(ones)))).isTrue();
      assertThat(
              gradient(module, x, y -> y.mul(last)).equal(gradient(module, x, y -> y.mul(weights))))
          .isTrue();
    }
  }

  @ParameterizedTest
  @MethodSource("specs")
  void nothingIsRefused(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = module(spec, 12);
      for (long[] shape : new long[][] {{0, 12, 5, 6}, {2, 12, 0, 6}, {2, 12, 5, 0}}) {
        assertThatIllegalArgumentException().isThrownBy(() -> module.forward(torch.zeros(shape)));
      }
    }
  }

  /** Numbers that are not finite are where they are in the plain form. */
  @ParameterizedTest
  @MethodSource("specs")
  void numbersThatAreNotFinite(String spec) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      for (float value : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
        Tensor x = random(1, 2, 12, 5, 7);
        x.narrow(0, 1, 1).narrow(1, 2, 1).view(-1).narrow(0, 3, 1).fill_(new Scalar(value));
        Attention module = module(spec, 12);
        module.eval();
        Tensor y = module.forward(x);
        Tensor plain = module.forward(withGaps(x));
        assertThat(y.isnan().equal(plain.isnan())).isTrue();
        assertThat(y.isfinite().equal(plain.isfinite())).isTrue();
        assertThat(y.narrow(0, 0, 1).isfinite().all().item_bool()).isTrue();
      }
    }
  }

  @ParameterizedTest
  @MethodSource("specs")
  void anyNumberOfThreadsGivesTheSameBits(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = random(1, 3, 24, 60, 61);
      Attention module = module(spec, 24);
      module.eval(); // libtorch's batch norm divides sums among threads in training
      Threads.set(1);
      List<Tensor> alone = step(module, x);
      for (int threads = 2; threads <= 4; threads++) {
        Threads.set(threads);
        List<Tensor> together = step(module, x);
        for (int i = 0; i < 2; i++) {
          assertThat(together.get(i).equal(alone.get(i))).isTrue();
        }
      }
    } finally {
      Threads.set(1);
    }
  }

  /** Parameters only, a map only, and both after one another on the same graph. */
  @ParameterizedTest
  @MethodSource("specs")
  void partsOfTheGradient(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = random(1, 2, 12, 5, 6);
      Tensor weights = random(3, 2, 12, 5, 6);
      Attention module = module(spec, 12);
      TensorVector parameters = module.parameters();
      List<Tensor> both = gradients(module, x, weights);
      List<Tensor> again = new ArrayList<>();
      Tensor input = x.detach().set_requires_grad(true);
      Tensor loss = module.forward(input).mul(weights).sum();
      if (!parameters.empty()) { // the gradient of the map then waits for what nobody asks for
        TensorVector ofParameters = torch.grad(new TensorVector(loss), parameters);
        again.addAll(List.of(ofParameters.get()));
      }
      Tensor second = module.forward(input).mul(weights).sum();
      BoolOptional keep = new BoolOptional(true);
      for (int i = 0; i < 2; i++) {
        input.mutable_grad().reset();
        second.backward(new Tensor(), keep, false, new TensorArrayRefOptional());
        assertThat(input.grad().equal(both.get(0))).isTrue();
      }
      for (int i = 0; i < again.size(); i++) {
        assertThat(again.get(i).equal(both.get(i + 1))).isTrue();
      }
      for (Tensor parameter : parameters.get()) {
        parameter.set_requires_grad(false);
      }
      assertThat(gradients(module, x, weights).get(0).equal(both.get(0))).isTrue();
    }
  }

  /** Of the input, then of the parameters, if they have one. */
  private static List<Tensor> gradients(Attention module, Tensor x, Tensor weights) {
    for (Tensor parameter : module.parameters().get()) {
      parameter.mutable_grad().reset();
    }
    Tensor input = x.detach().set_requires_grad(true);
    module.forward(input).mul(weights).sum().backward();
    List<Tensor> gradients = new ArrayList<>(List.of(input.grad()));
    for (Tensor parameter : module.parameters().get()) {
      if (parameter.requires_grad()) {
        gradients.add(parameter.grad().clone());
      }
    }
    return gradients;
  }

  /** Only the parameters need a gradient. */
  @ParameterizedTest
  @MethodSource("specs")
  void inputsWithoutGradient(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = random(1, 2, 12, 5, 6);
      Tensor weights = random(3, 2, 12, 5, 6);
      Attention module = module(spec, 12);
      List<Tensor> expected = gradients(module, x, weights);
      if (expected.size() > 1) {
        for (Tensor parameter : module.parameters().get()) {
          parameter.mutable_grad().reset();
        }
        module.forward(x).mul(weights).sum().backward();
        Tensor[] parameters = module.parameters().get();
        for (int i = 0; i < parameters.length; i++) {
          assertThat(parameters[i].grad().equal(expected.get(i + 1))).isTrue();
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("specs")
  void inputsThatChangedAndSecondOrdersAreRefused(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = module(spec, 12);
      Tensor x = random(1, 2, 12, 5, 6).set_requires_grad(true);
      Tensor input = x.mul(new Scalar(2.0));
      Tensor loss = module.forward(input).sum();
      input.detach().zero_();
      assertThatThrownBy(() -> loss.backward()).hasMessageContaining("changed in place");
      Tensor other = module.forward(x).sum();
      assertThatThrownBy(
              () ->
                  other.backward(
                      new Tensor(), new BoolOptional(true), true, new TensorArrayRefOptional()))
          .hasMessageContaining("second-order");
    }
  }

  /** What the gradient needs is freed with the graph. */
  @Test
  void graphsAreFreed() {
    int before = CustomGradient.alive();
    for (int i = 0; i < 5; i++) {
      try (PointerScope scope = new PointerScope()) {
        gradients(module("gct", 12), random(1, 2, 12, 5, 6), random(3, 2, 12, 5, 6));
      }
    }
    assertThat(CustomGradient.alive()).isLessThanOrEqualTo(before);
  }

  @Test
  void refusesBuffersOfAnotherSize() {
    Kernels.Shape shape = new Kernels.Shape(1, 2, 3, 4);
    ByteBuffer right = ByteBuffer.allocateDirect(shape.channels() * shape.positions() * 4);
    ByteBuffer small = ByteBuffer.allocateDirect(right.capacity() - 4);
    VectorKernels kernels = new VectorKernels();
    float[] values = new float[2];
    assertThatIllegalArgumentException()
        .isThrownBy(() -> kernels.statistics(shape, PlaneStatistic.MEAN, small))
        .withMessageStartingWith("x: expected 96 bytes");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> kernels.scale(shape, values, null, right, small))
        .withMessageStartingWith("y: expected 96 bytes");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> kernels.products(shape, right, small, values, null))
        .withMessageStartingWith("dy: expected 96 bytes");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> kernels.gradient(shape, values, null, null, values, right, right, small))
        .withMessageStartingWith("dx: expected 96 bytes");
  }
}
