package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.MemoryFormat;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Feature maps of every shape, type and layout in memory. */
@Numeric
class ShapesTest {
  /** How many operations a number of the result depends on, in modules this small. */
  private static final int OPERATIONS = 1 << 12;

  private static final List<String> SPECS =
      List.of(
          "se:reduction=2",
          "se:reduction=2,squeeze=max",
          "cbam:reduction=2,kernel=3",
          "cbam:reduction=2,kernel=3,norm=true",
          "bam:reduction=2",
          "pam:reduction=2",
          "cam",
          "dual:reduction=2",
          "nonlocal",
          "nonlocal:mode=gaussian",
          "nonlocal:mode=dot_product",
          "nonlocal:mode=concatenation",
          "nonlocal:subsample=false");

  static Stream<Arguments> all() {
    return SPECS.stream()
        .flatMap(spec -> IntStream.rangeClosed(1, 3).mapToObj(d -> Arguments.of(spec, d)));
  }

  @Provide
  Arbitrary<String> specs() {
    return Arbitraries.of(SPECS);
  }

  /** Batches of 1 to 3, 1 to 6 channels, sides of 2 to 6 of 1 to 3 dimensions. */
  @Provide
  Arbitrary<long[]> shapes() {
    return Arbitraries.longs()
        .between(2, 6)
        .array(long[].class)
        .ofMinSize(3)
        .ofMaxSize(5)
        .map(
            shape -> {
              shape[0] = shape[0] / 2;
              shape[1] = shape[1] == 2 ? 1 : shape[1];
              return shape;
            });
  }

  private static Attention evaluating(String spec, long[] shape) {
    Attention module = Tensors.randomized(spec, shape[1], shape.length - 2);
    module.eval();
    return module;
  }

  @Property(tries = 150)
  void valuesAreThoseOfPlainLoops(
      @ForAll("specs") String spec, @ForAll("shapes") long[] shape, @ForAll long seed) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Attention module = evaluating(spec, shape);
      Tensor x = Tensors.random(seed, shape);
      double[] expected = Naive.forward(module, x);
      Tensors.assertClose(
          "output", Tensors.values(module.forward(x)), expected, 1e-10 * Tensors.largest(expected));
    }
  }

  @Property(tries = 150)
  void shapeAndTypeAreThoseOfTheInput(
      @ForAll("specs") String spec, @ForAll("shapes") long[] shape, @ForAll("types") String type) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = evaluating(spec, shape);
      module.to(ScalarType.valueOf(type), false);
      Tensor x = Tensors.random(1, shape).to(ScalarType.valueOf(type));
      Tensor before = x.clone();
      Tensor y = module.forward(x);
      assertThat(y.shape()).isEqualTo(shape);
      assertThat(y.scalar_type().intern()).isEqualTo(x.scalar_type().intern());
      assertThat(x.equal(before)).as("input is left as it was").isTrue();
    }
  }

  @Provide
  Arbitrary<String> types() {
    return Arbitraries.of("Double", "Float", "BFloat16", "Half");
  }

  @ParameterizedTest(name = "{0} {1}d")
  @MethodSource("all")
  void narrowTypesAreClose(String spec, int dimensions) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      torch.manual_seed(1);
      Attention module = AttentionSpec.parse(spec).create(8, dimensions);
      module.eval();
      Tensors.parameters(module)
          .forEach(
              (name, parameter) -> {
                if (Tensors.largest(Tensors.values(parameter)) == 0) {
                  parameter.fill_(Tensors.scalar(0.5)); // or most would be the identity
                }
              });
      // small, as the energies of cam are sums over all positions: 8 bits of 100 are no bits of 1
      Tensor x = Tensors.random(1, shape(2, 8, dimensions)).mul(Tensors.scalar(0.25));
      x = x.to(ScalarType.BFloat16);
      module.to(ScalarType.BFloat16, false);
      Tensor narrow = module.forward(x);
      module.to(ScalarType.Float, false); // the same rounded parameters
      Tensor single = module.forward(x.to(ScalarType.Float));
      module.to(ScalarType.Double, false);
      Tensor wide = module.forward(x.to(ScalarType.Double));
      Tensor input = x.to(ScalarType.Double);
      List<Tensor> inputs = new ArrayList<>(Tensors.parameters(module).values());
      inputs.add(input);
      double movement = Rounding.movement(inputs, () -> List.of(module.forward(input)))[0];
      double largest = Rounding.largest(wide);
      Rounding.assertWithin(
          "float32", single, wide, Rounding.byMovement(movement, largest, OPERATIONS));
      // Sums are kept in float32; what comes out of an operator has 8 bits, and few follow each
      // other.
      Rounding.assertWithin("bfloat16", narrow, wide, 4 * Math.scalb(largest, -8));
    }
  }

  /** {@code [batch, channels, 4, 5, 6]}, or as many of the last dimensions. */
  private static long[] shape(long batch, long channels, int dimensions) {
    long[] shape = new long[dimensions + 2];
    Arrays.setAll(shape, i -> i + 2);
    shape[0] = batch;
    shape[1] = channels;
    return shape;
  }

  @ParameterizedTest(name = "{0} {1}d")
  @MethodSource("all")
  void layoutInMemoryDoesNotMatter(String spec, int dimensions) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = Tensors.randomized(spec, 4, dimensions);
      Tensor x = Tensors.random(1, shape(3, 4, dimensions));
      assertSameAsContiguous(module, x, "transposed", ShapesTest::transposed);
      assertSameAsContiguous(module, x, "sliced", ShapesTest::sliced);
      assertSameAsContiguous(module, x, "batch last", ShapesTest::batchLast);
      assertSameAsContiguous(module, x, "channels last", ShapesTest::channelsLast);
      if (dimensions == 2) {
        assertSameAsContiguous(
            module,
            x,
            "channels last, as libtorch knows it",
            v -> v.contiguous(MemoryFormat.ChannelsLast));
      }
    }
  }

  /** Height and width the other way round in memory; of one dimension, channels and length. */
  private static Tensor transposed(Tensor x) {
    return x.transpose(-1, -2).contiguous().transpose(-1, -2);
  }

  /** The middle of something larger. */
  private static Tensor sliced(Tensor x) {
    long[] larger = Arrays.stream(x.shape()).map(size -> size + 2).toArray();
    Tensor middle = Tensors.random(9, larger);
    for (int d = 0; d < larger.length; d++) {
      middle = middle.narrow(d, 1, x.size(d));
    }
    return middle.copy_(x);
  }

  private static Tensor batchLast(Tensor x) {
    return x.transpose(0, -1).contiguous().transpose(0, -1);
  }

  private static Tensor channelsLast(Tensor x) {
    return x.transpose(1, -1).contiguous().transpose(1, -1);
  }

  private static void assertSameAsContiguous(
      Attention module, Tensor x, String layout, UnaryOperator<Tensor> change) {
    Tensor cotangent = Tensors.random(2, x.shape());
    Tensor straight = x.clone().set_requires_grad(true);
    Tensor expected = module.forward(straight);
    expected.mul(cotangent).sum().backward();

    Tensor changed = change.apply(x).detach().set_requires_grad(true);
    assertThat(changed.equal(x)).isTrue();
    assertThat(changed.is_contiguous()).as(layout + " is not contiguous").isFalse();
    Tensor y = module.forward(changed);
    y.mul(cotangent).sum().backward();

    Tensors.assertClose(layout, y, expected, 1e-12);
    Tensors.assertClose("gradient, " + layout, changed.grad(), straight.grad(), 1e-12);
  }

  @ParameterizedTest(name = "{0} {1}d")
  @MethodSource("all")
  void onePixelOfOneChannelOfOneImage(String spec, int dimensions) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      boolean needsTwo = spec.startsWith("nonlocal") && !spec.contains("subsample=false");
      String full = !needsTwo ? spec : spec + (spec.contains(":") ? "," : ":") + "subsample=false";
      for (long channels : new long[] {1, 4}) {
        long[] shape = new long[dimensions + 2];
        Arrays.fill(shape, 1);
        shape[1] = channels;
        Attention module = evaluating(full, shape);
        Tensor x = Tensors.random(1, shape);
        double[] expected = Naive.forward(module, x);
        assertThat(expected).doesNotContain(Double.NaN);
        Tensors.assertClose("output", Tensors.values(module.forward(x)), expected, 1e-12);
      }
    }
  }

  @Test
  void reductionLeavesAtLeastOneChannel() {
    try (PointerScope scope = new PointerScope()) {
      for (String spec : List.of("se", "cbam", "bam", "pam", "dual")) {
        Attention module = Tensors.randomized(spec + ":reduction=64", 3, 2);
        Tensor x = Tensors.random(1, 2, 3, 4, 5);
        double[] expected = Naive.forward(module, x);
        Tensors.assertClose(
            spec, Tensors.values(module.forward(x)), expected, 1e-10 * Tensors.largest(expected));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"se", "cbam", "pam", "cam", "dual", "nonlocal"})
  void trainsOnOneImage(String spec) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = Tensors.randomized(spec, 4, 2);
      Tensor x = Tensors.random(1, 1, 4, 3, 2);
      double[] expected = Naive.forward(module, x);
      Tensors.assertClose(
          spec, Tensors.values(module.forward(x)), expected, 1e-10 * Tensors.largest(expected));
    }
  }

  @Test
  void bamDoesNotTrainOnOneImage() {
    try (PointerScope scope = new PointerScope()) {
      Attention module = AttentionSpec.parse("bam").create(4, 2);
      Tensor x = Tensors.random(1, 1, 4, 3, 2).to(ScalarType.Float);
      assertThatIllegalArgumentException()
          .isThrownBy(() -> module.forward(x))
          .withMessage(
              "bam: batch normalisation in training mode needs more than one value per channel,"
                  + " got [1, 4, 3, 2]; its channel branch normalises over the batch");
      module.eval();
      assertThat(module.forward(x).shape()).isEqualTo(x.shape());
    }
  }

  @Test
  void bamWithoutHiddenLayersDoesNotTrainOnOneValue() {
    try (PointerScope scope = new PointerScope()) {
      Attention module = AttentionSpec.parse("bam:layers=0").create(4, 2);
      assertThatIllegalArgumentException()
          .isThrownBy(() -> module.forward(Tensors.random(1, 1, 4, 1, 1).to(ScalarType.Float)))
          .withMessage(
              "bam: batch normalisation in training mode needs more than one value per channel,"
                  + " got [1, 4, 1, 1]; its spatial branch normalises over batch and positions");
      assertThat(module.forward(Tensors.random(1, 1, 4, 1, 2).to(ScalarType.Float)).shape())
          .containsExactly(1, 4, 1, 2);
      Tensors.named(module.named_buffers(), "")
          .forEach(
              (name, buffer) ->
                  assertThat(Tensors.values(buffer)).as(name).doesNotContain(Double.NaN));
    }
  }

  @Test
  void cbamWithNormDoesNotTrainOnOneValue() {
    try (PointerScope scope = new PointerScope()) {
      Attention module = AttentionSpec.parse("cbam:norm=true").create(4, 2);
      assertThatIllegalArgumentException()
          .isThrownBy(() -> module.forward(Tensors.random(1, 1, 4, 1, 1).to(ScalarType.Float)))
          .withMessage(
              "cbam: batch normalisation in training mode needs more than one value per channel,"
                  + " got [1, 4, 1, 1]; its spatial gate normalises over batch and positions");
    }
  }

  @Test
  void nonLocalWithBatchNormDoesNotTrainOnOneValue() {
    try (PointerScope scope = new PointerScope()) {
      Tensor x = Tensors.random(1, 1, 4, 1, 1).to(ScalarType.Float);
      Attention module = AttentionSpec.parse("nonlocal:subsample=false").create(4, 2);
      assertThatIllegalArgumentException()
          .isThrownBy(() -> module.forward(x))
          .withMessage(
              "nonlocal: batch normalisation in training mode needs more than one value per"
                  + " channel, got [1, 4, 1, 1]; use bn=false, or more images or positions");
      Attention plain = AttentionSpec.parse("nonlocal:subsample=false,bn=false").create(4, 2);
      assertThat(plain.forward(x).equal(x)).isTrue();
    }
  }

  @Test
  void nonLocalCannotHalveOnePosition() {
    try (PointerScope scope = new PointerScope()) {
      for (long[] shape : new long[][] {{2, 4, 1}, {2, 4, 5, 1}, {2, 4, 1, 5}, {2, 4, 3, 1, 5}}) {
        Attention module = AttentionSpec.parse("nonlocal").create(4, shape.length - 2);
        assertThatIllegalArgumentException()
            .isThrownBy(() -> module.forward(Tensors.random(1, shape).to(ScalarType.Float)))
            .withMessage(
                "nonlocal: subsampling halves each side and needs at least 2 positions there,"
                    + " got "
                    + Arrays.toString(shape)
                    + "; use subsample=false");
      }
      Attention video = AttentionSpec.parse("nonlocal").create(4, 3); // time is not halved
      assertThat(video.forward(Tensors.random(1, 2, 4, 1, 2, 2).to(ScalarType.Float)).shape())
          .containsExactly(2, 4, 1, 2, 2);
    }
  }
}
