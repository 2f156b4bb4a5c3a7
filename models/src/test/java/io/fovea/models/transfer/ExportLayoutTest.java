package io.fovea.models.transfer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.onnx.OnnxRuntime;
import io.fovea.models.weights.WeightsException;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Names and shapes as the others have them; scripts/golden/layouts.py asked them. */
@Numeric
class ExportLayoutTest {
  private static Map<String, Tensor> weights(ExportLayout layout, ModelSpec spec) {
    return layout.weights(spec, spec.create());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "torchvision resnet18 none",
        "torchvision mobilenetv3-small"
            + " se:reduction=4,bias=true,excitation=hard_sigmoid,divisor=8",
        "timm resnet18 se:bias=true,divisor=8",
        "official resnet18 cbam:bias=true",
        "official resnet18 bam",
      })
  void hasTheirNamesAndShapes(String network) throws IOException {
    Map<String, Map<String, String>> golden;
    try (InputStream in = ExportLayoutTest.class.getResourceAsStream("/golden/layouts.json")) {
      golden = new ObjectMapper().readValue(in, new TypeReference<>() {});
    }
    String[] parts = network.split(" ");
    try (PointerScope scope = new PointerScope()) {
      Map<String, String> shapes = new TreeMap<>();
      weights(
              ExportLayout.valueOf(parts[0].toUpperCase(Locale.ROOT)),
              new ModelSpec(parts[1], 1000, 3, 1, parts[2]))
          .forEach(
              (name, tensor) ->
                  shapes.put(
                      name,
                      Arrays.stream(tensor.shape())
                          .mapToObj(Long::toString)
                          .collect(Collectors.joining("x"))));
      assertThat(shapes).isEqualTo(golden.get(network));
    }
  }

  /** The authors' gate of a position, written down from their code, on the exported weights. */
  @Test
  void theOfficialSpatialGateIsTheSameOne() {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      ModelSpec spec = new ModelSpec("resnet18", 3, 3, 1, "cbam:bias=true");
      Classifier network = spec.create();
      OnnxRuntime.randomise(network);
      network.eval();
      Map<String, Tensor> weights = ExportLayout.OFFICIAL.weights(spec, network);
      String cbam = "layer1.0.cbam.";
      weights.replaceAll((name, tensor) -> tensor.to(ScalarType.Double));
      network.to(ScalarType.Double, false);
      Tensor x = torch.randn(2, 64, 9, 8).to(ScalarType.Double);
      Tensor gated =
          x.mul(
              mlp(weights, cbam, x.mean(new long[] {2, 3}, false, null))
                  .add(mlp(weights, cbam, x.amax(new long[] {2, 3}, false)))
                  .sigmoid()
                  .unsqueeze(2)
                  .unsqueeze(3));
      Tensor maximumFirst =
          torch.cat(
              new TensorVector(
                  gated.amax(new long[] {1}, true), gated.mean(new long[] {1}, true, null)),
              1);
      Tensor scores =
          torch.conv2d(
              maximumFirst,
              weights.get(cbam + "SpatialGate.spatial.conv.weight"),
              none(),
              new long[] {1, 1},
              new long[] {3, 3},
              new long[] {1, 1},
              1);
      Tensor normalised =
          torch.batch_norm(
              scores,
              some(weights, cbam, "weight"),
              some(weights, cbam, "bias"),
              some(weights, cbam, "running_mean"),
              some(weights, cbam, "running_var"),
              false,
              0.01,
              1e-5,
              false);
      Tensor expected = gated.mul(normalised.sigmoid());
      Tensor actual = network.attentions().get("layer1.0.cbam").forward(x);
      // the batch norm that does nothing is written in float32: its variance is one rounding off
      double bound = 2 * Rounding.UNIT * expected.abs().max().item_double();
      assertThat(actual.sub(expected).abs().max().item_double()).isLessThan(bound);
      assertThat(normalised.std(true).item_double()).isGreaterThan(0.01);
    }
  }

  private static TensorOptional none() {
    return new TensorOptional();
  }

  private static TensorOptional some(Map<String, Tensor> weights, String cbam, String name) {
    return new TensorOptional(weights.get(cbam + "SpatialGate.spatial.bn." + name));
  }

  private static Tensor mlp(Map<String, Tensor> weights, String cbam, Tensor x) {
    Tensor hidden = linear(weights, cbam + "ChannelGate.mlp.1.", x).relu();
    return linear(weights, cbam + "ChannelGate.mlp.3.", hidden);
  }

  private static Tensor linear(Map<String, Tensor> weights, String layer, Tensor x) {
    return x.matmul(weights.get(layer + "weight").t())
        .add(weights.get(layer + "bias"), new Scalar(1));
  }

  @ParameterizedTest(name = "{0}: {1} with {2}")
  @CsvSource(
      delimiter = '|',
      value = {
        "TORCHVISION|resnet8|none|3|1|layout torchvision: it has no resnet8;"
            + " it has googlenet, mobilenetv3-large, mobilenetv3-small, resnet101,"
            + " resnet152, resnet18, resnet34, resnet50, resnext101_32x8d, resnext101_64x4d,"
            + " resnext50, wide_resnet101_2, wide_resnet50_2; available for"
            + " this network: no layout except Fovea's own",
        "TORCHVISION|resnet18|se:bias=true,divisor=8|3|1|layout torchvision:"
            + " its network has no attention, this one has se:bias=true,divisor=8;"
            + " available for this network: timm",
        "TORCHVISION|mobilenetv3-small|none|3|1|its network has se, this one has none",
        "TORCHVISION|mobilenetv3-small|se:reduction=4|3|1|its se has bias=true, this one bias=false",
        "TORCHVISION|resnet18|none|1|1|its networks take 3 channels, this one"
            + " takes 1; available for this network: timm",
        "TORCHVISION|resnet18|none|3|0.5|its networks have width 1, this one has 0.5",
        "TIMM|resnet18|se|3|1|its se has bias=true, this one bias=false",
        "TIMM|resnet18|se:bias=true|3|1|its squeeze-and-excitation is se:bias=true,divisor=8, this"
            + " one has another width: layer1.0.se.fc.0.weight is [4, 64]",
        "TIMM|resnet18|se:bias=true,divisor=8@pre|3|1|its se is at the place"
            + " of its paper, this one is at pre",
        "TIMM|googlenet|none|3|1|it has no googlenet",
        "TIMM|resnet18|cbam|3|1|its network has se, this one has cbam;"
            + " available for this network: official",
        "OFFICIAL|resnet18|none|3|1|its network has bam or cbam, this one has"
            + " none; available for this network: torchvision, timm",
        "OFFICIAL|resnet18|cbam:kernel=3|3|1|its cbam has kernel=7, this one kernel=3",
        "OFFICIAL|resnet18|cbam:residual=true|3|1|its cbam has residual=false, this one residual=true",
        "OFFICIAL|resnet18|bam:combine=add|3|1|its bam has combine=multiply, this one combine=add",
        "OFFICIAL|resnet18|bam; se|3|1|its network has bam or cbam, this one has bam; se",
      })
  void refusesWhatTheyDoNotHave(
      ExportLayout layout,
      String backbone,
      String attention,
      int channels,
      double width,
      String message) {
    try (PointerScope scope = new PointerScope()) {
      ModelSpec spec = new ModelSpec(backbone, 3, channels, width, attention);
      assertThatExceptionOfType(WeightsException.class)
          .isThrownBy(() -> weights(layout, spec))
          .withMessageContaining(message);
    }
  }
}
