package io.fovea.models;

import static io.fovea.models.Filling.assertClose;
import static io.fovea.models.Filling.fill;
import static io.fovea.models.Filling.uniform;
import static io.fovea.models.Filling.values;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.errors.SpecException;
import io.fovea.models.weights.Layout;
import io.fovea.models.weights.StateDict;
import io.fovea.models.weights.StateDictMatch;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
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

/** Segmentation networks; scripts/golden/danet.py made the numbers of DANet. */
@Numeric
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
      assertThat(StateDict.of(network)).hasSize(expected.path("names").asInt());
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
      for (Map.Entry<String, Tensor> entry : StateDict.parameters(network).entrySet()) {
        assertThat(entry.getValue().grad().defined()).as(entry.getKey()).isTrue();
      }
    }
  }

  @Test
  void hasTheAuthorsNames() {
    try (PointerScope scope = new PointerScope()) {
      assertThat(StateDict.of(Segmenter.builder("resnet18").build()).keySet())
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
      Map<String, Tensor> file = new LinkedHashMap<>(StateDict.of(network));
      file.put("pretrained.fc.weight", torch.zeros(1000, 512));
      file.put("pretrained.fc.bias", torch.zeros(1000));
      Layout layout = Layout.recognise(file.keySet()).orElseThrow();
      assertThat(layout.title()).isEqualTo("the official DANet");
      assertThat(StateDictMatch.of(network, layout.rename(file).tensors()).isExact()).isTrue();
    }
  }

  @ParameterizedTest
  @CsvSource({"8,12", "16,6", "32,3"})
  void reducesTheSidesByItsOutputStride(int outputStride, int side) {
    try (PointerScope scope = new PointerScope()) {
      ResNet backbone =
          ResNet.builder("resnet18")
              .width(0.25)
              .dense(outputStride, false, SegmenterForm.AUTHORS)
              .build();
      assertThat(backbone.features(torch.randn(1, 3, 96, 96)).shape())
          .containsExactly(1, 128, side, side);
    }
  }

  /** How far from a pixel, in pixels, the farthest is that its scores depend on. */
  private static int reach(Segmenter network) {
    network.eval();
    Tensor image = torch.rand(1, 3, 96, 96).set_requires_grad(true);
    network.forward(image).main().select(3, 48).select(2, 48).sum().backward();
    double[] gradient = doubles(image.grad());
    int reach = 0;
    for (int i = 0; i < gradient.length; i++) {
      if (gradient[i] != 0) {
        reach = Math.max(reach, Math.max(Math.abs(i / 96 % 96 - 48), Math.abs(i % 96 - 48)));
      }
    }
    return reach;
  }

  @Test
  void smallSeesFarWithAttentionOnly() {
    try (PointerScope scope = new PointerScope()) {
      torch.manual_seed(6);
      assertThat(reach(Segmenter.builder("small").head("none").build())).isBetween(35, 46);
      Segmenter attentive = Segmenter.builder("small").head("pam").build();
      try (NoGradGuard guard = new NoGradGuard()) {
        StateDict.of(attentive).get("head.sa.gamma").fill_(new Scalar(1.0));
      }
      assertThat(reach(attentive)).isEqualTo(48);
    }
  }

  private static double[] doubles(Tensor x) {
    return values(x.to(ScalarType.Double).contiguous());
  }

  /**
   * A network draws what it drops from a generator of its own: the same whatever else draws from
   * libtorch's in the meantime. One in ten channels is dropped, and the others make up for it.
   */
  @Test
  void dropsChannelsWithAGeneratorOfItsOwn() {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Tensor images = torch.randn(2, 3, 48, 48);
      double[][] scores = new double[2][];
      for (int i = 0; i < 2; i++) {
        torch.manual_seed(5);
        Segmenter network = Segmenter.builder("small").classes(3).build();
        torch.randn(7 + i);
        scores[i] = doubles(network.forward(images).main());
        assertThat(doubles(network.forward(images).main())).isNotEqualTo(scores[i]);
        network.eval();
        assertThat(doubles(network.forward(images).main()))
            .isEqualTo(doubles(network.forward(images).main()));
      }
      assertThat(scores[1]).isEqualTo(scores[0]);

      Segmenter network = Segmenter.builder("small").classes(2).head("none").build();
      Map<String, Tensor> state = StateDict.of(network); // sums over its channels of what is put in
      state.get("head.conv8.1.weight").fill_(new Scalar(1.0));
      state.get("head.conv8.1.bias").zero_();
      state.get("head.conv51.1.weight").zero_();
      state.get("head.conv51.1.bias").fill_(new Scalar(1.0));
      int dropped = 0;
      for (int i = 0; i < 100; i++) {
        double sum = network.forward(images).main().flatten().select(0, 0).item_double();
        long kept = Math.round(sum * 0.9);
        // 32 numbers of 1 / 0.9, rounded and summed
        assertThat(sum).isCloseTo(kept / 0.9, within(32 * 40 * Rounding.UNIT));
        dropped += (int) (32 - kept);
      }
      assertThat(dropped).isBetween(230, 410); // of 3,200, 320 expected, standard deviation 17
    }
  }

  @Test
  void refusesWhatCannotBe() {
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> Segmenter.builder("resnet5"))
        .withMessageContaining("unknown backbone for segmentation: \"resnet5\"");
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> Segmenter.builder("small").classes(1))
        .withMessage("classes must be at least 2, got 1");
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> Segmenter.builder("small").outputStride(4))
        .withMessage("the output stride of small must be 8 or 16, got 4");
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> Segmenter.builder("small").outputStride(32))
        .withMessage("the output stride of small must be 8 or 16, got 32");
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> Segmenter.builder("resnet50").outputStride(4))
        .withMessage("the output stride must be 8, 16 or 32, got 4");
    assertThatExceptionOfType(SpecException.class)
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

  /** A look at the network does not set batch norms to training that keep their statistics. */
  @Test
  void evaluationModeIsLeftByEveryPartAsItWas() {
    try (PointerScope scope = new PointerScope()) {
      Segmenter network = Segmenter.builder("small").classes(2).channels(1).build();
      network.trainWithFrozenBatchNorm();
      String mean = "pretrained.bn1.running_mean";
      double before = StateDict.of(network).get(mean).sum().item_double();

      assertThat(network.inEvaluationMode(network::is_training)).isFalse();
      network.macs(32, 32);
      network.forward(torch.rand(2, 1, 32, 32));

      assertThat(network.is_training()).isTrue();
      assertThat(StateDict.of(network).get(mean).sum().item_double()).isEqualTo(before);
    }
  }
}
