package io.fovea.models.transfer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.models.Filling;
import io.fovea.models.Segmenter;
import io.fovea.models.SegmenterForm;
import io.fovea.models.SegmenterSpec;
import io.fovea.models.weights.Layout;
import io.fovea.models.weights.StateDictMatch;
import io.fovea.models.weights.WeightsException;
import io.fovea.tensor.internal.InitialValues;
import io.fovea.testing.Numeric;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * State dicts of MMSegmentation's and torchvision's segmentation networks (scripts/golden/mmsegmentation.py)
 * are recognised, and the networks compute what the code itself computes.
 */
@Numeric
class ForeignSegmenterTest {
  private static final JsonNode GOLDEN = Filling.golden("mmsegmentation.json");
  private static final double TOLERANCE = 1e-10;
  private static final int STEP = 211;

  /** The weights of a network, by the names of its code. */
  private static Map<String, Tensor> weights(String network) {
    Map<String, Tensor> weights = Filling.weights(GOLDEN.path(network).path("state"));
    // ANN's keys and queries are one layer with two names, of which the second was filled last
    weights.replaceAll(
        (name, tensor) ->
            name.contains("context.stages.0.key_project")
                ? Filling.filled(name, name.replace("key_project", "query_project"), tensor.shape())
                : tensor);
    return weights;
  }

  private static WeightsNamed read(Map<String, Tensor> weights) {
    Layout layout = Layout.recognise(weights.keySet()).orElseThrow();
    Map<String, Tensor> renamed = layout.rename(weights).tensors();
    Recognition found =
        Recognition.of(
            renamed,
            Recognition.Known.NOTHING,
            new Recognition.Source(layout.form(), new SegmentationConfig("")));
    return new WeightsNamed(layout, found, found.renamed(renamed));
  }

  private record WeightsNamed(Layout layout, Recognition found, Map<String, Tensor> weights) {}

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      value = {
        "fcn | resnet18c | none | mmsegmentation",
        "danet | resnet18c | dual | mmsegmentation",
        "nonlocal | resnet18c | nonlocal:subsample=false,scale=true | mmsegmentation",
        "gcnet | resnet18c | gc:reduction=4 | mmsegmentation",
        "ccnet | resnet18c | crisscross | mmsegmentation",
        "pspnet | resnet18c | psp | mmsegmentation",
        "deeplabv3 | resnet18c | aspp | mmsegmentation",
        "ocrnet | resnet18c | ocr | mmsegmentation",
        "ann | resnet18c | ann | mmsegmentation",
        "danet_r50 | resnet50c | dual | mmsegmentation",
        "torchvision_fcn | resnet50 | none | torchvision",
        "torchvision_deeplabv3 | resnet50 | aspp | torchvision",
      })
  void areRecognisedAndComputeTheSame(String name, String backbone, String head, String form) {
    try (PointerScope scope = new PointerScope()) {
      WeightsNamed read = read(weights(name));

      SegmenterForm expected = SegmenterForm.valueOf(form.toUpperCase(Locale.ROOT));
      assertThat(read.found.spec())
          .isEqualTo(new SegmenterSpec(backbone, 5, 3, head, 8, false, expected, null));
      assertThat(read.found.untold()).anyMatch(line -> line.startsWith("align_corners=false"));
      assertComputes(name, (SegmenterSpec) read.found.spec(), read.weights);
    }
  }

  @ParameterizedTest
  @CsvSource({"danet_aligned, true", "nonlocal_r50, false"})
  void alignedCornersAndHeadsThatDoNotJoinTheirInput(String name, boolean aligned) {
    try (PointerScope scope = new PointerScope()) {
      WeightsNamed read = read(weights(name));
      SegmenterSpec spec = (SegmenterSpec) read.found.spec();
      if (!aligned) {
        assertThat(spec.form()).isEqualTo(SegmenterForm.AUTHORS);
        assertThat(spec.alignCorners()).isFalse();
        assertThat(read.found.reasons()).anyMatch(reason -> reason.startsWith("no conv_cat"));
      }
      assertComputes(name, spec.withForm(null, aligned), read.weights);
    }
  }

  private static void assertComputes(String name, SegmenterSpec spec, Map<String, Tensor> weights) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Segmenter network = InitialValues.skipped(spec::create);
      network.to(ScalarType.Double, false);
      StateDictMatch match = StateDictMatch.of(network, weights);
      assertThat(match.missing()).isEmpty();
      assertThat(match.unexpected()).isEmpty();
      assertThat(match.different()).isEmpty();
      match.load();
      network.eval();
      Tensor scores = network.scores(Filling.uniform("input", 1, 3, 40, 57));
      Filling.assertClose(
          Filling.values(scores), GOLDEN.path(name).path("scores"), STEP, TOLERANCE);
    }
  }

  /** The text of a configuration as MMEngine writes it, and as its predecessor did. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "dilations=( 1, 1, 2, 4, ), align_corners=True | 8 | true | false",
        "dilations=(1, 1, 1, 2), multi_grid=(1, 2, 4), align_corners=False | 16 | false | true",
        "dilations=(1, 12, 24, 36), align_corners=False, align_corners=True | | | false",
      })
  void aConfigurationTellsWhatWeightsDoNot(
      String text, Integer stride, Boolean aligned, boolean grid) {
    SegmentationConfig config = new SegmentationConfig(text);
    assertThat(config.outputStride()).isEqualTo(Optional.ofNullable(stride));
    assertThat(config.alignCorners()).isEqualTo(Optional.ofNullable(aligned));
    assertThat(config.multiGrid()).isEqualTo(grid);
    assertThat(config.obstacle()).isEmpty();
    assertThat(new SegmentationConfig("style='caffe'").obstacle().orElseThrow())
        .startsWith("its configuration has style='caffe'");
    assertThat(new SegmentationConfig("contract_dilation=False").obstacle()).isPresent();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "decode_head.dnl_block.g.conv.weight | DNLHead projects each of its two attentions",
        "decode_head.c1_bottleneck.conv.weight | this is DeepLabv3+",
        "decode_head.lateral_convs.0.conv.weight | this is a pyramid of features",
        "decode_head.linear_fuse.conv.weight | this is SegFormer",
        "decode_head.ema_module.bases | Fovea has no such head; it has those of DAHead, ",
      })
  void otherHeadsAreRefusedByName(String name, String reason) {
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> weights = new LinkedHashMap<>();
      weights.put("backbone.layer1.0.conv1.weight", torch.zeros(1));
      weights.put("decode_head.conv_seg.weight", torch.zeros(1)); // every head has it
      weights.put(name, torch.zeros(1));
      assertThatExceptionOfType(WeightsException.class)
          .isThrownBy(() -> read(weights))
          .withMessageContaining(reason);
    }
  }
}
