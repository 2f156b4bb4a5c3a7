package io.fovea.attention;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.SGD;
import org.bytedeco.pytorch.SGDOptions;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What each mechanism is before it is trained. */
class IdentityAtStartTest {
  static Stream<Arguments> identities() {
    return inAllDimensions(
        "pam",
        "cam",
        "dual",
        "nonlocal",
        "nonlocal:bn=false",
        "nonlocal:mode=gaussian",
        "nonlocal:mode=dot_product,subsample=false",
        "nonlocal:mode=concatenation,bn=false",
        "gc",
        "gc:pool=average",
        "grn");
  }

  static Stream<Arguments> gates() {
    return inAllDimensions("se", "cbam", "bam");
  }

  private static Stream<Arguments> inAllDimensions(String... specs) {
    return Stream.of(specs)
        .flatMap(spec -> IntStream.rangeClosed(1, 3).mapToObj(d -> Arguments.of(spec, d)));
  }

  private static Tensor input(int dimensions) {
    long[] shape = new long[dimensions + 2];
    Arrays.fill(shape, 4);
    return Tensors.random(1, shape).to(ScalarType.Float);
  }

  @ParameterizedTest(name = "{0} {1}d")
  @MethodSource("identities")
  void isTheIdentity(String spec, int dimensions) {
    try (PointerScope scope = new PointerScope()) {
      torch.manual_seed(1);
      Attention module = AttentionSpec.parse(spec).create(4, dimensions);
      Tensor x = input(dimensions);
      assertThat(module.is_training()).isTrue();
      assertThat(module.forward(x).equal(x)).as("in training mode").isTrue();
      module.eval();
      assertThat(module.forward(x).equal(x)).as("in evaluation mode").isTrue();
    }
  }

  @ParameterizedTest(name = "{0} {1}d")
  @MethodSource("gates")
  void gatesAtOnce(String spec, int dimensions) {
    try (PointerScope scope = new PointerScope()) {
      torch.manual_seed(1);
      Attention module = AttentionSpec.parse(spec).create(4, dimensions);
      module.eval();
      Tensor x = input(dimensions);
      double least = spec.equals("bam") ? 1 : 0;
      assertThat(DoubleStream.of(Tensors.values(module.forward(x).div(x))))
          .allSatisfy(ratio -> assertThat(ratio).isStrictlyBetween(least + 0.01, least + 0.99));
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "pam | gamma",
        "cam | gamma",
        "dual | cam.gamma pam.gamma",
        "nonlocal | W.1.bias W.1.weight",
        "nonlocal:bn=false | W.bias W.weight",
        "gc:reduction=1 | channel_add_conv.3.bias",
        "grn | beta gamma",
      })
  void oneStepMovesWhatStartsAtZero(String spec, String names) {
    try (PointerScope scope = new PointerScope()) {
      torch.manual_seed(1);
      Attention module = AttentionSpec.parse(spec).create(4, 2);
      Map<String, Tensor> parameters = Tensors.parameters(module);
      List<String> zeros =
          parameters.keySet().stream()
              .filter(name -> Tensors.largest(Tensors.values(parameters.get(name))) == 0)
              .toList();
      List<String> expected = List.of(names.split(" "));
      assertThat(zeros).containsAll(expected);

      Tensor x = input(2);
      SGD optimizer = new SGD(module.parameters(), new SGDOptions(0.1));
      module.forward(x).mul(Tensors.random(2, x.shape())).sum().backward();
      optimizer.step();

      for (String name : expected) {
        assertThat(Tensors.values(parameters.get(name))).as(name).doesNotContain(0.0);
      }
      assertThat(module.forward(x).equal(x)).isFalse();
    }
  }
}
