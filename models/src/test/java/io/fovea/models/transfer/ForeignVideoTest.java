package io.fovea.models.transfer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.models.Classifier;
import io.fovea.models.Filling;
import io.fovea.models.ModelSpec;
import io.fovea.models.VideoForm;
import io.fovea.models.weights.Layout;
import io.fovea.models.weights.StateDictMatch;
import io.fovea.models.weights.WeightsException;
import io.fovea.tensor.internal.InitialValues;
import io.fovea.testing.Numeric;
import io.fovea.testing.Thorough;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * State dicts of MMAction2's recognizers and of video-nonlocal-net (scripts/golden/mmaction2.py and
 * video_nonlocal_net.py) are recognised, and the networks compute what the code itself computes.
 */
@Numeric
class ForeignVideoTest {
  private static final JsonNode MMACTION = Filling.golden("mmaction.json");
  private static final JsonNode AUTHORS = Filling.golden("video_nonlocal_net.json");
  private static final double TOLERANCE = 1e-10;
  private static final double OF_FLOATS = 1e-5;
  private static final int STEP = 97;

  private record Read(Recognition found, Map<String, Tensor> weights) {
    ModelSpec spec() {
      return (ModelSpec) found.spec();
    }
  }

  private static Read read(JsonNode entry, Recognition.Known known, String config) {
    Map<String, Tensor> weights = Filling.weights(entry.path("state"));
    weights.replaceAll(ForeignVideoTest::scaled);
    Layout layout = Layout.recognise(weights.keySet()).orElseThrow();
    Map<String, Tensor> renamed = layout.rename(weights).tensors();
    Recognition found =
        Recognition.of(
            renamed, known, new Recognition.Source(layout.form(), new SegmentationConfig(config)));
    return new Read(found, found.renamed(renamed));
  }

  /** The scripts' smaller weights, with which a softmax has more than one large value. */
  private static Tensor scaled(String name, Tensor values) {
    double factor =
        values.dim() < 2
            ? 1
            : name.matches("nonlocal_.*|.*non_local_block.*") ? 0.1 : name.endsWith("_w") ? 0.5 : 1;
    return factor == 1 ? values : values.mul(new Scalar(factor));
  }

  private static Recognition.Known frames(int frames) {
    return new Recognition.Known(null, null, null, frames);
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      value = {
        "i3d_embedded | i3d-resnet50 | nonlocal:scale=false@after:every-other:2,3 | 0.25 |"
            + " mode='embedded_gaussian', use_scale=False",
        "i3d_dot_product_long | i3d-resnet50 | nonlocal:mode=dot_product@after:every-other:2,3 |"
            + " 0.25 | type='ResNet3d', conv1_stride_t=2, pool1_stride_t=2, mode='dot_product',"
            + " use_scale=True",
        "i3d_gaussian | i3d-resnet50 |"
            + " nonlocal:mode=gaussian,inter=half@after:every-other:2,3 | 0.25 | ''",
        "slow_only | slowonly-resnet50 | nonlocal:scale=true@after:2.1,2.3,3.1,3.3,3.5 | 0.25 | ''",
        "c2d | c2d-resnet18 | none | 1 | type='C2D', clip_len=8",
        "tsn | tsn-resnet18 | none | 1 | type='ResNet', clip_len=1, num_clips=3",
      })
  void areRecognisedAndComputeTheSame(
      String name, String backbone, String attention, double width, String config) {
    try (PointerScope scope = new PointerScope()) {
      JsonNode entry = MMACTION.path(name);
      int frames = entry.path("frames").asInt();
      Read read = read(entry, frames(frames), config);
      ModelSpec expected = new ModelSpec(backbone, 5, 3, width, frames, "none", VideoForm.MMACTION);
      assertThat(read.spec()).isEqualTo(expected.withAttention(expected.named(attention)));
      assertComputes(entry, read);
    }
  }

  private static void assertComputes(JsonNode entry, Read read) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Tensor x = Filling.uniform("clip", 2, 3, entry.path("frames").asInt(), 40, 57);
      Filling.assertClose(
          Filling.values(loaded(read).forward(x)), entry.path("scores"), 1, TOLERANCE);
    }
  }

  private static Classifier loaded(Read read) {
    Classifier network = InitialValues.skipped(read.spec()::create);
    network.to(ScalarType.Double, false);
    StateDictMatch match = StateDictMatch.of(network, read.weights);
    assertThat(match.missing()).isEmpty();
    assertThat(match.unexpected()).isEmpty();
    assertThat(match.different()).isEmpty();
    match.load();
    network.eval();
    return network;
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      value =
          "i3d_nonlocal_long | i3d-resnet50 |"
              + " nonlocal:subsample=first,scale=true@after:every-other:2,3")
  void theAuthorsNetworkIsRecognisedAndComputesTheSame(
      String name, String backbone, String attention) {
    computesTheSame(name, backbone, attention);
  }

  @Thorough
  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      value = {
        "c2d_nonlocal | c2d-resnet50 | nonlocal:subsample=first,scale=true@after:every-other:2,3",
        "c2d_long | c2d-resnet50 | none",
      })
  void theAuthorsOtherNetworksAreRecognisedAndComputeTheSame(
      String name, String backbone, String attention) {
    computesTheSame(name, backbone, attention);
  }

  /** Caffe2 computed in float32; what is compared are the features behind the last stage. */
  private static void computesTheSame(String name, String backbone, String attention) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      JsonNode entry = AUTHORS.path(name);
      int frames = entry.path("frames").asInt();
      Read read = read(entry, frames(frames), "");
      ModelSpec expected = new ModelSpec(backbone, 5, 3, 1, frames, "none", VideoForm.AUTHORS);
      assertThat(read.spec()).isEqualTo(expected.withAttention(expected.named(attention)));
      Classifier network = loaded(read);
      List<long[]> shapes = new ArrayList<>();
      List<double[]> features = new ArrayList<>();
      Classifier.observing(
          (layer, output) -> {
            if (layer.equals("layer4")) { // the tensor is valid here only
              shapes.add(output.shape());
              features.add(Filling.values(output));
            }
          },
          () -> network.forward(Filling.uniform("clip", 2, 3, frames, 40, 57)));
      assertThat(shapes.get(shapes.size() - 1)).containsExactly(longs(entry.path("shape")));
      Filling.assertClose(
          features.get(features.size() - 1), entry.path("features"), STEP, OF_FLOATS);
    }
  }

  private static long[] longs(JsonNode numbers) {
    long[] values = new long[numbers.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = numbers.path(i).asLong();
    }
    return values;
  }

  /** Blocks that attend within groups of frames, and scales in place of batch norms. */
  @Test
  void networksWithoutBatchNormsAreRefusedByName() {
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> weights = new LinkedHashMap<>();
      for (String name : List.of("res_conv1_bn_s", "res_conv1_bn_b", "res2_0_branch2a_w")) {
        weights.put(name, torch.zeros(1));
      }
      assertThatExceptionOfType(WeightsException.class)
          .isThrownBy(() -> Layout.recognise(weights.keySet()).orElseThrow().rename(weights))
          .withMessageContaining("USE_AFFINE");
    }
  }

  /** The weights of C2D and TSN are the same, so that one of them has to be named. */
  @Test
  void whatAFileCannotTellIsAskedFor() {
    try (PointerScope scope = new PointerScope()) {
      assertThatExceptionOfType(WeightsException.class)
          .isThrownBy(() -> read(MMACTION.path("tsn"), Recognition.Known.NOTHING, ""))
          .withMessageContaining("c2d-resnet18 and tsn-resnet18 have the same weights");
      Recognition.Known tsn = new Recognition.Known("tsn-resnet18", null, null, 3);
      assertComputes(MMACTION.path("tsn"), read(MMACTION.path("tsn"), tsn, ""));
      Recognition i3d = read(MMACTION.path("i3d_embedded"), Recognition.Known.NOTHING, "").found;
      assertThat(i3d.untold())
          .anyMatch(line -> line.startsWith("clips of 8 frames are taken, see --frames"))
          .anyMatch(line -> line.startsWith("nonlocal: mode=embedded_gaussian is taken"))
          .anyMatch(line -> line.startsWith("nonlocal: scale=true is taken"));
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "type='ResNet3d', style='caffe' | style='caffe'",
        "type='ResNet3d', conv1_stride_t=2, clip_len=16 | steps by two frames at its start",
        "type='ResNet3d', clip_len=32 | does not step by two frames at its start",
        "type='ResNet3d', with_pool2=False | with_pool2=False",
        "type='ResNet3d', temporal_strides=(1, 2, 2, 2) | temporal_strides",
      })
  void configurationsOfOtherNetworksAreRefused(String config, String reason) {
    try (PointerScope scope = new PointerScope()) {
      assertThatExceptionOfType(WeightsException.class)
          .isThrownBy(() -> read(MMACTION.path("i3d"), Recognition.Known.NOTHING, config))
          .withMessageContaining(reason);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "tsm | this is TSM",
        "slow_fast | this is SlowFast",
        "csn | this is CSN",
        "r2plus1d | this is R(2+1)D",
        "x3d | this is X3D",
        "c3d | this is C3D",
      })
  void otherRecognizersAreRefusedByName(String name, String reason) {
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> weights = new LinkedHashMap<>();
      MMACTION.path(name).path("names").forEach(each -> weights.put(each.asText(), torch.zeros(1)));
      assertThatExceptionOfType(WeightsException.class)
          .isThrownBy(() -> Layout.recognise(weights.keySet()).orElseThrow().rename(weights))
          .withMessageContaining(reason);
    }
  }
}
