package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.fovea.attention.Mechanism.Shows;
import io.fovea.errors.SpecException;
import io.fovea.nn.Activation;
import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import io.fovea.nn.Linear;
import io.fovea.nn.TensorOps;
import io.fovea.tensor.internal.ChannelsLast;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What every mechanism keeps, for every value of every option and 1, 2 and 3 spatial dimensions. A mechanism
 * from outside extends this in its own tests.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class MechanismContract {
  private static final long[] WIDTHS = {8, 16, 32, 64, 128};
  private static final double STEP = 1e-6;

  /** The mechanisms to test. */
  protected abstract List<Mechanism> mechanisms();

  /** Whether the equation takes a parameter for a constant where it is differentiated, as its authors do. */
  protected boolean isConstant(AttentionSpec spec, String parameter) {
    return false;
  }

  /** Whether the output is the input times the gates. Otherwise, something is added or rearranged. */
  protected boolean isInputTimesGates(AttentionSpec spec) {
    return true;
  }

  /** The default of each mechanism, and each value of each option beside the defaults of the others. */
  static List<AttentionSpec> specs(List<Mechanism> mechanisms) {
    List<AttentionSpec> specs = new ArrayList<>();
    for (Mechanism mechanism : mechanisms) {
      Set<AttentionSpec> own = new LinkedHashSet<>(List.of(mechanism.spec()));
      for (Option<?> option : mechanism.options()) {
        for (String value : option.samples()) {
          try {
            AttentionSpec spec = mechanism.spec().with(option.name(), value);
            if (!spec.options().equals(mechanism.spec().options())) {
              own.add(spec);
            }
          } catch (SpecException e) {
            assertThat(e).hasMessageContaining("has no effect with");
          }
        }
      }
      specs.addAll(own);
    }
    return specs;
  }

  Stream<AttentionSpec> specs() {
    return specs(mechanisms()).stream();
  }

  Stream<Arguments> specsAndDimensions() {
    return specs()
        .flatMap(spec -> spec.mechanism().dimensions().stream().map(d -> Arguments.of(spec, d)));
  }

  /** The narrowest feature map that a mechanism takes, of those tried. */
  static long channels(AttentionSpec spec) {
    for (long width : WIDTHS) {
      try (PointerScope scope = new PointerScope()) {
        spec.create(width, 2);
        return width;
      } catch (IllegalArgumentException e) {
        assertThat(e).hasMessageStartingWith(spec.mechanism().name() + ": ");
      }
    }
    throw new AssertionError(spec + " takes none of " + Arrays.toString(WIDTHS) + " channels");
  }

  private static Tensor input(AttentionSpec spec, int dimensions) {
    long[] shape =
        switch (dimensions) {
          case 1 -> new long[] {3, channels(spec), 10};
          case 2 -> new long[] {3, channels(spec), 5, 6};
          default -> new long[] {3, channels(spec), 2, 4, 3};
        };
    return Tensors.random(dimensions, shape);
  }

  private static Attention module(AttentionSpec spec, int dimensions) {
    return Tensors.randomized(spec.toString(), channels(spec), dimensions);
  }

  private static Tensor without(Supplier<Tensor> body) {
    try (NoGradGuard guard = new NoGradGuard()) {
      return body.get();
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("specs")
  void textAndValueAreTheSame(AttentionSpec spec) {
    assertThat(AttentionSpec.parse(spec.toString())).isEqualTo(spec).hasSameHashCodeAs(spec);
    StringBuilder all = new StringBuilder();
    spec.options()
        .forEach(
            (name, value) -> {
              if (spec.effective(name).isPresent()) {
                all.append(all.isEmpty() ? ":" : ",").append(name).append('=').append(value);
              }
            });
    AttentionSpec again = AttentionSpec.parse(spec.mechanism().name() + all);
    assertThat(again.options()).isEqualTo(spec.options());
    boolean choosable =
        spec.mechanism().options().stream().anyMatch(option -> option.rule().isPresent());
    assertThat(again.equals(spec) || choosable).as("only a network may tell them apart").isTrue();
  }

  /** A tensor may keep its sign beside its memory, as the imaginary part of a conjugate does. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("specs")
  void computesWithSignsThatAreNotInMemory(AttentionSpec spec) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = module(spec, 2);
      module.eval();
      Tensor x = input(spec, 2);
      Tensor expected = without(() -> module.forward(x));
      Tensor lazy = x.neg()._neg_view();
      assertThat(lazy.is_neg()).isTrue();
      assertThat(without(() -> module.forward(lazy)).allclose(expected, 1e-6, 1e-6, false))
          .isTrue();
    }
  }

  @ParameterizedTest(name = "{0} {1}d")
  @MethodSource("specsAndDimensions")
  void keepsTheShapeAndTheInput(AttentionSpec spec, int dimensions) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = module(spec, dimensions);
      Tensor x = input(spec, dimensions);
      Tensor before = x.clone();
      for (boolean training : new boolean[] {true, false}) {
        module.train(training);
        Tensor y = module.forward(x);
        assertThat(y.shape()).isEqualTo(x.shape());
        assertThat(Arrays.stream(Tensors.values(y)).allMatch(Double::isFinite)).isTrue();
        assertThat(x.equal(before)).as("the input is as it was").isTrue();
      }
    }
  }

  @ParameterizedTest(name = "{0} {1}d")
  @MethodSource("specsAndDimensions")
  void isFasterByTheSameNumbers(AttentionSpec spec, int dimensions) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = module(spec, dimensions);
      module.eval();
      Tensor x = input(spec, dimensions);
      Tensor shortcut = Tensors.random(99, x.shape());
      Tensor exact = without(() -> module.plain(x));
      Tensors.assertClose("forward", without(() -> module.forward(x)), exact, 1e-11);
      Tensors.assertClose(
          "at the end of a block",
          without(() -> module.forwardResidual(x, shortcut)),
          exact.add(shortcut).relu(),
          1e-11);
      List<Tensor> fast = gradients(module, x, false);
      List<Tensor> plain = gradients(module, x, true);
      for (int i = 0; i < plain.size(); i++) {
        Tensors.assertClose("gradient " + i, fast.get(i), plain.get(i), 1e-10);
      }
    }
  }

  /** Of a sum over the output with weights, by the input and by all parameters. */
  private static List<Tensor> gradients(Attention module, Tensor x, boolean plain) {
    Tensor leaf = x.clone().set_requires_grad(true);
    Map<String, Tensor> parameters = Tensors.parameters(module);
    parameters.values().forEach(parameter -> parameter.mutable_grad().put(new Tensor()));
    Tensor y = plain ? module.plain(leaf) : module.forward(leaf);
    y.mul(Tensors.random(7, x.shape())).sum().backward();
    List<Tensor> gradients = new ArrayList<>(List.of(leaf.grad().clone()));
    parameters.values().stream()
        .filter(parameter -> parameter.grad().defined())
        .forEach(parameter -> gradients.add(parameter.grad().clone()));
    return gradients;
  }

  @ParameterizedTest(name = "{0} {1}d")
  @MethodSource("specsAndDimensions")
  void hasTheGradientOfDifferences(AttentionSpec spec, int dimensions) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = module(spec, dimensions);
      module.eval();
      Tensor x = input(spec, dimensions).set_requires_grad(true);
      Tensor weights = Tensors.random(7, x.shape());
      module.forward(x).mul(weights).sum().backward();
      Map<String, Tensor> leaves = new LinkedHashMap<>(Map.of("input", x));
      leaves.putAll(Tensors.parameters(module));
      long seed = 100;
      for (Map.Entry<String, Tensor> leaf : leaves.entrySet()) {
        if (!leaf.getValue().grad().defined() || isConstant(spec, leaf.getKey())) {
          continue;
        }
        Tensor along = Tensors.random(seed++, leaf.getValue().shape());
        double expected = leaf.getValue().grad().mul(along).sum().item_double();
        Supplier<Tensor> loss = () -> module.forward(x).mul(weights).sum();
        // between the two points of the longer step, a ReLU may begin or end
        boolean agrees =
            DoubleStream.of(STEP, STEP / 8)
                .anyMatch(step -> isSlope(expected, loss, leaf.getValue(), along, step));
        assertThat(agrees).as("%s: the slope is not %s", leaf.getKey(), expected).isTrue();
      }
    }
  }

  /** Whether the difference of the loss between two points is what its gradient says. */
  private static boolean isSlope(
      double expected, Supplier<Tensor> loss, Tensor leaf, Tensor along, double step) {
    double difference = 0;
    double size = 0;
    try (NoGradGuard guard = new NoGradGuard()) {
      for (int sign : new int[] {1, -2}) {
        leaf.add_(along.mul(Tensors.scalar(sign * step)));
        double value = loss.get().item_double();
        difference += sign > 0 ? value : -value;
        size = Math.max(size, Math.abs(value));
      }
      leaf.add_(along.mul(Tensors.scalar(step)));
    }
    // rounding of the two losses over the step, and the third derivative times its square
    double tolerance = 1e3 * Math.ulp(size) / step + 1e-6 * (1 + Math.abs(expected));
    return Math.abs(difference / (2 * step) - expected) <= tolerance;
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("specs")
  void takesEitherOrderOfMemory(AttentionSpec spec) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = module(spec, 2);
      module.eval();
      Tensor x = input(spec, 2);
      Tensor last = ChannelsLast.of(x);
      Tensor y = without(() -> module.forward(last));
      assertThat(ChannelsLast.is(y)).isTrue();
      Tensors.assertClose("output", y, without(() -> module.forward(x)), 1e-12);
    }
  }

  @ParameterizedTest(name = "{0} {1}d")
  @MethodSource("specsAndDimensions")
  void showsWhatItGatesBy(AttentionSpec spec, int dimensions) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = module(spec, dimensions);
      Tensor x = input(spec, dimensions);
      AttentionMaps maps = module.explain(x);
      Set<Shows> shown = shown(maps);
      Set<Shows> possible = spec.mechanism().shows();
      assertThat(possible).containsAll(shown);
      assertThat(module.is_training()).as("left in the mode it was in").isTrue();
      if (possible.isEmpty()) {
        assertThat(maps.factor()).isEmpty();
      } else if (!maps.hasAffinity()
          && maps.channelAffinity().isEmpty()
          && isInputTimesGates(spec)) {
        module.eval();
        Tensor factor = maps.factor().orElseThrow();
        Tensors.assertClose("output", x.mul(factor), module.forward(x), 1e-12);
      }
    }
  }

  Stream<Arguments> mechanismsAndDimensions() {
    return mechanisms().stream()
        .flatMap(mechanism -> mechanism.dimensions().stream().map(d -> Arguments.of(mechanism, d)));
  }

  @ParameterizedTest(name = "{0} {1}d")
  @MethodSource("mechanismsAndDimensions")
  void showsAllThatItSays(Mechanism mechanism, int dimensions) {
    Set<Shows> shown = EnumSet.noneOf(Shows.class);
    for (AttentionSpec spec : specs(List.of(mechanism))) {
      try (PointerScope scope = new PointerScope()) {
        Set<Shows> own = shown(module(spec, dimensions).explain(input(spec, dimensions)));
        shown.addAll(own);
        if (spec.equals(mechanism.spec()) && !mechanism.shows().isEmpty()) {
          assertThat(own).as("with the defaults").isNotEmpty();
        }
      }
    }
    assertThat(shown).isEqualTo(mechanism.shows());
  }

  private static Set<Shows> shown(AttentionMaps maps) {
    Set<Shows> shown = EnumSet.noneOf(Shows.class);
    maps.channel().ifPresent(gates -> shown.add(Shows.CHANNEL_GATES));
    maps.spatial().ifPresent(gates -> shown.add(Shows.SPATIAL_GATES));
    maps.channelAffinity().ifPresent(map -> shown.add(Shows.CHANNEL_AFFINITY));
    if (maps.hasAffinity()) {
      shown.add(Shows.AFFINITY);
    }
    return shown;
  }

  @ParameterizedTest(name = "{0} {1}d")
  @MethodSource("specsAndDimensions")
  void countsWhatALoopWould(AttentionSpec spec, int dimensions) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = module(spec, dimensions);
      module.eval();
      Tensor x = input(spec, dimensions);
      CountedLoops loops = new CountedLoops();
      module.attend(loops, x);
      assertThat(module.macs(x.shape())).isEqualTo(loops.multiplications).isNotNegative();
    }
  }

  /** Goes through the loops that a plain program would multiply in. */
  private static final class CountedLoops extends TensorOps {
    private long multiplications;

    private void loop(long times) {
      for (long i = 0; i < times; i++) {
        multiplications++;
      }
    }

    @Override
    public Tensor convolution(Convolution convolution, Tensor x) {
      Tensor y = super.convolution(convolution, x);
      long[] weight = convolution.weight().shape();
      for (long output = 0; output < y.numel(); output++) {
        for (long channel = 0; channel < weight[1]; channel++) {
          loop(
              Arrays.stream(weight).skip(2).reduce(1, (a, b) -> a * b)); // each point of the kernel
        }
      }
      return y;
    }

    @Override
    public Tensor convolution(
        Convolution convolution, BatchNorm norm, Activation activation, Tensor x) {
      Tensor y = norm.apply(this, convolution(convolution, x));
      return activation == null ? y : activation.apply(this, y);
    }

    @Override
    public Tensor linear(Linear linear, Tensor x) {
      for (long image = 0; image < x.size(0); image++) {
        for (long output = 0; output < linear.weight().size(0); output++) {
          loop(x.size(1));
        }
      }
      return super.linear(linear, x);
    }

    @Override
    public Tensor matmul(Tensor a, Tensor b) {
      Tensor y = super.matmul(a, b);
      for (long output = 0; output < y.numel(); output++) {
        loop(a.size(-1));
      }
      return y;
    }

    @Override
    public Tensor attention(Similarity similarity, Tensor queries, Tensor keys, Tensor values) {
      for (long query = 0; query < queries.numel() / queries.size(1); query++) {
        for (long key = 0; key < keys.numel() / (keys.size(0) * keys.size(1)); key++) {
          if (similarity != Similarity.RECTIFIED_SUM) { // that one adds
            loop(queries.size(1));
          }
          loop(values.size(1));
        }
      }
      return super.attention(similarity, queries, keys, values);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("specs")
  void computesInHalfPrecisionToo(AttentionSpec spec) {
    try (PointerScope scope = new PointerScope()) {
      torch.manual_seed(1);
      Attention module = spec.create(channels(spec), 2);
      module.eval();
      Tensor x = input(spec, 2).to(ScalarType.BFloat16);
      Tensor y = without(() -> module.forward(x));
      assertThat(y.scalar_type().intern()).isEqualTo(ScalarType.BFloat16);
      // computed in float32 of what bfloat16 holds, and rounded once
      Tensor expected = without(() -> module.forward(x.to(ScalarType.Float)));
      assertThat(y.equal(expected.to(ScalarType.BFloat16))).isTrue();
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("specs")
  void refusesWhatItCannotTake(AttentionSpec spec) {
    try (PointerScope scope = new PointerScope()) {
      long channels = channels(spec);
      Attention module = spec.create(channels, 2);
      List<Tensor> bad =
          List.of(
              torch.ones(2, channels + 1, 4, 4),
              torch.ones(channels, 4),
              torch.ones(0, channels, 4, 4),
              torch.ones(2, channels, 4, 4).to(ScalarType.Int),
              new Tensor());
      for (Tensor x : bad) {
        assertThatIllegalArgumentException()
            .isThrownBy(() -> module.forward(x))
            .withMessageStartingWith(spec.mechanism().name() + ": expected");
        assertThatIllegalArgumentException()
            .isThrownBy(() -> module.explain(x))
            .withMessageStartingWith(spec.mechanism().name() + ": expected");
      }
    }
  }
}
