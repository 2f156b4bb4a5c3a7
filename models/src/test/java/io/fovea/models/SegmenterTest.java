package io.fovea.models;

import static io.fovea.models.Filling.assertClose;
import static io.fovea.models.Filling.fill;
import static io.fovea.models.Filling.uniform;
import static io.fovea.models.Filling.values;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Segmentation networks; src/test/scripts/danet_golden.py made the numbers of DANet. */
class SegmenterTest {
  private final JsonNode golden = Filling.golden("danet.json");

  @ParameterizedTest
  @CsvSource({"resnet18,false", "resnet50,false", "resnet50,true"})
  void computesWhatDanetComputes(String backbone, boolean multiGrid) {
    JsonNode expected = golden.path(backbone + (multiGrid ? "_grid" : ""));
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Segmenter network = Segmenter.builder(backbone).classes(4).multiGrid(multiGrid).build();
      assertThat(network.parameterCount()).isEqualTo(expected.path("parameters").asLong());
      assertThat(State.of(network)).hasSize(expected.path("names").asInt());
      network.to(ScalarType.Double, false);
      fill(network, UnaryOperator.identity());
      network.eval();
      Segmenter.Scores scores = network.forward(uniform("input", 1, 3, 40, 57));
      assertThat(scores.main().shape()).containsExactly(1, 4, 40, 57);
      assertThat(scores.auxiliary()).hasSize(2);
      assertClose(values(scores.main()), expected.path("outputs").path(0), 211, 1e-9);
      assertClose(values(scores.auxiliary().get(0)), expected.path("outputs").path(1), 211, 1e-9);
      assertClose(values(scores.auxiliary().get(1)), expected.path("outputs").path(2), 211, 1e-9);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"none", "pam", "cam", "dual", "dual:reduction=4", "nonlocal", "se:reduction=4"})
  void everyHeadTrains(String head) {
    try (PointerScope scope = new PointerScope()) {
      torch.manual_seed(2);
      Segmenter network = Segmenter.builder("small").classes(3).channels(1).head(head).build();
      assertThat(network.attentions())
          .hasSize(head.equals("none") ? 0 : head.startsWith("dual") ? 2 : 1);
      Segmenter.Scores scores = network.forward(torch.randn(2, 1, 48, 40));
      assertThat(scores.main().shape()).containsExactly(2, 3, 48, 40);
      Tensor loss = scores.main().pow(new Scalar(2)).sum();
      for (Tensor auxiliary : scores.auxiliary()) {
        loss = loss.add(auxiliary.pow(new Scalar(2)).sum());
      }
      loss.backward();
      for (Map.Entry<String, Tensor> entry : State.parameters(network).entrySet()) {
        assertThat(entry.getValue().grad().defined()).as(entry.getKey()).isTrue();
      }
    }
  }

  @Test
  void hasTheAuthorsNames() {
    try (PointerScope scope = new PointerScope()) {
      assertThat(State.of(Segmenter.builder("resnet18").build()).keySet())
          .contains(
              "pretrained.layer4.1.conv2.weight",
              "head.conv5a.0.weight",
              "head.sa.query_conv.weight",
              "head.sc.gamma",
              "head.conv51.1.running_var",
              "head.conv8.1.bias")
          .noneMatch(name -> name.contains(".fc."));
    }
  }

  /** Their files also have the backbone's classifier, which computes nothing there. */
  @Test
  void theAuthorsFilesFit() {
    try (PointerScope scope = new PointerScope()) {
      Segmenter network = Segmenter.builder("resnet18").classes(5).build();
      Map<String, Tensor> file = new LinkedHashMap<>(State.of(network));
      file.put("pretrained.fc.weight", torch.zeros(1000, 512));
      file.put("pretrained.fc.bias", torch.zeros(1000));
      Layout layout = Layout.recognise(file.keySet()).orElseThrow();
      assertThat(layout.title()).isEqualTo("the official DANet");
      assertThat(Fit.of(network, layout.rename(file).tensors()).isExact()).isTrue();
    }
  }

  @ParameterizedTest
  @CsvSource({"8,12", "16,6", "32,3"})
  void reducesTheSidesByItsOutputStride(int outputStride, int side) {
    try (PointerScope scope = new PointerScope()) {
      ResNet backbone = ResNet.builder("resnet18").width(0.25).dense(outputStride, false).build();
      assertThat(backbone.features(torch.randn(1, 3, 96, 96)).shape())
          .containsExactly(1, 128, side, side);
    }
  }

  @Test
  void refusesWhatCannotBe() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Segmenter.builder("resnet5"))
        .withMessageContaining("unknown backbone for segmentation: \"resnet5\"");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Segmenter.builder("small").classes(1))
        .withMessage("classes must be at least 2, got 1");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Segmenter.builder("small").outputStride(4))
        .withMessage("the output stride must be 8, 16 or 32, got 4");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Segmenter.builder("small").head("pem"))
        .withMessageContaining("did you mean \"pam\"?");
    try (PointerScope scope = new PointerScope()) {
      Segmenter network = Segmenter.builder("small").build();
      assertThatIllegalArgumentException()
          .isThrownBy(() -> network.forward(torch.zeros(1, 1, 8, 8)))
          .withMessageContaining("got [1, 1, 8, 8]");
      assertThatIllegalArgumentException().isThrownBy(() -> network.forward(null));
    }
  }
}
