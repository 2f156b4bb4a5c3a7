package io.fovea.models.transfer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.weights.Checkpoint;
import io.fovea.models.weights.CheckpointTest;
import io.fovea.models.weights.Layout;
import io.fovea.models.weights.Safetensors;
import io.fovea.models.weights.StateDict;
import io.fovea.models.weights.StateDictMatch;
import io.fovea.models.weights.WeightsException;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Other people's checkpoints (scripts/golden/imports.py) fill our networks, and these compute what
 * PyTorch computed.
 */
@Numeric
class ImportTest {
  private static final double NARROW = 0.0625;

  @TempDir Path folder;

  private static Path resource(String name) {
    try {
      return Path.of(ImportTest.class.getResource("/imports/" + name).toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      value = {
        "resnet | torchvision's ResNet | resnet18 | 0.0625 | none",
        "official-cbam | the official CBAM ResNet | resnet18 | 0.0625 | cbam:reduction=4,bias=true,norm=true",
        "official-bam | the official BAM ResNet | resnet18 | 0.0625 | bam:reduction=4",
        "timm-seresnet | timm's seresnet | resnet18 | 0.0625 | se:reduction=4,bias=true,divisor=8",
        "timm-ecaresnet | timm's ecaresnet | resnet18 | 0.0625 | eca",
        "se-resnet | SE-ResNet | resnet18 | 0.0625 | se:reduction=4",
        "non-local | the public non-local code | resnet18 | 0.0625 | nonlocal@stage:2,3",
        "googlenet | torchvision's GoogLeNet | googlenet | 0.0625 | none",
        "mobilenetv3 | torchvision's MobileNetV3 | mobilenetv3-small | 0.125"
            + " | se:reduction=4,bias=true,excitation=hard_sigmoid,divisor=8"
      })
  void computesWhatPyTorchComputed(
      String name, String title, String backbone, double width, String attention)
      throws IOException {
    try (PointerScope scope = new PointerScope()) {
      Checkpoint checkpoint = Checkpoint.read(resource(name + ".pt"));
      Layout layout = Layout.recognise(checkpoint.tensors().keySet()).orElseThrow();
      assertThat(layout.title()).isEqualTo(title);
      Layout.Renamed renamed = layout.rename(checkpoint.tensors());
      Classifier network = new ModelSpec(backbone, 5, 3, width, attention).create();

      StateDictMatch fit = StateDictMatch.of(network, renamed.tensors());

      assertThat(fit.missing()).isEmpty();
      assertThat(fit.unexpected()).isEmpty();
      assertThat(fit.different()).isEmpty();
      assertThat(fit.isExact()).isTrue();
      assertThat(fit.matched()).hasSameSizeAs(StateDict.of(network).keySet());
      fit.load();
      Map<String, Tensor> sample = Safetensors.read(resource(name + ".sample.safetensors"));
      OutputCheck check = OutputCheck.of(network, sample);
      assertThat(check.unknown()).isEmpty();
      assertThat(check.rows()).extracting(OutputCheck.Row::name).hasSizeGreaterThan(2);
      Map<String, Tensor> single = outputs(scope, network, sample.get("input"));
      network.to(ScalarType.Double, false);
      Map<String, Tensor> exact =
          outputs(scope, network, sample.get("input").to(ScalarType.Double));
      for (OutputCheck.Row row : check.rows()) {
        // PyTorch and Fovea both computed in float32, and both are that close to float64.
        Tensor wide = exact.get(row.name());
        double error = Rounding.error(single.get(row.name()), wide);
        double bound = Rounding.byReference(error, Rounding.largest(wide));
        assertThat(row.difference()).as(row.name()).isLessThanOrEqualTo(bound);
        assertThat(row.scale()).as(row.name()).isGreaterThan(0.01);
      }
    }
  }

  /** What the layers of a network give, by their names, and its scores. */
  private static Map<String, Tensor> outputs(PointerScope scope, Classifier network, Tensor input) {
    Map<String, Tensor> outputs = new LinkedHashMap<>();
    try (NoGradGuard guard = new NoGradGuard()) {
      Tensor scores =
          Classifier.observing(
              (name, output) -> {
                outputs.put(name, output.clone());
                scope.attach(outputs.get(name));
              },
              () -> network.forward(input));
      outputs.put(OutputCheck.OUTPUT, scores);
    }
    return outputs;
  }

  /** The maximum comes first in the authors' code, the mean in ours: forgotten, it all looks well. */
  @Test
  void theOfficialCbamNeedsItsInputsReversed() throws IOException {
    try (PointerScope scope = new PointerScope()) {
      Checkpoint checkpoint = Checkpoint.read(resource("official-cbam.pt"));
      Map<String, Tensor> renamed =
          new LinkedHashMap<>(
              Layout.recognise(checkpoint.tensors().keySet())
                  .orElseThrow()
                  .rename(checkpoint.tensors())
                  .tensors());
      renamed.replaceAll(
          (name, tensor) -> name.endsWith("sa.conv.weight") ? tensor.flip(1) : tensor);
      Classifier network =
          new ModelSpec("resnet18", 5, 3, NARROW, "cbam:reduction=4,bias=true,norm=true").create();
      StateDictMatch fit = StateDictMatch.of(network, renamed);
      assertThat(fit.isExact()).isTrue();
      fit.load();
      OutputCheck check =
          OutputCheck.of(network, Safetensors.read(resource("official-cbam.sample.safetensors")));
      assertThat(check.isWithin(1e-3)).isFalse();
    }
  }

  @Test
  void auxiliaryClassifiersAreLeftOutAndNamed() throws IOException {
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> tensors = Checkpoint.read(resource("googlenet.pt")).tensors();
      Layout layout = Layout.recognise(tensors.keySet()).orElseThrow();
      assertThat(layout.rename(tensors).dropped())
          .containsOnlyKeys("aux1.weight", "aux1.bias", "aux2.weight", "aux2.bias")
          .containsValue("auxiliary classifiers are of use in training only");
      assertThat(layout.note().orElseThrow()).contains("--mean 0.5,0.5,0.5");
    }
  }

  /** timm's published ecaresnets have stems of three convolutions. */
  @Test
  void deepStemsKeepTheirNames() {
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> tensors =
          Map.of(
              "conv1.0.weight",
              torch.ones(32, 3, 3, 3),
              "layer1.0.se.conv.weight",
              torch.ones(1, 1, 3));
      Layout layout = Layout.recognise(tensors.keySet()).orElseThrow();
      assertThat(layout.title()).isEqualTo("timm's ecaresnet");
      Map<String, Tensor> renamed = layout.rename(tensors).tensors();
      assertThat(renamed).containsOnlyKeys("conv1.0.weight", "layer1.0.eca.conv.weight");
      Classifier network = new ModelSpec("resnet50d", 5, 3, 1, "eca").create();
      assertThat(StateDict.of(network)).containsKeys(renamed.keySet().toArray(String[]::new));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "head.sa.query_conv.weight, the official DANet",
    "nl_1.W.1.weight, the public non-local code",
    "layer2.1.nl.g.0.weight, the public non-local code",
    "layer1.0.se.fc.0.weight, SE-ResNet",
    "layer1.0.conv1.weight, torchvision's ResNet",
    "transformer.weight, "
  })
  void recognisesLayouts(String name, String title) {
    assertThat(Layout.recognise(Set.of("fc.weight", name)).map(Layout::title).orElse(null))
        .isEqualTo(title);
  }

  @Test
  void aUsersTableRenames() throws IOException {
    Path rules = folder.resolve("rules.txt");
    Files.writeString(
        rules,
        """
        # from Lightning
        ^backbone\\. ->
        ^(layer\\d+)_(\\d+)\\. -> $1.$2.
        ^ema\\. -> (drop: moving averages)
        gate\\.weight$ -> sa.conv.weight (reverse inputs)
        """);
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      tensors.put("backbone.layer1_0.conv1.weight", torch.ones(1));
      tensors.put("ema.decay", torch.ones(1));
      tensors.put("backbone.gate.weight", torch.arange(new Scalar(2L)).reshape(1, 2));
      Layout.Renamed renamed = Layout.read(rules).rename(tensors);
      assertThat(renamed.tensors().keySet())
          .containsExactly("layer1.0.conv1.weight", "sa.conv.weight");
      assertThat(CheckpointTest.values(renamed.tensors().get("sa.conv.weight")))
          .containsExactly(1, 0);
      assertThat(renamed.dropped()).containsExactly(Map.entry("ema.decay", "moving averages"));
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "a -> b (forget: x) | line 1: expected (drop: why), (refuse: why) or (reverse inputs)",
        "a = b | line 1: expected regex -> replacement, got \"a = b\"",
        "a( -> b | line 1: not a regular expression: Unclosed group in \"a(\"",
        "a -> $1 | line 1: \"$1\" cannot be filled in: No group 1",
        "[ab] -> c | a and b would both become c",
        "a -> (refuse: no a here) | a: no a here",
        "b -> b (reverse inputs) | b has no input channels to reverse",
        "recognised by: a | is allowed in Fovea's own layouts only"
      })
  void saysWhatIsWrongWithATable(String line, String complaint) throws IOException {
    Path rules = folder.resolve("rules.txt");
    Files.writeString(rules, line + "\n");
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      tensors.put("a", torch.ones(1));
      tensors.put("b", torch.ones(1));
      assertThatExceptionOfType(WeightsException.class)
          .isThrownBy(() -> Layout.read(rules).rename(tensors))
          .withMessageContaining(complaint);
    }
  }

  @Test
  void saysWhatDoesNotFitAndLoadsTheRest() {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = new ModelSpec("resnet8", 3, 3, 1, "se").create();
      Map<String, Tensor> weights = new LinkedHashMap<>(StateDict.of(network));
      weights.remove("layer1.0.se.fc.0.weight");
      weights.remove("bn1.num_batches_tracked"); // PyTorch before 0.4.1 had none
      weights.put("fc.weight", torch.zeros(10, 64));
      weights.put("other", torch.zeros(1));
      weights.put("conv1.weight", torch.full(new long[] {16, 3, 3, 3}, new Scalar(2.0)));

      StateDictMatch fit = StateDictMatch.of(network, weights);

      assertThat(fit.isExact()).isFalse();
      assertThat(fit.missing()).containsExactly("layer1.0.se.fc.0.weight");
      assertThat(fit.unexpected()).containsExactly("other");
      assertThat(fit.different())
          .containsExactly(Map.entry("fc.weight", "[10, 64], expected [3, 64]"));
      fit.load();
      assertThat(CheckpointTest.values(StateDict.of(network).get("conv1.weight"))).containsOnly(2);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"input", "output"})
  void aSampleNeedsInputAndOutput(String missing) throws IOException {
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> sample =
          new LinkedHashMap<>(Safetensors.read(resource("resnet.sample.safetensors")));
      sample.remove(missing);
      Classifier network = new ModelSpec("resnet18", 5, 3, NARROW, "none").create();
      assertThatExceptionOfType(WeightsException.class)
          .isThrownBy(() -> OutputCheck.of(network, sample))
          .withMessageContaining("the sample has no tensor \"" + missing + "\"");
    }
  }

  @Test
  void aSampleOfAnotherNetworkIsFarOff() throws IOException {
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> sample =
          new LinkedHashMap<>(Safetensors.read(resource("resnet.sample.safetensors")));
      sample.put("layer/somewhere", torch.zeros(1));
      torch.manual_seed(1);
      Classifier network = new ModelSpec("resnet18", 5, 3, NARROW, "none").create();
      OutputCheck check = OutputCheck.of(network, sample);
      assertThat(check.isWithin(0.01)).isFalse();
      assertThat(check.unknown()).containsExactly("somewhere");
      sample.put("output", torch.zeros(1, 6));
      assertThatExceptionOfType(WeightsException.class)
          .isThrownBy(() -> OutputCheck.of(network, sample))
          .withMessage("the sample's output has shape [1, 6], the network's [1, 5]");
    }
  }
}
