package io.fovea.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fovea.attention.AttentionSpec;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Backbones and blocks against torchvision's on the same weights, which both sides fill by the same
 * rule; src/test/scripts/torchvision_golden.py made the numbers.
 */
class BackboneGoldenTest {
  private static final int CLASSES = 7;
  private static final int[][] SIZES = {{64, 64}, {70, 45}};
  private static JsonNode golden;

  @BeforeAll
  static void read() throws IOException {
    try (InputStream in =
        BackboneGoldenTest.class.getResourceAsStream("/golden/torchvision.json")) {
      golden = new ObjectMapper().readTree(in);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "resnet18",
        "resnet50",
        "resnext50",
        "googlenet",
        "mobilenetv3-large",
        "mobilenetv3-small"
      })
  void hasTorchvisionsParametersAndOutputs(String backbone) {
    JsonNode expected = golden.path(backbone);
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      assertThat(asPublished(backbone, 1000).parameterCount())
          .isEqualTo(expected.path("parameters").asLong());

      Classifier network = asPublished(backbone, CLASSES);
      network.to(ScalarType.Double, false);
      fill(network);
      assertThat(State.of(network)).hasSize(expected.path("names").asInt());
      network.eval();
      for (int i = 0; i < SIZES.length; i++) {
        Tensor x = uniform("input", 2, 3, SIZES[i][0], SIZES[i][1]);
        assertClose(values(network.forward(x)), expected.path("outputs").path(i), 1, 1e-9);
      }
      network.train(true);
      network.forward(uniform("input", 2, 3, 64, 64));
      double[] buffer = values(State.of(network).get(expected.path("buffer").asText()));
      assertClose(Arrays.copyOf(buffer, 8), expected.path("buffer_after_a_step"), 1, 1e-9);
    }
  }

  /** With the attention that the published network comes with. */
  private static Classifier asPublished(String backbone, int classes) {
    Classifier.Builder<?> builder = Classifier.builder(backbone).classes(classes);
    builder.ownAttention().ifPresent(builder::attention);
    return builder.build();
  }

  @ParameterizedTest
  @CsvSource({"standard,se", "pre,se_pre", "post,se_post", "identity,se_identity"})
  void attentionIsWhereThePaperDrawsIt(String place, String name) {
    JsonNode expected = golden.path("blocks").path(place);
    try (PointerScope scope = new PointerScope()) {
      ResNet.Block block = new ResNet.Block(16, 32, 2, ResNet.Form.of("resnet18"), false);
      Places places =
          new Places(
              ResNet.builder("resnet18").anatomy,
              List.of(
                  new PlacedAttention(
                      AttentionSpec.parse("se:reduction=4"), Placement.parse(place).inStages(1))));
      block.attend(places, "", 1, 1);
      block.to(ScalarType.Double, false);
      fill(block);
      assertThat(State.of(block)).containsKey(name + ".fc.0.weight");

      Tensor x = uniform("input", 2, 16, 6, 5).set_requires_grad(true);
      Tensor y = block.forward(x);
      assertClose(values(y), expected.path("output_in_training"), 7, 1e-10);
      y.mul(uniform("cotangent", y.shape())).sum().backward();
      assertClose(values(x.grad()), expected.path("input_gradient"), 7, 1e-10);
      assertClose(
          values(State.parameters(block).get("conv1.weight").grad()),
          expected.path("conv1_gradient"),
          97,
          1e-10);
      block.eval();
      assertClose(values(block.forward(x)), expected.path("output_in_evaluation"), 7, 1e-10);
    }
  }

  /** Every {@code step}-th value, relative to the largest. */
  private static void assertClose(double[] actual, JsonNode expected, int step, double tolerance) {
    assertThat(expected).hasSize((actual.length + step - 1) / step);
    double largest = 0;
    for (JsonNode value : expected) {
      largest = Math.max(largest, Math.abs(value.asDouble()));
    }
    for (int i = 0; i < expected.size(); i++) {
      assertThat(actual[i * step])
          .as("value %d", i * step)
          .isCloseTo(expected.path(i).asDouble(), within(tolerance * largest));
    }
  }

  private static double[] values(Tensor tensor) {
    double[] values = new double[(int) tensor.numel()];
    tensor.detach().contiguous().data_ptr_double().get(values);
    return values;
  }

  private static void fill(Module module) {
    try (NoGradGuard guard = new NoGradGuard()) {
      for (Map.Entry<String, Tensor> entry : State.of(module).entrySet()) {
        String name = torchvisions(entry.getKey());
        Tensor tensor = entry.getValue();
        if (name.endsWith("num_batches_tracked")) {
          continue;
        }
        double scale =
            name.endsWith("running_mean") || name.endsWith("bias")
                ? 0.1
                : tensor.dim() == 1 ? 0.5 : Math.sqrt(6.0 * tensor.size(0) / tensor.numel());
        boolean aroundOne = tensor.dim() == 1 && scale == 0.5;
        Tensor values = uniform(name, tensor.shape()).mul(new Scalar(scale));
        tensor.copy_(aroundOne ? values.add(new Scalar(1.0)) : values);
      }
    }
  }

  /** What the other side calls it. */
  private static String torchvisions(String name) {
    return name.replaceAll("block\\.se\\.fc\\.0", "block.SE.fc1")
        .replaceAll("block\\.se\\.fc\\.2", "block.SE.fc2")
        .replace("features.1.block.SE", "features.1.block.1")
        .replace("block.SE", "block.2")
        .replaceAll("^se_[a-z]+\\.", "se.");
  }

  /** The rule of the script: murmur's mixing of a counter that starts at the name's checksum. */
  private static Tensor uniform(String name, long... shape) {
    CRC32 checksum = new CRC32();
    checksum.update(name.getBytes(StandardCharsets.UTF_8));
    int count = 1;
    for (long size : shape) {
      count *= (int) size;
    }
    double[] values = new double[count];
    for (int i = 0; i < count; i++) {
      int x = (int) (i + checksum.getValue());
      x = (x ^ x >>> 16) * 0x85EBCA6B;
      x = (x ^ x >>> 13) * 0xC2B2AE35;
      x ^= x >>> 16;
      values[i] = Integer.toUnsignedLong(x) / 0x1p31 - 1;
    }
    return Tensor.create(values, shape);
  }
}
