package io.fovea.models;

import static io.fovea.models.Filling.assertClose;
import static io.fovea.models.Filling.fill;
import static io.fovea.models.Filling.uniform;
import static io.fovea.models.Filling.values;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.models.weights.StateDict;
import io.fovea.tensor.internal.InitialValues;
import io.fovea.testing.Numeric;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.zip.CRC32;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
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
  private static final Map<String, String> SE_OF_TIMM =
      Map.of("\\.se\\.fc\\.0", ".se.fc1", "\\.se\\.fc\\.2", ".se.fc2");
  private static final Map<String, String> SE_OF_EFFICIENTNET =
      rules(
          "^(features\\.1\\.\\d+\\.block)\\.se\\.", "$1.1.",
          "\\.block\\.se\\.", ".block.2.",
          "\\.fc\\.0", ".fc1",
          "\\.fc\\.2", ".fc2");

  /** What the other side calls weights, where it has other names: patterns and what replaces them. */
  private static final Map<String, Map<String, String>> RULES =
      Map.of(
          "efficientnet_b0", SE_OF_EFFICIENTNET,
          "efficientnet_b2", SE_OF_EFFICIENTNET,
          "regnet_y_400mf", SE_OF_TIMM,
          "regnet_y_800mf", SE_OF_TIMM,
          "regnet_y_1_6gf", SE_OF_TIMM,
          "seresnext50_32x4d", SE_OF_TIMM,
          "ecaresnet50t", rules("\\.eca\\.", ".se."),
          "gcresnet50",
              rules(
                  "gc\\.conv_mask", "se.conv_attn",
                  "gc\\.channel_add_conv\\.0", "se.mlp_add.fc1",
                  "gc\\.channel_add_conv\\.1", "se.mlp_add.norm",
                  "gc\\.channel_add_conv\\.3", "se.mlp_add.fc2"),
          "skresnet50",
              rules(
                  "(layer\\d+\\.\\d+\\.conv[13])\\.weight", "$1.conv.weight",
                  "(layer\\d+\\.\\d+)\\.bn([13])\\.", "$1.conv$2.bn."),
          "convnextv2_tiny",
              rules(
                  "^features\\.0\\.", "stem.",
                  "^features\\.2\\.(\\d)\\.", "stages.1.downsample.$1.",
                  "^features\\.4\\.(\\d)\\.", "stages.2.downsample.$1.",
                  "^features\\.6\\.(\\d)\\.", "stages.3.downsample.$1.",
                  "^features\\.1\\.", "stages.0.blocks.",
                  "^features\\.3\\.", "stages.1.blocks.",
                  "^features\\.5\\.", "stages.2.blocks.",
                  "^features\\.7\\.", "stages.3.blocks.",
                  "block\\.0\\.", "conv_dw.",
                  "block\\.2\\.", "norm.",
                  "block\\.3\\.", "mlp.fc1.",
                  "block\\.5\\.", "mlp.fc2.",
                  "block\\.grn\\.gamma", "mlp.grn.weight",
                  "block\\.grn\\.beta", "mlp.grn.bias",
                  "^classifier\\.0\\.", "head.norm.",
                  "^classifier\\.2\\.", "head.fc."));

  /** Rules in their order: a pattern, what replaces it, and so on. */
  private static Map<String, String> rules(String... texts) {
    Map<String, String> rules = new LinkedHashMap<>();
    for (int i = 0; i < texts.length; i += 2) {
      rules.put(texts[i], texts[i + 1]);
    }
    return rules;
  }

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
      Classifier network = InitialValues.skipped(builder::build); // it is filled below
      assertThat(network.parameterCount()).isEqualTo(expected.path("parameters").asLong());
      assertThat(names(backbone, network)).isEqualTo(expected.path("names").asLong());
      network.to(ScalarType.Double, false);
      fillAsTheirs(backbone, network);
      Tensor x = uniform("input", 2, 3, 48, 33);
      network.eval();
      assertClose(values(network.forward(x)), expected.path("outputs"), STEP, 1e-9);
      network.train(true);
      Tensor scores = network.forward(x);
      if (expected.has("outputs_in_training")) {
        assertClose(values(scores), expected.path("outputs_in_training"), STEP, 1e-9);
      }
      if (expected.has("buffer")) {
        double[] buffer = values(StateDict.of(network).get(expected.path("buffer").asText()));
        assertClose(Arrays.copyOf(buffer, 8), expected.path("buffer_after_a_step"), 1, 1e-9);
      }
    }
  }

  /** Scales of layer norms are vectors there; here some have further dimensions of size 1. */
  private static void fillAsTheirs(String backbone, Classifier network) {
    fill(network, name -> theirs(backbone, name));
    StateDict.of(network)
        .forEach(
            (name, tensor) -> {
              if (name.matches(".*(channel_add_conv\\.1\\.weight|grn\\.gamma)")) {
                Tensor vector = uniform(theirs(backbone, name), tensor.numel());
                tensor.copy_(vector.div(new Scalar(2)).add(new Scalar(1)).view(tensor.shape()));
              }
            });
  }

  /** The script's checksum of names and numbers of values. */
  private static long names(String backbone, Classifier network) {
    CRC32 checksum = new CRC32();
    String lines =
        StateDict.of(network).entrySet().stream()
            .map(entry -> theirs(backbone, entry.getKey()) + " " + entry.getValue().numel())
            .sorted()
            .collect(Collectors.joining("\n"));
    checksum.update(lines.getBytes(StandardCharsets.UTF_8));
    return checksum.getValue();
  }

  /** What the other side calls a weight. */
  private static String theirs(String backbone, String name) {
    String theirs = name;
    for (Map.Entry<String, String> rule : RULES.getOrDefault(backbone, Map.of()).entrySet()) {
      theirs = theirs.replaceAll(rule.getKey(), rule.getValue());
    }
    return theirs;
  }
}
