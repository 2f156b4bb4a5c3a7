package io.fovea.models.transfer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.models.Classifier;
import io.fovea.models.Filling;
import io.fovea.models.ModelSpec;
import io.fovea.models.weights.Layout;
import io.fovea.models.weights.StateDictMatch;
import io.fovea.models.weights.WeightsException;
import io.fovea.tensor.internal.InitialValues;
import io.fovea.testing.Numeric;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * State dicts with timm's names (scripts/golden/timm_names.py) are recognised, and the networks compute what
 * timm's compute.
 */
@Numeric
class ForeignClassifierTest {
  private static final JsonNode GOLDEN = Filling.golden("timm_names.json");
  private static final double TOLERANCE = 1e-9;

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      value = {
        "efficientnet_b0 | efficientnet_b0 | timm's EfficientNet",
        "efficientnet_b2 | efficientnet_b2 | timm's EfficientNet",
        "regnety_004 | regnet_y_400mf | timm's RegNetY",
        "regnety_008_tv | regnet_y_800mf | timm's RegNetY",
        "convnext_tiny | convnext_tiny | timm's ConvNeXt",
      })
  void areRecognisedAndComputeTheSame(String name, String backbone, String title) {
    JsonNode entry = GOLDEN.path(name);
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Map<String, Tensor> weights = Filling.weights(entry.path("state"));
      Layout layout = Layout.recognise(weights.keySet()).orElseThrow();
      assertThat(layout.title()).isEqualTo(title);
      Map<String, Tensor> renamed = layout.rename(weights).tensors();
      Recognition found = Recognition.of(renamed, Recognition.Known.NOTHING);
      ModelSpec spec = (ModelSpec) found.spec();
      String own = Classifier.builder(backbone).ownAttention().map(Object::toString).orElse("none");
      assertThat(spec).isEqualTo(new ModelSpec(backbone, 9, 3, 1, own));

      Classifier network = InitialValues.skipped(spec::create);
      assertThat(network.parameterCount()).isEqualTo(entry.path("parameters").asLong());
      network.to(ScalarType.Double, false);
      StateDictMatch match = StateDictMatch.of(network, found.renamed(renamed));
      assertThat(match.missing()).isEmpty();
      assertThat(match.unexpected()).isEmpty();
      assertThat(match.different()).isEmpty();
      match.load();
      network.eval();
      Tensor scores = network.forward(Filling.uniform("input", 2, 3, 48, 33));
      Filling.assertClose(Filling.values(scores), entry.path("scores"), 1, TOLERANCE);
    }
  }

  /** timm's regnety_008 has the widths of the paper, torchvision's other ones. */
  @Test
  void networksOfOtherWidthsAreRefused() {
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> weights = Filling.weights(GOLDEN.path("regnety_008").path("state"));
      Map<String, Tensor> renamed =
          Layout.recognise(weights.keySet()).orElseThrow().rename(weights).tensors();
      assertThatExceptionOfType(WeightsException.class)
          .isThrownBy(() -> Recognition.of(renamed, Recognition.Known.NOTHING))
          .withMessageContaining(
              "the names are those of regnet_y_800mf, but trunk_output.block2.block2-0.f.a.0.weight has"
                  + " shape [128, 64] instead of [144, 64]");
    }
  }

  @Test
  void networksWithAnotherEpsilonAreRefusedByName() {
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> weights = new LinkedHashMap<>();
      GOLDEN.path("mobilenetv3").forEach(name -> weights.put(name.asText(), torch.zeros(1)));
      assertThatExceptionOfType(WeightsException.class)
          .isThrownBy(() -> Layout.recognise(weights.keySet()).orElseThrow().rename(weights))
          .withMessageContaining("timm's MobileNetV3 has an epsilon of 1e-5");
    }
  }

  /** Names that two libraries have: AlexNet's classifier is no head of a segmentation network. */
  @Test
  void alexNetIsNotTakenForFcn() {
    assertThat(
            Layout.recognise(
                Set.of("features.0.weight", "classifier.4.weight", "classifier.6.bias")))
        .isEmpty();
  }
}
