package io.fovea.models;

import static io.fovea.models.Filling.assertClose;
import static io.fovea.models.Filling.fill;
import static io.fovea.models.Filling.uniform;
import static io.fovea.models.Filling.values;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.models.weights.StateDict;
import io.fovea.testing.Numeric;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Collectors;
import java.util.zip.CRC32;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Backbones against torchvision's and timm's of the same name: names and sizes of all weights, and the
 * scores for the same weights, which both sides fill by the same rule. scripts/golden/published_backbones.py
 * made the numbers.
 */
@Numeric
class PublishedBackboneTest {
  private static final JsonNode GOLDEN = Filling.golden("backbones.json");
  private static final int STEP = 143;

  static List<String> backbones() {
    return GOLDEN.properties().stream()
        .map(entry -> entry.getKey())
        .filter(name -> !name.equals("made_with"))
        .toList();
  }

  @ParameterizedTest
  @MethodSource("backbones")
  void agreesWithTheNetworkOfTheSameName(String backbone) {
    JsonNode expected = GOLDEN.path(backbone);
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Classifier.Builder<?> builder = Classifier.builder(backbone);
      builder.ownAttention().ifPresent(builder::attention);
      Classifier network = builder.build();
      assertThat(network.parameterCount()).isEqualTo(expected.path("parameters").asLong());
      assertThat(names(network)).isEqualTo(expected.path("names").asLong());
      if (expected.has("outputs")) {
        network.to(ScalarType.Double, false);
        fill(network, PublishedBackboneTest::theirs);
        Tensor x = uniform("input", 2, 3, 48, 33);
        network.eval();
        assertClose(values(network.forward(x)), expected.path("outputs"), STEP, 1e-9);
        network.train(true);
        Tensor scores = network.forward(x);
        assertClose(values(scores), expected.path("outputs_in_training"), STEP, 1e-9);
      }
    }
  }

  /** The script's checksum of names and numbers of values. */
  private static long names(Classifier network) {
    CRC32 checksum = new CRC32();
    String lines =
        StateDict.of(network).entrySet().stream()
            .map(entry -> theirs(entry.getKey()) + " " + entry.getValue().numel())
            .sorted()
            .collect(Collectors.joining("\n"));
    checksum.update(lines.getBytes(StandardCharsets.UTF_8));
    return checksum.getValue();
  }

  /** What the other side calls a weight. */
  private static String theirs(String name) {
    return name;
  }
}
