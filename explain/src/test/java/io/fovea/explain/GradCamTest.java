package io.fovea.explain;

import static io.fovea.models.Filling.fill;
import static io.fovea.models.Filling.uniform;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.errors.SpecException;
import io.fovea.models.BackboneGoldenTest;
import io.fovea.models.Classifier;
import io.fovea.models.Filling;
import io.fovea.models.ModelSpec;
import io.fovea.models.Segmenter;
import io.fovea.models.weights.StateDict;
import io.fovea.testing.Numeric;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Grad-CAM and Grad-CAM++ against the formulas of pytorch-grad-cam on the same weights;
 * scripts/golden/gradcam.py made the numbers.
 */
@Numeric
class GradCamTest {
  @ParameterizedTest
  @ValueSource(strings = {"resnet18", "googlenet", "mobilenetv3-small"})
  void agreesWithPytorchGradCam(String backbone) {
    JsonNode expected = Filling.golden("gradcam.json").path(backbone);
    try (PointerScope scope = new PointerScope()) {
      Classifier.Builder<?> builder = Classifier.builder(backbone).classes(7);
      builder.ownAttention().ifPresent(builder::attention);
      Classifier network = builder.build();
      network.to(ScalarType.Double, false);
      fill(network, BackboneGoldenTest::torchvisions);
      List<String> layers = new ArrayList<>();
      expected.path("layers").fieldNames().forEachRemaining(layers::add);

      List<GradCam> cams;
      try (NoGradGuard guard = new NoGradGuard()) { // as a caller who only infers has it
        cams =
            GradCam.of(
                network, uniform("input", 1, 3, 64, 96), expected.path("label").asInt(), layers);
      }

      assertThat(network.is_training()).isTrue(); // as it was
      assertThat(cams).extracting(GradCam::layer).isEqualTo(layers);
      for (GradCam cam : cams) {
        JsonNode values = expected.path("layers").path(cam.layer());
        assertThat(List.of(cam.height(), cam.width()))
            .isEqualTo(
                List.of(values.path("size").path(0).asInt(), values.path("size").path(1).asInt()));
        assertClose(cam.gradCam(), values.path("grad_cam"));
        assertClose(cam.plusPlus(), values.path("plus_plus"));
        assertClose(GradCam.scaled(cam.gradCam()), values.path("grad_cam_scaled"));
        assertClose(GradCam.scaled(cam.plusPlus()), values.path("plus_plus_scaled"));
      }
    }
  }

  /** The evidence for a class in a rectangle of pixels, by the formula of Seg-Grad-CAM's paper. */
  @Test
  void agreesWithSegGradCamOfARegion() {
    JsonNode expected = Filling.golden("gradcam.json").path("danet");
    try (PointerScope scope = new PointerScope()) {
      Segmenter network = Segmenter.builder("resnet18").classes(4).build();
      network.to(ScalarType.Double, false);
      fill(network, UnaryOperator.identity());
      JsonNode box = expected.path("region");
      Region region =
          new Region(
              box.path(0).asInt(), box.path(1).asInt(), box.path(2).asInt(), box.path(3).asInt());
      int label = expected.path("label").asInt();
      List<String> layers = List.of("layer3", "layer4");
      Tensor image = uniform("input", 1, 3, 40, 57);

      List<GradCam> cams = GradCam.of(network, image, label, region, layers);

      for (GradCam cam : cams) {
        assertClose(cam.gradCam(), expected.path("layers").path(cam.layer()).path("grad_cam"));
      }
      Explanation explanation =
          Explanation.builder(network).target(label).region(region).gradCam(layers).of(image);
      assertThat(explanation.gradCams().get(0).gradCam()).isEqualTo(cams.get(0).gradCam());
      assertThatThrownBy(() -> GradCam.of(network, image, 1, new Region(40, 0, 18, 4), layers))
          .isInstanceOf(SpecException.class)
          .hasMessage("the region 40,0,18,4 is outside the image, which has 57 x 40 pixels");
    }
  }

  private static void assertClose(float[] actual, JsonNode expected) {
    assertThat(expected).hasSize(actual.length);
    double largest = 0;
    for (JsonNode value : expected) {
      largest = Math.max(largest, Math.abs(value.asDouble()));
    }
    // Computed in float64, in which 1e-9 is plenty, and handed out in float32.
    for (int i = 0; i < actual.length; i++) {
      assertThat((double) actual[i])
          .isCloseTo(expected.path(i).asDouble(), within(1e-6 * Math.max(largest, 1e-3)));
    }
  }

  @Test
  void leavesNoGradientsAndDoesNotNeedThem() {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = Classifier.builder("resnet8").classes(3).channels(1).width(0.25).build();
      Tensor image = torch.randn(1, 1, 28, 28);
      float[] before = GradCam.of(network, image, 1, List.of("layer3")).get(0).gradCam();
      for (Tensor parameter : StateDict.parameters(network).values()) {
        assertThat(parameter.grad().defined()).isFalse();
        parameter.requires_grad_(false);
      }

      float[] frozen = GradCam.of(network, image, 1, List.of("layer3")).get(0).gradCam();

      assertThat(frozen).containsExactly(before);
    }
  }

  @Test
  void saysWhatIsWrong() {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = Classifier.builder("resnet8").classes(3).channels(1).width(0.25).build();
      Tensor image = torch.randn(1, 1, 28, 28);
      List<String> last = List.of("layer3");

      assertThatThrownBy(() -> GradCam.of(network, image, 3, last))
          .hasMessage("expected a class from 0 to 2, got 3");
      assertThatThrownBy(() -> GradCam.of(network, image, 0, List.of("layer4")))
          .hasMessageContaining("unknown layer: \"layer4\" (did you mean \"layer");
      assertThatThrownBy(() -> GradCam.of(network, torch.randn(2, 1, 28, 28), 0, last))
          .hasMessage("expected one image, [1, 1, H, W], got [2, 1, 28, 28]");
      assertThatThrownBy(() -> GradCam.of(network, torch.randn(1, 3, 28, 28), 0, last))
          .hasMessageContaining("expected images [B, 1, H, W]");
    }
  }

  /** What is behind the layer passes the gradients on, whatever it is, and whoever looks at it meanwhile. */
  @ParameterizedTest
  @ValueSource(strings = {"pam@head", "cam@head", "dual:reduction=2@head", "nonlocal@stage:3"})
  void seesThroughAttentionBehindTheLayer(String attention) {
    try (PointerScope scope = new PointerScope()) {
      torch.manual_seed(1);
      Classifier network = new ModelSpec("resnet8", 4, 1, 0.5, attention).create();
      Tensor image = torch.randn(1, 1, 28, 28);

      GradCam alone = GradCam.of(network, image, 1, List.of("layer3")).get(0);
      GradCam observed =
          Explanation.builder(network)
              .gradCam(List.of("layer3"))
              .target(1)
              .of(image)
              .gradCams()
              .get(0);

      assertThat(observed.gradCam()).containsExactly(alone.gradCam());
    }
  }
}
