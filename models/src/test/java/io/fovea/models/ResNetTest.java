package io.fovea.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.fovea.attention.AttentionSpec;
import io.fovea.errors.SpecException;
import io.fovea.models.placement.Placement;
import io.fovea.models.weights.StateDict;
import io.fovea.testing.Numeric;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Numeric
class ResNetTest {
  @ParameterizedTest(name = "{0} with {1}: {2} M")
  @CsvSource(
      delimiter = '|',
      value = {
        "resnet18  | none          | 11.69",
        "resnet18  | se            | 11.78",
        "resnet18  | cbam          | 11.78",
        "resnet34  | none          | 21.80",
        "resnet34  | se:bias=true  | 21.96",
        "resnet34  | cbam:bias=true | 21.96",
        "resnet50  | none          | 25.56",
        "resnet50  | bam           | 25.92",
        "resnet50  | se:bias=true  | 28.09",
        "resnet50  | cbam:bias=true | 28.09",
        "resnet101 | none          | 44.55",
        "resnet101 | se:bias=true  | 49.33",
        "resnet101 | cbam:bias=true | 49.33"
      })
  void hasThePublishedNumberOfParameters(String backbone, String attention, String millions) {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = create(backbone, attention, false);
      assertThat(String.format("%.2f", network.parameterCount() / 1e6)).isEqualTo(millions);
    }
  }

  /** He et al., table 6 (option A): 0.27M, 0.46M, 0.66M, 0.85M, 1.7M for ten classes. */
  @ParameterizedTest
  @CsvSource({"resnet20,0.27", "resnet32,0.46", "resnet44,0.66", "resnet56,0.85"})
  void smallFormHasThePublishedNumberOfParameters(String backbone, String millions) {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = ResNet.builder(backbone).classes(10).build();
      assertThat(String.format("%.2f", network.parameterCount() / 1e6)).isEqualTo(millions);
    }
  }

  /** The CBAM and BAM papers' GFLOPs; their ResNet-50 strides in the first 1x1 convolution. */
  @ParameterizedTest(name = "{0} with {1}: {2} G")
  @CsvSource(
      delimiter = '|',
      value = {
        "resnet18 | none | 1.81",
        "resnet50 | none | 3.86",
        "resnet50 | cbam | 3.86",
        "resnet50 | bam  | 3.94"
      })
  void countsThePublishedMultiplyAccumulates(String backbone, String attention, String billions) {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = create(backbone, attention, true);
      assertThat(String.format("%.2f", network.macs(224, 224) / 1e9)).isEqualTo(billions);
    }
  }

  @Test
  void stridesInThe3x3ConvolutionLikeTorchvisionUnlessTold() {
    try (PointerScope scope = new PointerScope()) {
      Classifier resnet50 = create("resnet50", "none", false);
      assertThat(resnet50.macs(224, 224)).isEqualTo(4_089_184_256L);
      resnet50.to(ScalarType.Double, false);
      assertThat(resnet50.macs(224, 224)).isEqualTo(4_089_184_256L);
    }
  }

  @ParameterizedTest(name = "{0} with {1}: {2}")
  @CsvSource(
      delimiter = '|',
      value = {
        "resnet8  | se       | layer1.0.se, layer2.0.se, layer3.0.se",
        "resnet8  | cbam     | layer1.0.cbam, layer2.0.cbam, layer3.0.cbam",
        "resnet8  | bam      | bam1, bam2",
        "resnet8  | pam      | pam2",
        "resnet8  | cam      | cam2",
        "resnet8  | dual     | dual2",
        "resnet8  | nonlocal | nonlocal2",
        "resnet18 | bam      | bam1, bam2, bam3",
        "resnet18 | nonlocal | nonlocal3",
        "resnet18 | pam      | pam3"
      })
  void putsAttentionWhereItsPaperDoes(String backbone, String attention, String places) {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = create(backbone, attention, false);
      assertThat(String.join(", ", network.attentions().keySet())).isEqualTo(places);
    }
  }

  @Test
  void putsAttentionIntoTheStagesToldOnly() {
    try (PointerScope scope = new PointerScope()) {
      ResNet network =
          ResNet.builder("resnet20")
              .attention(AttentionSpec.parse("se"), Placement.paper().inStages(1, 3))
              .build();
      assertThat(network.attentions().keySet())
          .containsExactly(
              "layer1.0.se",
              "layer1.1.se",
              "layer1.2.se",
              "layer3.0.se",
              "layer3.1.se",
              "layer3.2.se");
    }
  }

  @Test
  void namesParametersLikeTorchvisionAndTheReference() {
    try (PointerScope scope = new PointerScope()) {
      assertThat(StateDict.of(create("resnet18", "none", false)).keySet())
          .hasSize(122)
          .contains(
              "conv1.weight",
              "bn1.running_mean",
              "bn1.num_batches_tracked",
              "layer1.0.conv2.weight",
              "layer2.0.downsample.0.weight",
              "layer4.1.bn2.bias",
              "fc.weight",
              "fc.bias");
      assertThat(StateDict.of(create("resnet8", "cbam", false)).keySet())
          .contains("layer1.0.ca.sharedMLP.0.weight", "layer3.0.sa.conv.weight")
          .noneMatch(name -> name.contains("cbam"));
      assertThat(StateDict.of(create("resnet8", "se", false)).keySet())
          .contains("layer1.0.se.fc.0.weight");
      assertThat(StateDict.of(create("resnet18", "bam", false)).keySet())
          .contains("bam3.channel_att.gate_c.gate_c_fc_0.weight");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"none", "se", "cbam", "bam", "pam", "cam", "dual", "nonlocal"})
  void trainsEveryParameter(String attention) {
    try (PointerScope scope = new PointerScope()) {
      torch.manual_seed(3);
      Classifier network = ResNet.builder("resnet8").classes(5).channels(1).build();
      if (!attention.equals("none")) {
        network =
            ResNet.builder("resnet8")
                .classes(5)
                .channels(1)
                .attention(AttentionSpec.parse(attention))
                .build();
      }
      Tensor scores = network.forward(torch.randn(4, 1, 20, 28));
      assertThat(scores.shape()).containsExactly(4, 5);
      scores.pow(new org.bytedeco.pytorch.Scalar(2)).sum().backward();
      for (Map.Entry<String, Tensor> entry : StateDict.parameters(network).entrySet()) {
        assertThat(entry.getValue().grad().defined()).as(entry.getKey()).isTrue();
      }
    }
  }

  @Test
  void startsFromTheSameBackboneWhenItsStateIsCopied() {
    try (PointerScope scope = new PointerScope()) {
      Classifier plain = ResNet.builder("resnet8").classes(5).build();
      Classifier attended =
          ResNet.builder("resnet8").classes(5).attention(AttentionSpec.parse("pam")).build();
      plain.eval();
      attended.eval();
      Tensor x = torch.randn(2, 3, 28, 28);
      assertThat(torch.equal(plain.forward(x), attended.forward(x))).isFalse();
      StateDict.copyShared(plain, attended);
      // position attention is the identity until trained
      assertThat(torch.equal(plain.forward(x), attended.forward(x))).isTrue();
    }
  }

  @Test
  void refusesWhatItCannotBe() {
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> ResNet.builder("resnet21"))
        .withMessageContaining("unknown backbone: \"resnet21\"")
        .withMessageContaining("resnet20");
    assertThatExceptionOfType(SpecException.class).isThrownBy(() -> ResNet.builder("vgg16"));
    assertThatExceptionOfType(SpecException.class).isThrownBy(() -> ResNet.builder("resnet2"));
    assertThatExceptionOfType(IllegalArgumentException.class)
        .isThrownBy(() -> ResNet.builder("resnet8").classes(0))
        .withMessage("classes must be at least 1, got 0");
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> ResNet.builder("resnet8").width(0))
        .withMessageContaining("got 0.0");
    try (PointerScope scope = new PointerScope()) {
      ResNet network = ResNet.builder("resnet8").classes(3).build();
      assertThatIllegalArgumentException()
          .isThrownBy(() -> network.forward(torch.zeros(1, 1, 8, 8)))
          .withMessage("expected images [B, 3, H, W] with sides of at least 1, got [1, 1, 8, 8]");
      assertThatIllegalArgumentException().isThrownBy(() -> network.forward(null));
    }
  }

  private static Classifier create(String backbone, String attention, boolean strideFirst) {
    ResNet.Builder builder = ResNet.builder(backbone.strip()).strideFirst(strideFirst);
    if (!attention.equals("none")) {
      builder.attention(AttentionSpec.parse(attention));
    }
    return builder.build();
  }
}
