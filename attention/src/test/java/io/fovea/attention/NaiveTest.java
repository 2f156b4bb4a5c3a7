package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.testing.Numeric;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every option of every mechanism, in 1, 2 and 3 dimensions, against plain loops; and every gradient
 * against differences of the module's own output.
 */
@Numeric
class NaiveTest {
  private static final long CHANNELS = 4;
  private static final List<long[]> SHAPES =
      List.of(
          new long[] {3, CHANNELS, 5},
          new long[] {3, CHANNELS, 3, 4},
          new long[] {3, CHANNELS, 2, 2, 3});
  private static final double STEP = 1e-5;
  private static final int SAMPLE = 19; // of numbers of one variable; no divisor of any shape

  static Stream<Arguments> all() {
    return Stream.of(
            options("nonlocal", "mode=gaussian|embedded_gaussian|dot_product|concatenation")
                .flatMap(spec -> options(spec, "subsample=true|false"))
                .flatMap(spec -> options(spec, "bn=true|false")),
            options("nonlocal:inter=3", "mode=gaussian|dot_product|concatenation"),
            options("nonlocal:scale=true", "mode=gaussian|embedded_gaussian|dot_product")
                .flatMap(spec -> options(spec, "inter=all|half|3")),
            options("se:reduction=2", "squeeze=avg|max|avgmax")
                .flatMap(spec -> options(spec, "excitation=sigmoid|relu|tanh|hard_sigmoid"))
                .flatMap(spec -> options(spec, "bias=true|false")),
            Stream.of("se:reduction=2,divisor=3", "se:reduction=2,bias=true,activation=silu"),
            options("cbam:reduction=2", "kernel=1|3|5|7")
                .flatMap(spec -> options(spec, "bias=true|false")),
            options("cbam:reduction=2,kernel=3", "pool=avgmax|avg|max")
                .flatMap(spec -> options(spec, "spatial_pool=avgmax|avg|max|conv"))
                .flatMap(spec -> options(spec, "order=channel_first|spatial_first|parallel")),
            options(
                "cbam:reduction=2,kernel=3,norm=true",
                "order=channel_first|spatial_first|parallel"),
            Stream.of(
                "cbam:reduction=2,bias=true,norm=true",
                "cbam:branches=spatial,spatial_pool=conv,norm=true"),
            options("cbam:branches=channel,reduction=2", "pool=avgmax|avg|max"),
            options("cbam:branches=spatial", "spatial_pool=avgmax|avg|max|conv"),
            options("bam:reduction=2,combine=max", "layers=0|1"),
            Stream.of("bam:reduction=2,branches=channel", "bam:reduction=2,branches=spatial"),
            options("bam:reduction=2", "combine=add|multiply")
                .flatMap(spec -> options(spec, "layers=0|1|2"))
                .flatMap(spec -> options(spec, "convs=0|1|2"))
                .flatMap(spec -> options(spec, "dilation=1|2|4"))
                .filter(spec -> !spec.contains("convs=0") || spec.contains("dilation=4")),
            Stream.of("pam:reduction=2", "cam", "dual:reduction=2"))
        .flatMap(specs -> specs)
        .flatMap(spec -> IntStream.rangeClosed(1, 3).mapToObj(d -> Arguments.of(spec, d)));
  }

  /** Gradients take two computations for each number, so of BAM's many options each is taken once. */
  static Stream<Arguments> differentiated() {
    return all()
        .filter(
            arguments -> {
              String spec = (String) arguments.get()[0];
              return !spec.startsWith("bam")
                  || spec.contains("layers=1,convs=1,dilation=1")
                  || spec.contains("layers=2,convs=0")
                  || spec.contains("layers=0,convs=2,dilation=2");
            });
  }

  private static Stream<String> options(String spec, String option) {
    String name = option.substring(0, option.indexOf('='));
    return Stream.of(option.substring(name.length() + 1).split("\\|"))
        .map(value -> spec + (spec.contains(":") ? "," : ":") + name + "=" + value);
  }

  @ParameterizedTest(name = "{0} {1}d")
  @MethodSource("all")
  void valuesAgree(String spec, int dimensions) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Attention module = Tensors.randomized(spec, CHANNELS, dimensions);
      Tensor x = Tensors.random(100, SHAPES.get(dimensions - 1));
      module.eval();
      assertAgrees(module, x);
      module.train(true);
      assertAgrees(module, x);
    }
  }

  private static void assertAgrees(Attention module, Tensor x) {
    double[] expected = Naive.forward(module, x);
    Tensor y = module.forward(x);
    assertThat(y.shape()).isEqualTo(x.shape());
    Tensors.assertClose("output", Tensors.values(y), expected, 1e-10 * Tensors.largest(expected));
  }

  @ParameterizedTest(name = "{0} {1}d")
  @MethodSource("differentiated")
  void gradientsAgree(String spec, int dimensions) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = Tensors.randomized(spec, CHANNELS, dimensions);
      Tensor x = Tensors.random(200, SHAPES.get(dimensions - 1)).set_requires_grad(true);
      assertGradientsAgree(module, x);
      if (module.buffers().size() > 0) { // only batch norm has two modes
        module.eval();
        assertGradientsAgree(module, x);
      }
    }
  }

  private static void assertGradientsAgree(Attention module, Tensor x) {
    Tensor cotangent = Tensors.random(300, x.shape());
    Map<String, Tensor> variables = new LinkedHashMap<>(Tensors.parameters(module));
    variables.put("input", x);
    variables.values().forEach(variable -> variable.mutable_grad().reset());
    Tensor terms = module.forward(x).mul(cotangent);
    terms.sum().backward();
    // Each of the two losses of a difference is off by some roundings of its terms.
    double noise = 8 * Math.ulp(1.0) * terms.detach().abs().sum().item_double() / STEP;

    Map<String, double[]> numeric = new LinkedHashMap<>();
    variables.forEach(
        (name, variable) -> numeric.put(name, differences(module, x, cotangent, variable)));
    double overall = numeric.values().stream().mapToDouble(Tensors::largest).max().orElseThrow();
    numeric.forEach(
        (name, expected) -> {
          double[] gradient = Tensors.values(variables.get(name).grad());
          int[] sample = sample(gradient.length);
          Tensors.assertClose(
              "gradient of " + name,
              IntStream.of(sample).mapToDouble(i -> gradient[i]).toArray(),
              expected,
              noise + 1e-6 * Math.max(Tensors.largest(expected), 1e-3 * overall));
        });
  }

  /** Which numbers of a variable are varied: all of a few, else some from everywhere. */
  private static int[] sample(int count) {
    int size = Math.min(count, SAMPLE);
    return IntStream.range(0, size).map(i -> i * count / size).toArray();
  }

  /** The central differences of the loss by the sampled numbers of {@code variable}. */
  private static double[] differences(
      Attention module, Tensor x, Tensor cotangent, Tensor variable) {
    int[] sample = sample((int) variable.numel());
    double[] differences = new double[sample.length];
    try (NoGradGuard guard = new NoGradGuard()) {
      DoublePointer numbers = variable.data_ptr_double();
      for (int i = 0; i < sample.length; i++) {
        double here = numbers.get(sample[i]);
        numbers.put(sample[i], here + STEP);
        double above = loss(module, x, cotangent);
        numbers.put(sample[i], here - STEP);
        double below = loss(module, x, cotangent);
        numbers.put(sample[i], here);
        differences[i] = (above - below) / (2 * STEP);
      }
    }
    return differences;
  }

  private static double loss(Attention module, Tensor x, Tensor cotangent) {
    try (PointerScope scope = new PointerScope()) {
      return module.forward(x).mul(cotangent).sum().item_double();
    }
  }
}
