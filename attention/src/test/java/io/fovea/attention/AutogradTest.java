package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.tensor.internal.Scopes;
import io.fovea.testing.Numeric;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Gradients where a module is not simply called once with everything to be trained. */
@Numeric
class AutogradTest {
  static final List<String> SPECS =
      List.of(
          "se:reduction=2",
          "se:reduction=2,squeeze=max",
          "cbam:reduction=2,bias=true",
          "bam:reduction=2",
          "pam:reduction=2",
          "cam",
          "dual:reduction=2",
          "nonlocal",
          "nonlocal:mode=gaussian",
          "nonlocal:mode=dot_product",
          "nonlocal:mode=concatenation");

  private static final double TOLERANCE = 1e-12;

  private static Attention create(String spec) {
    return Tensors.randomized(spec, 4, 2);
  }

  private static Tensor input(long seed) {
    return Tensors.random(seed, 3, 4, 3, 4).set_requires_grad(true);
  }

  /** The gradients of sum(y · cotangent), by parameter's name, and of the inputs by number. */
  private static Map<String, double[]> gradients(Attention module, Tensor y, Tensor... inputs) {
    y.mul(Tensors.random(50, y.shape())).sum().backward();
    Map<String, double[]> gradients = new TreeMap<>();
    Tensors.parameters(module)
        .forEach(
            (name, parameter) -> {
              if (parameter.grad().defined()) {
                gradients.put(name, Tensors.values(parameter.grad()));
              }
            });
    for (int i = 0; i < inputs.length; i++) {
      gradients.put("input " + i, Tensors.values(inputs[i].grad()));
    }
    return gradients;
  }

  private static void assertClose(String what, double[] actual, double[] expected) {
    Tensors.assertClose(what, actual, expected, TOLERANCE * (1 + Tensors.largest(expected)));
  }

  /** Without gradients large images are computed one by one; a batch norm in training needs them all. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "cbam",
        "cbam:order=spatial_first",
        "cbam:order=parallel",
        "cbam:branches=spatial",
        "cbam:norm=true",
        "cbam:norm=true,order=parallel"
      })
  void largeImagesAreTheSameWithoutGradients(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = Tensors.randomized(spec, 8, 2);
      Tensor x = Tensors.random(1, 3, 8, 256, 256);
      Tensor expected = module.forward(x);
      try (NoGradGuard guard = new NoGradGuard()) {
        Tensors.assertClose(spec, module.forward(x), expected, TOLERANCE);
        module.eval();
        Tensor evaluated = module.forward(x.narrow(0, 2, 1));
        Tensors.assertClose(spec, module.forward(x).narrow(0, 2, 1), evaluated, TOLERANCE);
      }
    }
  }

  @ParameterizedTest
  @FieldSource("SPECS")
  void twiceInOneGraphAddsUp(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = create(spec);
      Tensor first = input(1);
      Tensor second = input(2);
      Map<String, double[]> both =
          gradients(module, module.forward(first).add(module.forward(second)), first, second);

      Attention one = create(spec);
      Tensor x = input(1);
      Map<String, double[]> alone = gradients(one, one.forward(x), x);
      Attention other = create(spec);
      x = input(2);
      Map<String, double[]> otherAlone = gradients(other, other.forward(x), x);

      assertClose("input 0", both.get("input 0"), alone.get("input 0"));
      assertClose("input 1", both.get("input 1"), otherAlone.get("input 0"));
      assertThat(both.keySet()).containsAll(Tensors.parameters(module).keySet());
      Tensors.parameters(module)
          .keySet()
          .forEach(
              name ->
                  assertClose(name, both.get(name), sum(alone.get(name), otherAlone.get(name))));
    }
  }

  private static double[] sum(double[] a, double[] b) {
    double[] sum = a.clone();
    for (int i = 0; i < a.length; i++) {
      sum[i] += b[i];
    }
    return sum;
  }

  /** The gradient of y = f(f(x)) by the chain rule: each use differentiated in a graph of its own. */
  @ParameterizedTest
  @FieldSource("SPECS")
  void oneAfterTheOtherFollowsTheChainRule(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = create(spec);
      Tensor x = input(1);
      Map<String, double[]> through = gradients(module, module.forward(module.forward(x)), x);

      Attention again = create(spec);
      Tensor start = input(1);
      Tensor middle = again.forward(start);
      Tensor cut = middle.detach().set_requires_grad(true);
      Tensor end = again.forward(cut);
      end.mul(Tensors.random(50, end.shape())).sum().backward();
      middle.mul(cut.grad()).sum().backward();

      assertClose("input", through.get("input 0"), Tensors.values(start.grad()));
      Tensors.parameters(again)
          .forEach(
              (name, parameter) ->
                  assertClose(name, through.get(name), Tensors.values(parameter.grad())));
    }
  }

  @ParameterizedTest
  @FieldSource("SPECS")
  void frozenParametersChangeNothingElse(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Attention whole = create(spec);
      Tensor x = input(1);
      Tensor y = whole.forward(x);
      Map<String, double[]> all = gradients(whole, y, x);

      for (String frozen : Tensors.parameters(whole).keySet()) {
        Attention module = create(spec);
        Tensors.parameters(module).get(frozen).set_requires_grad(false);
        Tensor input = input(1);
        Tensor output = module.forward(input);
        assertClose("output", Tensors.values(output), Tensors.values(y));
        Map<String, double[]> rest = gradients(module, output, input);
        assertThat(rest).doesNotContainKey(frozen).hasSize(all.size() - 1);
        rest.forEach((name, gradient) -> assertClose(name, gradient, all.get(name)));
      }
    }
  }

  @ParameterizedTest
  @FieldSource("SPECS")
  void aFrozenModulePassesGradientsOn(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Attention whole = create(spec);
      Tensor x = input(1);
      double[] expected = gradients(whole, whole.forward(x), x).get("input 0");

      Attention frozen = create(spec);
      Tensors.parameters(frozen).forEach((name, value) -> value.set_requires_grad(false));
      Tensor input = input(1);
      Map<String, double[]> gradients = gradients(frozen, frozen.forward(input), input);
      assertThat(gradients).containsOnlyKeys("input 0");
      assertClose("input", gradients.get("input 0"), expected);

      Tensor constant = input.detach();
      assertThat(frozen.forward(constant).requires_grad()).isFalse();
    }
  }

  /** Without gradients some of the poolings are computed differently: to the same values. */
  @ParameterizedTest
  @FieldSource("SPECS")
  void withoutGradientsTheValuesAreTheSame(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = create(spec);
      Tensor x = input(1);
      double[] expected = Tensors.values(module.forward(x));
      try (NoGradGuard guard = new NoGradGuard()) {
        Tensor y = module.forward(x);
        assertThat(y.requires_grad()).isFalse();
        assertClose("output", Tensors.values(y), expected);
      }
      assertThat(module.forward(x).requires_grad()).isTrue();
      assertClose("output", Tensors.values(module.forward(x.detach())), expected);
    }
  }

  @ParameterizedTest
  @FieldSource("SPECS")
  void gradientsFlowOutOfAScopeThatIsGone(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = create(spec);
      Tensor x = input(1);
      Tensor y = Scopes.compute(() -> module.forward(x.mul(Tensors.scalar(2))));
      double[] found = gradients(module, y, x).get("input 0");

      Attention again = create(spec);
      Tensor doubled = input(1).detach().mul(Tensors.scalar(2)).set_requires_grad(true);
      double[] expected = gradients(again, again.forward(doubled), doubled).get("input 0");
      assertClose("input", found, sum(expected, expected)); // the derivative of 2x
    }
  }
}
