package io.fovea.models.placement;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.fovea.attention.AttentionSpec;
import io.fovea.errors.SpecException;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.ResNet;
import io.fovea.models.weights.StateDict;
import io.fovea.tensor.internal.InitialValues;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Where attention goes: as text, and in each backbone. */
class PlacementTest {
  @Provide
  Arbitrary<String> placements() {
    Arbitrary<String> stages =
        Arbitraries.integers()
            .between(1, 5)
            .set()
            .ofMinSize(1)
            .map(
                set ->
                    ":" + set.stream().sorted().map(i -> "" + i).collect(Collectors.joining(",")));
    Arbitrary<String> sites =
        Arbitraries.of(
            "paper", "standard", "pre", "post", "identity", "conv", "stage", "after:every-other");
    Arbitrary<String> blocks =
        Arbitraries.integers()
            .between(11, 49)
            .set()
            .ofMinSize(1)
            .ofMaxSize(5)
            .map(
                set ->
                    "after:"
                        + set.stream()
                            .sorted()
                            .map(i -> i / 10 + "." + (i % 10 + 1))
                            .collect(Collectors.joining(",")));
    return Arbitraries.oneOf(
        sites, sites.flatMap(site -> stages.map(s -> site + s)), blocks, Arbitraries.just("head"));
  }

  @Property(tries = 300)
  void textRoundTrips(@ForAll("placements") String text) {
    Placement placement = Placement.parse(text);
    assertThat(placement).hasToString(text);
    assertThat(Placement.parse(placement.toString()))
        .isEqualTo(placement)
        .hasSameHashCodeAs(placement);
    List<PlacedAttention> placed = PlacedAttention.parseAll("se:reduction=4@" + text + "; cam");
    assertThat(PlacedAttention.parseAll(PlacedAttention.text(placed))).isEqualTo(placed);
  }

  @Test
  void buildersMakeTheSameAsText() {
    assertThat(Placement.paper()).isEqualTo(Placement.parse("paper"));
    assertThat(Placement.standard()).isEqualTo(Placement.parse("standard"));
    assertThat(Placement.pre().inStages(3, 2)).isEqualTo(Placement.parse("pre:2,3"));
    assertThat(Placement.post()).isEqualTo(Placement.parse(" post "));
    assertThat(Placement.identity()).isEqualTo(Placement.parse("identity"));
    assertThat(Placement.stage().inStages(1)).isEqualTo(Placement.parse("stage:1"));
    assertThat(Placement.conv().inStages(4)).isEqualTo(Placement.parse("conv:4"));
    assertThat(Placement.head()).isEqualTo(Placement.parse("head"));
    assertThat(Placement.after(3, 3).and(3, 1)).isEqualTo(Placement.parse("after:3.1,3.3"));
    assertThat(Placement.afterEveryOther().inStages(2, 3))
        .isEqualTo(Placement.parse("after:every-other:2,3"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "standrd | did you mean \"standard\"?",
        "'' | unknown placement: \"\"",
        "after | expected after:every-other or blocks such as after:3.1,3.3, got \"after\"",
        "after:3 | expected after:every-other or blocks",
        "after:3.1, | expected after:every-other or blocks",
        "after:3.1,3.1 | after: block 3.1 occurs twice",
        "after:3.1:2 | after:3.1 cannot be restricted to stages",
        "head:2 | head cannot be restricted to stages",
        "pre: | expected stages such as 2,3 after the colon, got \"pre:\"",
        "pre:x | expected stages such as 2,3 after the colon",
        "pre:2,2 | stage 2 occurs twice",
        "pre:1:2 | expected a placement such as standard or stage:1,2, got \"pre:1:2\"",
      })
  void refusesTextThatIsNone(String text, String message) {
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> Placement.parse(text))
        .withMessageContaining(message);
  }

  /** Section 4 of the non-local paper: five blocks in ResNet-50, two in res3 and three in res4. */
  @ParameterizedTest(name = "{0} with {1}")
  @CsvSource(
      delimiter = '|',
      value = {
        "resnet50 | nonlocal@after:every-other:2,3 | layer2.1.nonlocal_after,"
            + " layer2.3.nonlocal_after, layer3.1.nonlocal_after, layer3.3.nonlocal_after,"
            + " layer3.5.nonlocal_after",
        "resnet14 | se@pre | layer1.0.se_pre, layer1.1.se_pre, layer2.0.se_pre, layer2.1.se_pre,"
            + " layer3.0.se_pre, layer3.1.se_pre",
        "resnet8 | se@identity:2 | layer2.0.se_identity",
        "resnet8 | pam@stage | pam1, pam2",
        "resnet8 | cam@stage:3 | cam3",
        "resnet8 | cam@paper:1,3 | cam1, cam3",
        "resnet8 | cam@head | cam_head",
        "resnet8 | se@standard; cam@after:2.1; pam@post:3 | layer1.0.se, layer2.0.se,"
            + " layer2.0.cam_after, layer3.0.se, layer3.0.pam_post",
        "resnet8 | se; cbam | layer1.0.se, layer1.0.cbam, layer2.0.se, layer2.0.cbam, layer3.0.se,"
            + " layer3.0.cbam",
        "googlenet | se | inception3a.se, inception3b.se, inception4a.se, inception4b.se,"
            + " inception4c.se, inception4d.se, inception4e.se, inception5a.se, inception5b.se",
        "googlenet | cam@after:2.5 | inception4e.cam_after",
        "googlenet | bam | bam1, bam2",
        "mobilenetv3-small | se:reduction=4 | features.1.block.se, features.4.block.se,"
            + " features.5.block.se, features.6.block.se, features.7.block.se, features.8.block.se,"
            + " features.9.block.se, features.10.block.se, features.11.block.se",
        "mobilenetv3-small | cam@identity:3 | features.5.cam_identity, features.6.cam_identity,"
            + " features.8.cam_identity",
        "mobilenetv3-large | bam:reduction=8 | bam1, bam2, bam3, bam4",
        "mobilenetv3-large | nonlocal | nonlocal4",
        "mobilenetv3-large | cam@pre:1 | features.1.cam_pre",
        "mobilenetv3-large | cam@head | cam_head",
        "resnet50 | splat@conv:4 | layer4.0.conv2, layer4.1.conv2, layer4.2.conv2",
        "resnet18 | mhsa | layer4.1.conv1",
        "resnet8 | mhsa | layer3.0.conv2",
        "resnet8 | nam@conv | layer1.0.conv1, layer2.0.conv2, layer3.0.conv2",
        "resnet8 | sk | layer1.0.conv1",
        "resnet14 | sk:groups=8 | layer1.0.conv1, layer1.1.conv1, layer2.1.conv1, layer3.1.conv1",
      })
  void isWhereItWasPut(String backbone, String attention, String places) {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = create(backbone, attention);
      assertThat(String.join(", ", network.attentions().keySet())).isEqualTo(places);
    }
  }

  /** A convolution with its own norms replaces the block's; behind others, the block's norm stays. */
  @Test
  void aReplacementHasTheNameOfTheConvolution() {
    try (PointerScope scope = new PointerScope()) {
      Set<String> splat = StateDict.of(create("resnet50", "splat@conv:4")).keySet();
      assertThat(splat).contains("layer4.0.conv2.conv.weight", "layer4.0.conv2.bn0.weight");
      assertThat(splat).contains("layer4.0.bn1.weight", "layer4.0.bn3.weight");
      assertThat(splat).doesNotContain("layer4.0.conv2.weight", "layer4.0.bn2.weight");
      Set<String> mhsa = StateDict.of(create("resnet50", "mhsa")).keySet();
      assertThat(mhsa).contains("layer4.0.conv2.query.weight", "layer4.0.bn2.weight");
      assertThat(mhsa).doesNotContain("layer4.0.conv2.weight");
    }
  }

  /** A stride is the replacement's own, or an average of as many positions follows it. */
  @ParameterizedTest
  @CsvSource({"splat,32,32", "mhsa:position=none,64,64", "mhsa:position=none,33,65"})
  void aReplacementKeepsTheStride(String attention, long height, long width) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      ResNet.Builder builder = ResNet.builder("resnet50").classes(2).width(0.125);
      builder.attention(AttentionSpec.parse(attention), Placement.conv());
      ResNet network = builder.build();
      network.eval();
      assertThat(network.forward(torch.randn(1, 3, height, width)).shape()).containsExactly(1, 2);
    }
  }

  private static Classifier create(String backbone, String attention) {
    return new ModelSpec(backbone, 3, 3, 1, attention).create();
  }

  /** What stands in a network is used and trained, and takes part in the output at its place. */
  @ParameterizedTest(name = "{0} with {1}")
  @CsvSource(
      delimiter = '|',
      value = {
        "resnet8 | cam@pre; se@standard; se@post; cam@identity; pam@stage; bam@head",
        "resnet8 | coord", // 16 channels, a reduction of 32, and a hidden width of at least 8
        "resnet14 | nonlocal@after:every-other; cbam@pre",
        "resnext50 | cam@identity:1; se@head",
        "resnet14 | sk:groups=8; se; pam@post:3",
        "resnet18 | lsk@conv:1; splat@conv:2; mhsa@conv:3; dnl@conv:4",
        "googlenet | se; cam@pre:3; bam@stage; cam@after:1.2; cam@head",
        "mobilenetv3-small | cbam; cam@pre; se:reduction=4@post; cam@identity; bam@stage:2; cam@head",
        "mobilenetv3-large | bam",
      })
  void everyModuleGetsAGradient(String backbone, String attention) {
    try (PointerScope scope = new PointerScope()) {
      torch.manual_seed(5);
      Classifier network = new ModelSpec(backbone, 3, 3, 1, attention).create();
      Tensor scores = network.forward(torch.randn(4, 3, 40, 36));
      assertThat(scores.shape()).containsExactly(4, 3);
      scores.pow(new Scalar(2)).sum().backward();
      for (Map.Entry<String, Tensor> entry : StateDict.parameters(network).entrySet()) {
        assertThat(entry.getValue().grad().defined()).as(entry.getKey()).isTrue();
      }
    }
  }

  @ParameterizedTest(name = "{0} with {1}")
  @CsvSource(
      delimiter = '|',
      value = {
        "resnet8 | se@paper:4 | stage 4 does not exist: resnet8 has stages 1 to 3",
        "resnet8 | se@after:3.2 | block 3.2 does not exist: stage 3 of resnet8 has blocks 3.1 to 3.1",
        "resnet8 | se@after:5.1 | block 5.1 does not exist: resnet8 has stages 1 to 3",
        "resnet8 | se@after:every-other | after:every-other does not exist in"
            + " resnet8: its stages have only one block each",
        "googlenet | se@identity | googlenet has no place \"identity\"; it has standard, pre, stage,"
            + " after, head",
        "googlenet | se@post | googlenet has no place \"post\"",
        "mobilenetv3-large | se@standard:2 | standard:2 does not exist in"
            + " mobilenetv3-large: no block in these stages has this place",
        "resnet8 | se; se@standard:2 | se@standard:2: se is already in that" + " place of resnet8",
        "resnet8 | se:reduction=4; se | se: se is already in that place of resnet8",
        "resnet8 | se; se | \"se\" occurs twice in \"se; se\"",
        "resnet8 | se:reduction=32 | se: reduction=32 exceeds the 16 channels"
            + " of resnet8 at layer1.0.se; at most reduction=16 is possible there",
        "resnet8 | se;; cam | unknown mechanism: \"\"",
        "resnet8 | se@ | unknown placement: \"\"",
        "googlenet | splat | googlenet has no place \"conv\"",
        "resnet8 | sk@conv:3 | conv:3 does not exist in resnet8: no block in these stages has this"
            + " place",
        "resnet14 | sk:groups=8; splat@conv:2 | only one mechanism can replace a convolution; at"
            + " layer2.1.conv1 of resnet14 there would be sk:groups=8 and splat",
        "resnet8 | none; se | unknown mechanism: \"none\"",
        "resnet9 | none | unknown backbone: \"resnet9\"",
        "mobilenet | none | unknown backbone: \"mobilenet\"",
      })
  void refusesWhatCannotBe(String backbone, String attention, String message) {
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> create(backbone, attention))
        .withMessageContaining(message);
  }

  @Test
  void optionsFillInWhatASpecDoesNotSay() {
    List<PlacedAttention> all = PlacedAttention.parseAll("se; nonlocal@after:3.4; bam@stage");
    assertThat(PlacedAttention.text(PlacedAttention.withDefaults(all, Placement.pre(), 2, 3)))
        .isEqualTo("se@pre:2,3; nonlocal@after:3.4; bam@stage:2,3");
    assertThat(PlacedAttention.text(PlacedAttention.withDefaults(all, null)))
        .isEqualTo("se; nonlocal@after:3.4; bam@stage");
    assertThat(PlacedAttention.text(PlacedAttention.withDefaults(all, null, 1)))
        .isEqualTo("se@paper:1; nonlocal@after:3.4; bam@stage:1");
    assertThat(PlacedAttention.parseAll("none")).isEmpty();
    assertThat(PlacedAttention.text(List.of())).isEqualTo("none");
  }

  @Test
  void theBuilderTakesSeveral() {
    try (PointerScope scope = new PointerScope()) {
      Classifier network =
          Classifier.builder("googlenet")
              .classes(2)
              .width(0.5)
              .attention(AttentionSpec.parse("se"), Placement.standard().inStages(3))
              .attention(AttentionSpec.parse("cam"), Placement.head())
              .build();
      assertThat(network.attentions().keySet())
          .containsExactly("inception5a.se", "inception5b.se", "cam_head");
    }
  }

  /** Published: torchvision's documentation. */
  @ParameterizedTest
  @CsvSource({
    "resnext50,4.23",
    "wide_resnet50_2,11.40",
    "densenet121,2.83",
    "efficientnet_b0,0.39",
    "regnet_y_800mf,0.83",
    "convnext_tiny,4.46",
    "googlenet,1.50",
    "mobilenetv3-large,0.22",
    "mobilenetv3-small,0.06"
  })
  void countsThePublishedMultiplyAccumulates(String backbone, String billions) {
    try (PointerScope scope = new PointerScope()) {
      Classifier.Builder<?> builder = Classifier.builder(backbone);
      builder.ownAttention().ifPresent(builder::attention);
      assertThat(String.format("%.2f", InitialValues.skipped(builder::build).macs(224, 224) / 1e9))
          .isEqualTo(billions);
    }
  }

  @Test
  void everyBackboneIsListedAndBuilds() {
    assertThat(Classifier.backbones()).contains("resnet8", "resnext50", "googlenet");
    for (String name : Classifier.backbones()) {
      Classifier.Builder<?> builder = Classifier.builder(name);
      assertThat(builder.backbone()).isEqualTo(name);
      assertThat(builder.imageSize()).isIn(32, 224, 240, 288);
      assertThat(builder.blocks()).hasSizeGreaterThanOrEqualTo(3);
      assertThat(builder.placements()).contains("standard", "stage", "after", "head");
    }
  }
}
