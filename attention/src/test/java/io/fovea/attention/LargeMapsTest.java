package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.tensor.Threads;
import io.fovea.tensor.internal.ChannelsLast;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is computed in another way for large feature maps, beside the equation, in float64. */
class LargeMapsTest {
  private static final double TOLERANCE = 1e-10;
  private int threads;

  @BeforeEach
  void useTwoThreads() {
    threads = Threads.count();
    Threads.set(2);
  }

  @AfterEach
  void restoreThreads() {
    Threads.set(threads);
  }

  private static void assertClose(String what, Tensor actual, Tensor expected) {
    assertThat(actual.shape()).as(what).isEqualTo(expected.shape());
    double largest = Math.max(1, expected.detach().abs().max().item_double());
    assertThat(actual.sub(expected).detach().abs().max().item_double() / largest)
        .as(what)
        .isLessThan(TOLERANCE);
  }

  /** The output, and the gradients of the input and of the parameters. */
  private static List<Tensor> step(Attention module, Tensor x, UnaryOperator<Tensor> forward) {
    Tensor input = x.detach().clone().set_requires_grad(true);
    for (Tensor parameter : module.parameters().get()) {
      parameter.mutable_grad().reset();
    }
    Tensor y = forward.apply(input);
    y.mul(Tensors.random(9, y.shape())).sum().backward();
    List<Tensor> results = new ArrayList<>(List.of(y, input.grad()));
    for (Tensor parameter : module.parameters().get()) {
      results.add(parameter.grad().clone());
    }
    return results;
  }

  @ParameterizedTest
  @ValueSource(strings = {"cam", "cam:softmax=plain", "dual"})
  void theChannelsOfLargeMapsAttendToEachOther(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = Tensors.randomized(spec, 128, 2);
      Tensor x = Tensors.random(1, 2, 128, 47, 45).mul(Tensors.scalar(0.1));
      List<Tensor> expected = step(module, x, module::plain);
      List<Tensor> actual = step(module, x, module::forward);
      for (int i = 0; i < expected.size(); i++) {
        assertClose(spec + ", result " + i, actual.get(i), expected.get(i));
      }
      try (NoGradGuard guard = new NoGradGuard()) {
        assertClose(spec, module.forward(x), expected.get(0));
      }
    }
  }

  static Stream<String> mechanisms() {
    return Specs.taking(64).stream();
  }

  @ParameterizedTest
  @MethodSource("mechanisms")
  void imagesAreComputedOneByOne(String spec) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Attention module = Tensors.randomized(spec, 64, 2);
      module.eval();
      Tensor x = Tensors.random(1, 3, 64, 24, 24).mul(Tensors.scalar(0.1));
      Tensor expected = module.plain(x);
      assertClose(spec, module.forward(x), expected);
      Tensor last = module.forward(ChannelsLast.of(x));
      assertClose(spec + ", channels last", last, expected);
      assertThat(ChannelsLast.is(last)).isTrue();
    }
  }
}
