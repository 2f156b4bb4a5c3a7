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
import java.util.function.UnaryOperator;
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
        "resnet | resnet18 | 0.0625 | none",
        "official-cbam | resnet18 | 0.0625 | cbam:reduction=4,bias=true,norm=true",
        "official-bam | resnet18 | 0.0625 | bam:reduction=4",
        "timm-seresnet | resnet18 | 0.0625 | se:reduction=4,bias=true,divisor=8",
        "timm-ecaresnet | resnet18 | 0.0625 | eca",
        "se-resnet | resnet18 | 0.0625 | se:reduction=4",
        "non-local | resnet18 | 0.0625 | nonlocal@stage:2,3",
        "googlenet | googlenet | 0.0625 | none",
        "mobilenetv3 | mobilenetv3-small | 0.125"
            + " | se:reduction=4,bias=true,excitation=hard_sigmoid,divisor=8",
        "fightingcv | resnet18 | 0.0625 | external:size=8,block=false@stage:2,3",
        "mmpretrain | resnet18 | 0.0625 | se:reduction=4,bias=true",
        "transformers | resnet18 | 0.0625 | none",
        "timm-cbam | resnet18 | 0.0625 | cbam:reduction=4,norm=true",
        "timm-gc | resnet18 | 0.0625 | gc:reduction=4,fusion=multiply,eps=0.000001",
        "luuuyi | resnet18 | 0.0625 | cbam:reduction=4",
        "a2 | resnet18 | 0.0625 | a2@stage:2,3",
      })
  void computesWhatPyTorchComputed(String name, String backbone, double width, String attention)
      throws IOException {
    try (PointerScope scope = new PointerScope()) {
      WeightsFile file =
          WeightsFile.read(resource(name + ".pt"), null, null, Recognition.Known.NOTHING);
      ModelSpec spec = (ModelSpec) file.recognition().orElseThrow().spec();
      assertThat(spec).isEqualTo(new ModelSpec(backbone, 5, 3, width, attention));
      assertThat(file.reasons().get(0)).startsWith(backbone + " of width " + width + ": ");
      Classifier network = spec.create();

      StateDictMatch fit = StateDictMatch.of(network, file.weights());

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
      Map<String, Tensor> renamed =
          new LinkedHashMap<>(
              WeightsFile.read(resource("official-cbam.pt"), null, null, Recognition.Known.NOTHING)
                  .weights());
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

  /** The hidden width of its modules depends on the blocks around them. */
  @Test
  void theOwnAttentionOfABackboneIsTakenAsAWhole() {
    try (PointerScope scope = new PointerScope()) {
      String own = Classifier.builder("efficientnet_b0").ownAttention().orElseThrow().toString();
      ModelSpec spec = new ModelSpec("efficientnet_b0", 3, 3, 1, own);
      assertThat(recognised(spec, name -> name).spec().attention()).isEqualTo(own);
    }
  }

  /** What a file cannot tell is found by trying the other values of options. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "se-resnet | se: squeeze=avg is taken, it may be max or avgmax: ",
        "se-resnet | se: excitation=sigmoid is taken, it may be relu or tanh or hard_sigmoid: ",
        "official-cbam | cbam: order=channel_first is taken, it may be spatial_first or parallel: ",
        "official-bam | bam: combine=multiply is taken, it may be add or max: ",
        "official-bam | bam: dilation=4 is taken, it may be 1 or 2: ",
        "non-local | nonlocal: scale=false is taken, it may be true: ",
        "a2 | a2: the copies of fightingcv and of YOLO have the same names, but normalise over the batch",
        "timm-cbam | cbam: it is taken to stand before the addition of its block",
        "resnet | attention without weights (simam) leaves no trace in a file; none is taken",
      })
  void saysWhatNamesAndShapesDoNotTell(String name, String sentence) throws IOException {
    try (PointerScope scope = new PointerScope()) {
      assertThat(
              WeightsFile.read(resource(name + ".pt"), null, null, Recognition.Known.NOTHING)
                  .untold())
          .anyMatch(each -> each.startsWith(sentence));
    }
  }

  private static Recognition recognised(ModelSpec spec, UnaryOperator<String> renamed) {
    Map<String, Tensor> weights = new LinkedHashMap<>();
    StateDict.of(spec.create()).forEach((name, tensor) -> weights.put(renamed.apply(name), tensor));
    return Recognition.of(weights, Recognition.Known.NOTHING);
  }

  /** Every mechanism recognises its own weights, with options that are not the defaults, too. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "pam:reduction=4",
        "cam",
        "dual:reduction=4",
        "nonlocal:subsample=false,bn=false",
        "nonlocal:mode=gaussian",
        "nonlocal:mode=concatenation",
        "ese",
        "gct",
        "srm",
        "nam",
        "coord",
        "coord:names=networks",
        "triplet:spatial=false",
        "triplet:names=networks",
        "sge:groups=8",
        "lka",
        "gc:fusion=both,pool=average",
        "grn",
        "scse@standard",
        "fca:frequencies=low4",
        "mlca:learned=true",
        "shuffle:groups=4",
        "ema:factor=4",
        "gam:groups=2",
        "ela:size=t,groups=4",
        "polarized",
        "polarized:order=sequential",
        "polarized:form=paper",
        "ge:parameters=true,extent=2",
        "external:size=16",
        "a2:residual=true",
        "crisscross:recurrence=1",
        "strip",
        "strip:form=timm",
        "cpca",
        "caa:norm=false",
        "lsk",
        "mhsa:size=4@conv:1",
        "mhsa:position=relative,size=4@conv:1",
        "dnl:unary=false",
        "sk:groups=8",
        "splat",
        "bam:layers=2,convs=1",
        "cbam:branches=spatial,kernel=3",
        "eca:bias=true",
        "se@pre",
        "cbam@post:2,3",
        "nonlocal@after:3.1",
        "se; nonlocal",
        "cbam; bam"
      })
  void everyMechanismRecognisesItsOwnWeights(String attention) {
    try (PointerScope scope = new PointerScope()) {
      ModelSpec spec = new ModelSpec("resnet8", 3, 3, 2, attention);
      Recognition found = recognised(spec, name -> name);
      assertThat(found.unknown()).isEmpty();
      Map<String, Tensor> expected = StateDict.of(spec.create());
      Map<String, Tensor> created = StateDict.of(found.spec().create());
      assertThat(created.keySet()).as(found.spec().attention()).isEqualTo(expected.keySet());
      expected.forEach(
          (name, tensor) ->
              assertThat(created.get(name).shape()).as(name).isEqualTo(tensor.shape()));
    }
  }

  /** Files that the copies of some mechanisms make have the names of the authors' or map to them. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "lka | conv0. > DW_conv., conv_spatial. > DW_D_conv. | ",
        "srm | cfc > cfc.weight | srm: changzy00's copy adds no 1e-5 to the variance",
        "dnl | | dnl: the authors' class has the same names whatever it subtracts from queries and keys",
        "fca | | fca: the cosines of dct_layer.weight tell the frequencies",
      })
  void copiesWithTheSameWeightsAreTaken(String mechanism, String names, String doubt) {
    try (PointerScope scope = new PointerScope()) {
      Recognition found =
          recognised(
              new ModelSpec("resnet8", 3, 3, 2, mechanism),
              name -> {
                String result = name;
                for (String pair : names == null ? new String[0] : names.split(", ")) {
                  String[] both = pair.split(" > ");
                  result = result.replace(both[0], both[1]);
                }
                return result;
              });
      assertThat(found.unknown()).isEmpty();
      assertThat(found.spec().attention()).startsWith(mechanism);
      if (doubt != null) {
        assertThat(found.untold()).anyMatch(each -> each.startsWith(doubt));
      }
    }
  }

  @Test
  void twoMechanismsWithTheSameWeightsAreBothNamed() {
    try (PointerScope scope = new PointerScope()) {
      Recognition found = recognised(new ModelSpec("resnet8", 3, 3, 1, "pam"), name -> name);
      assertThat(found.spec().attention()).isEqualTo("pam");
      assertThat(found.untold())
          .contains("pam is taken, it may be crisscross: both have the same names and shapes");
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "ca.se.0.weight, ca.se.2.weight, sa.conv.weight, sa.conv.bias"
            + " | cbam as fightingcv has it, which Fovea does not compute: it adds x to its result",
        "conv1x1.0.weight, conv1x1.0.bias, conv1x1.1.weight, conv1x1.1.bias"
            + " | ela as YOLO's copies has it, which Fovea does not compute: it has a 1x1 convolution",
        "conv.weight, conv.bias, transform.0.weight, transform.0.bias, transform.1.weight"
            + " | gc as changzy00 has it, which Fovea does not compute: it makes a softmax and does not",
        "ch.conv.conv.weight, ch.conv.conv.bias, cw.conv.conv.weight, hw.conv.conv.weight"
            + " | triplet as changzy00 has it",
        "convs.0.conv.weight, fc.weight, fcs.0.weight | sk as fightingcv and YOLO's copies has it",
        "conv_query.weight, conv_key.weight, conv_value.weight, conv_out.weight, gamma"
            + " | dnl as the authors' class with use_out=True has it, which Fovea does not compute: its values",
        "conv_query.weight, conv_key.weight, conv_value.weight, conv_mask.weight, out_bn.weight, gamma"
            + " | dnl as the authors' class with out_bn=True has it",
        "conv_query.weight, conv_key.weight, conv_value.weight, key_bn.running_mean, gamma"
            + " | dnl as the authors' class with a batch norm in whiten_type has it",
        "theta.conv.weight, phi.conv.weight, g.conv.weight, conv_out.conv.weight, conv_out.bn.weight,"
            + " conv_mask.weight | dnl as MMSegmentation has it, which Fovea does not compute: its output"
            + " convolution projects each of the two maps by itself",
        "conv1_1.0.weight, conv1_2.0.weight, conv2_0.0.weight, conv2_6.0.weight, conv3.0.weight"
            + " | strip as the authors' StripPooling for heads, and the copies of pprp and AIFengheshu, has it",
      })
  void aCopyThatComputesSomethingElseIsNamed(String names, String complaint) {
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> weights =
          new LinkedHashMap<>(StateDict.of(new ModelSpec("resnet8", 3, 3, 1, "none").create()));
      for (String name : names.split(", ")) {
        weights.put("layer1.0.att." + name, torch.ones(4, 2, 3));
      }
      assertThatExceptionOfType(WeightsException.class)
          .isThrownBy(() -> Recognition.of(weights, Recognition.Known.NOTHING))
          .withMessageStartingWith("layer1.0.att.* is " + complaint);
    }
  }

  @Test
  void aClassifierBehindADropoutIsTaken() {
    try (PointerScope scope = new PointerScope()) {
      ModelSpec spec = new ModelSpec("resnet8", 7, 3, 1, "none");
      Map<String, Tensor> weights = new LinkedHashMap<>();
      StateDict.of(spec.create())
          .forEach((name, tensor) -> weights.put(name.replace("fc.", "fc.1."), tensor));
      Recognition found = Recognition.of(weights, Recognition.Known.NOTHING);
      assertThat(found.spec()).isEqualTo(spec);
      assertThat(found.renamed(weights)).containsKeys("fc.weight", "fc.bias");
      weights.put("fc.3.weight", torch.ones(7, 7));
      assertThatExceptionOfType(WeightsException.class)
          .isThrownBy(() -> Recognition.of(weights, Recognition.Known.NOTHING))
          .withMessageStartingWith(
              "the classifier has 2 layers (fc.1.weight, fc.3.weight), but the networks here");
    }
  }

  @Test
  void aClassifierOfAnotherNameIsTaken() {
    try (PointerScope scope = new PointerScope()) {
      ModelSpec spec = new ModelSpec("resnet8", 7, 3, 1, "none");
      Map<String, Tensor> weights = new LinkedHashMap<>();
      StateDict.of(spec.create())
          .forEach((name, tensor) -> weights.put(name.replace("fc.", "my_head."), tensor));
      Recognition found = Recognition.of(weights, Recognition.Known.NOTHING);
      assertThat(found.spec()).isEqualTo(spec);
      assertThat(found.reasons()).contains("my_head.weight is taken for fc.weight");
      assertThat(found.renamed(weights)).containsKeys("fc.weight", "fc.bias");
      weights.put("other.weight", torch.ones(2, 64)); // now either may be meant
      assertThat(Recognition.of(weights, Recognition.Known.NOTHING).unknown())
          .contains("my_head.weight", "other.weight");
    }
  }

  /** Bottlenecks without statistics are not taken for basic blocks, which have fewer names. */
  @Test
  void groupNormsDoNotHideTheBackbone() {
    try (PointerScope scope = new PointerScope()) {
      ModelSpec spec = new ModelSpec("resnet50", 4, 3, 0.0625, "none");
      Map<String, Tensor> weights = new LinkedHashMap<>(StateDict.of(spec.create()));
      weights.keySet().removeIf(name -> name.matches(".*\\.(running_\\w+|num_batches_tracked)"));
      assertThat(Recognition.of(weights, Recognition.Known.NOTHING).spec()).isEqualTo(spec);
    }
  }

  /** A network with more blocks than Fovea's is compared with it, not with one of fewer names. */
  @Test
  void aDeeperNetworkIsComparedWithItsOwnKind() {
    try (PointerScope scope = new PointerScope()) {
      ModelSpec spec = new ModelSpec("convnext_tiny", 4, 3, 0.25, "none");
      Map<String, Tensor> weights = new LinkedHashMap<>();
      StateDict.of(spec.create())
          .forEach(
              (name, tensor) -> {
                weights.put(name, tensor);
                if (name.startsWith("features.5.0.")) {
                  for (int block = 9; block < 27; block++) {
                    weights.put(name.replace("5.0.", "5." + block + "."), tensor);
                  }
                }
              });
      assertThat(Recognition.of(weights, Recognition.Known.NOTHING).reasons().get(0))
          .startsWith("convnext_tiny of width 0.25: ");
    }
  }

  @Test
  void whatIsNotRecognisedIsComparedWithTheNearest() {
    try (PointerScope scope = new PointerScope()) {
      ModelSpec spec = new ModelSpec("resnet8", 7, 3, 1, "none");
      assertThatExceptionOfType(WeightsException.class)
          .isThrownBy(() -> recognised(spec, name -> "trunk." + name))
          .withMessageContaining("not recognised: the nearest backbone is ")
          .withMessageEndingWith(
              "most names begin with trunk., which a file for --rename with the line ^trunk\\. ->"
                  + " removes");
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "resnet8 | 1",
        "resnet34 | 0.0625",
        "wide_resnet50_2 | 0.0625",
        "resnext50 | 0.0625",
      })
  void backbonesAreToldApart(String backbone, double width) {
    try (PointerScope scope = new PointerScope()) {
      ModelSpec spec = new ModelSpec(backbone, 4, 1, width, "none");
      assertThat(recognised(spec, name -> name).spec()).isEqualTo(spec);
    }
  }

  /** These pool and step otherwise, and no name shows it. */
  @ParameterizedTest
  @ValueSource(
      strings = {"resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50"})
  void legacySeResnetsAreRefused(String backbone) {
    Layout layout = Layout.recognise(Set.of("layer0.conv1.weight")).orElseThrow();
    assertThatExceptionOfType(WeightsException.class)
        .isThrownBy(() -> layout.requireKnown(backbone))
        .withMessageContaining("the pooling of their stem has no padding");
  }

  @ParameterizedTest
  @CsvSource({
    "head.sa.query_conv.weight, the official DANet",
    "decode_head.pam.query_project.weight, MMSegmentation's DANet (DAHead)",
    "backbone.layer1.0.conv1.weight, mmpretrain's ResNet",
    "layer1.0.conv1.weight, torchvision's ResNet",
    "bn1._mean, PaddlePaddle",
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
      assertThat(renamed.idle()).isEmpty();
      Files.writeString(rules, "\uFEFF^nothing\\. -> a.\n");
      assertThat(Layout.read(rules).rename(tensors).idle())
          .containsExactly(rules + ", line 1, \"^nothing\\.\"");
      Files.write(rules, new byte[] {(byte) 0xe4, '\n'});
      assertThatExceptionOfType(WeightsException.class)
          .isThrownBy(() -> Layout.read(rules))
          .withMessage(rules + ": is not UTF-8 text; save it as UTF-8");
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "a -> b (forget: x) | line 1: expected (drop: why), (refuse: why), (reverse inputs), (zero bias) or (one frame)",
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
