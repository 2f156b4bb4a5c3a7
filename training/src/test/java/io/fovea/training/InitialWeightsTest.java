package io.fovea.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.fovea.data.DataException;
import io.fovea.data.ImageDataset;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.data.source.DataSpec;
import io.fovea.data.video.Sampling;
import io.fovea.errors.SpecException;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.models.Segmenter;
import io.fovea.models.weights.Safetensors;
import io.fovea.models.weights.StateDict;
import io.fovea.models.weights.WeightsException;
import io.fovea.testing.Numeric;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Numeric
class InitialWeightsTest {
  @TempDir Path temporary;
  private final List<String> lines = new ArrayList<>();

  /** Writes the weights of another network than those of the tests' trainings. */
  private Path file(NetworkSpec<?> spec, UnaryOperator<String> names) throws IOException {
    Path file = temporary.resolve("weights.safetensors");
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> state = new LinkedHashMap<>();
      StateDict.of(spec.create(77)).forEach((name, tensor) -> state.put(names.apply(name), tensor));
      Safetensors.write(file, state, Map.of());
    }
    return file;
  }

  private static Map<String, double[]> values(Network network) {
    Map<String, double[]> values = new LinkedHashMap<>();
    try (PointerScope scope = new PointerScope()) {
      StateDict.of(network)
          .forEach(
              (name, tensor) -> {
                Tensor wide = tensor.detach().to(torch.ScalarType.Double).contiguous();
                double[] copy = new double[(int) wide.numel()];
                new DoublePointer(wide.data_ptr()).get(copy);
                values.put(name, copy);
              });
    }
    return values;
  }

  private static List<String> different(Map<String, double[]> one, Map<String, double[]> other) {
    return one.keySet().stream()
        .filter(other::containsKey)
        .filter(name -> !Arrays.equals(one.get(name), other.get(name)))
        .toList();
  }

  private static Training<Classifier, ImageDataset> training(String attention, TrainingSpec spec) {
    return Training.of(
        Tasks.CLASSIFICATION, Shades.MODEL.withAttention(attention), Shades.data(), spec);
  }

  @Test
  void classifierAndAttentionStartFreshAndTheRestIsLoaded() throws IOException {
    ModelSpec theirs = Shades.MODEL.withData(7, 1);
    Path file = file(theirs, name -> name);

    Training<Classifier, ImageDataset> training =
        training("cbam:reduction=2", Shades.TRAINING).startFrom(file, lines::add);

    Map<String, double[]> ours = values(training.network());
    List<String> fresh = training.startedFrom().orElseThrow().fresh();
    assertThat(different(values(theirs.create(77)), ours)).containsOnly("fc.weight", "fc.bias");
    assertThat(fresh)
        .contains("fc.weight", "fc.bias", "layer1.0.ca.sharedMLP.0.weight")
        .allMatch(name -> name.startsWith("fc.") || name.contains(".ca.") || name.contains(".sa."));
    assertThat(different(ours, values(training("cbam:reduction=2", Shades.TRAINING).network())))
        .doesNotContainAnyElementsOf(fresh);
    assertThat(lines)
        .hasSize(3)
        .contains("the classifier starts fresh: 2 classes instead of 7")
        .anyMatch(
            line ->
                line.matches(
                    "starts from .*weights.safetensors \\(torchvision's ResNet\\): \\d+ tensors"))
        .anyMatch(line -> line.startsWith("attention starts fresh: layer1.0."));
  }

  @Test
  void aClassifierForAsManyClassesIsKept() throws IOException {
    Path file = file(Shades.MODEL, name -> name);

    Training<Classifier, ImageDataset> training =
        training("none", Shades.TRAINING).startFrom(file, lines::add);

    assertThat(different(values(Shades.MODEL.create(77)), values(training.network()))).isEmpty();
    assertThat(training.startedFrom().orElseThrow().fresh()).isEmpty();
    assertThat(lines).hasSize(1);
  }

  @Test
  void theClassifierOfARunIsKeptForTheSameClassesOnly() {
    Path run = temporary.resolve("run");
    Shades.train(run, Shades.TRAINING.withEpochs(1));
    TrainingData<ImageDataset> data = Shades.data();
    ImageDataset renamed = Shades.named(List.of("night", "day"), 40);
    TrainingData<ImageDataset> others =
        new TrainingData<>("others", "", renamed, renamed, data.normalization(), List.of());

    Training<Classifier, ImageDataset> same =
        training("none", Shades.TRAINING).startFrom(run, lines::add);
    Training<Classifier, ImageDataset> other =
        Training.of(Tasks.CLASSIFICATION, Shades.MODEL, others, Shades.TRAINING)
            .startFrom(run, lines::add);

    assertThat(same.startedFrom().orElseThrow().fresh()).isEmpty();
    assertThat(other.startedFrom().orElseThrow().fresh()).containsExactly("fc.weight", "fc.bias");
    assertThat(lines).contains("the classifier starts fresh: 2 classes with other names");
  }

  /** Without the names, a classifier of other classes might be kept. */
  @ParameterizedTest
  @ValueSource(strings = {"", "[]", "3", "{\"preprocessing\": {\"classes\": \"cat\"}}", "{\"pre"})
  void theConfigurationOfARunIsNotGuessed(String damaged) throws IOException {
    Path run = temporary.resolve("run");
    Shades.train(run, Shades.TRAINING.withEpochs(1));
    Files.writeString(run.resolve("config.json"), damaged);

    assertThatThrownBy(() -> training("none", Shades.TRAINING).startFrom(run, lines::add))
        .isInstanceOf(DataException.class)
        .hasMessageStartingWith(run.resolve("config.json") + ": cannot be read: ");
  }

  /** The names of akamaster's networks for CIFAR-10. */
  @Test
  void aKnownLayoutIsRenamed() throws IOException {
    Path file = file(Shades.MODEL, name -> name.replace("fc.", "linear."));

    Training<Classifier, ImageDataset> training =
        training("none", Shades.TRAINING).startFrom(file, lines::add);

    assertThat(different(values(Shades.MODEL.create(77)), values(training.network()))).isEmpty();
    assertThat(lines.get(0)).contains("the CIFAR-10 ResNets of akamaster");
  }

  /** The command line checks weights before it opens the images, which may be grey or in colour. */
  @Test
  void weightsForGreyImagesFitAsLongAsTheImagesAreUnknown() throws IOException {
    Path file = file(Shades.MODEL, name -> name);
    ModelSpec colours = Shades.MODEL.withData(2, 3);

    assertThatCode(
            () -> Training.requireFitting(Tasks.CLASSIFICATION, colours, colours.create(1), file))
        .doesNotThrowAnyException();
  }

  @Test
  void greyImagesStartFromWeightsForColoursSummed() throws IOException {
    ModelSpec theirs = Shades.MODEL.withData(2, 3);
    Path file = file(theirs, name -> name);

    Training<Classifier, ImageDataset> training =
        training("none", Shades.TRAINING).startFrom(file, lines::add);

    double[] colours = values(theirs.create(77)).get("conv1.weight"); // [4, 3, 3, 3]
    double[] grey = values(training.network()).get("conv1.weight"); // [4, 1, 3, 3]
    for (int i = 0; i < grey.length; i++) {
      int at = i / 9 * 27 + i % 9;
      double sum = colours[at] + colours[at + 9] + colours[at + 18];
      double size = Math.abs(colours[at]) + Math.abs(colours[at + 9]) + Math.abs(colours[at + 18]);
      assertThat(grey[i]).isCloseTo(sum, within(2.0 * Math.ulp((float) size))); // two float32 sums
    }
    assertThat(lines).contains("the images are grey: conv1.weight is summed over the colours");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "resnet14 | none | none | layer1.1.conv1.weight has no place in the network",
        "resnet8 | se:reduction=4 | none | layer1.0.se.fc.0.weight has no place in the network",
        "resnet8 | se:reduction=4 | se:reduction=2 | layer1.0.se.fc.0.weight has shape [1, 4],"
            + " expected [2, 4]",
      })
  void everythingElseMustFit(String backbone, String theirs, String ours, String fault)
      throws IOException {
    Path file = file(new ModelSpec(backbone, 2, 1, 0.25, theirs), name -> name);
    Training<Classifier, ImageDataset> training = training(ours, Shades.TRAINING);
    Map<String, double[]> before = values(training.network());

    assertThatThrownBy(() -> training.startFrom(file, lines::add))
        .isInstanceOf(WeightsException.class)
        .hasMessageStartingWith(file + ": does not fit resnet8 with " + ours + ": ")
        .hasMessageContaining(fault);
    assertThat(different(before, values(training.network()))).isEmpty();
  }

  @Test
  void whatIsNotThereIsNamed() {
    Path nowhere = temporary.resolve("nowhere.pth");
    assertThatThrownBy(() -> training("none", Shades.TRAINING).startFrom(nowhere, lines::add))
        .isInstanceOf(DataException.class)
        .hasMessage(nowhere + ": is not there; expected a file with weights, or a run");
    assertThatThrownBy(() -> training("none", Shades.TRAINING).startFrom(temporary, lines::add))
        .isInstanceOf(DataException.class)
        .hasMessageStartingWith(temporary + ": is not a run");
  }

  /** Statistics of batch norms included. */
  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "backbone ; (conv|bn|layer).*",
        "2 ; (conv1|bn1|layer[12])\\..*",
        "0 ; (conv1|bn1)\\..*",
      })
  void frozenPartsStayAsTheyAre(String freeze, String frozen) throws IOException {
    Path file = file(Shades.MODEL.withData(7, 1), name -> name);
    TrainingSpec spec =
        Shades.TRAINING.withEpochs(2).withTransfer(Transfer.NONE.withFreeze(freeze));
    Training<Classifier, ImageDataset> training =
        training("se:reduction=2", spec).startFrom(file, lines::add);
    Map<String, double[]> before = values(training.network());

    training.start(TrainingListener.NONE);

    List<String> changed = different(before, values(training.network()));
    assertThat(changed).allMatch(name -> !name.matches(frozen) || name.contains(".se."));
    List<String> kept = new ArrayList<>(before.keySet());
    kept.removeAll(changed);
    assertThat(kept).isNotEmpty().allMatch(name -> name.matches(frozen));
    assertThat(changed).contains("fc.weight", "layer1.0.se.fc.0.weight");
  }

  @Test
  void aStageThatIsNotThereIsRefused() {
    assertThatThrownBy(
            () -> training("none", Shades.TRAINING.withTransfer(Transfer.NONE.withFreeze("4"))))
        .isInstanceOf(SpecException.class)
        .hasMessage("the backbone has 3 stages, so stage 4 is not there");
    assertThatThrownBy(() -> Transfer.NONE.withFreeze("head")).isInstanceOf(SpecException.class);
  }

  /** One step: the change of a weight is proportional to its learning rate. */
  @Test
  void whatStartsFreshHasALearningRateOfItsOwn() throws IOException {
    Path file = file(Shades.MODEL.withData(7, 1), name -> name);
    TrainingSpec step =
        new TrainingSpec(1, 40, 1e-3, 0, 0, false, 1, new ClassificationExtras(0, 0))
            .withSchedule(Schedule.COSINE.withWarmup(1));
    Map<String, double[]> before =
        values(training("none", step).startFrom(file, lines::add).network());
    Map<String, double[]> plain = after(file, step);
    Map<String, double[]> faster = after(file, step.withTransfer(new Transfer(null, 10)));

    assertThat(difference(before, faster, "layer2.0.conv1.weight"))
        .isEqualTo(difference(before, plain, "layer2.0.conv1.weight"));
    double change = difference(before, plain, "fc.weight");
    assertThat(difference(before, faster, "fc.weight"))
        .isCloseTo(10 * change, within(1e-3 * change)); // float32 weights of about 1
  }

  private Map<String, double[]> after(Path file, TrainingSpec spec) {
    Training<Classifier, ImageDataset> training =
        training("none", spec).startFrom(file, lines::add);
    training.start(TrainingListener.NONE);
    return values(training.network());
  }

  private static double difference(
      Map<String, double[]> one, Map<String, double[]> other, String name) {
    double sum = 0;
    for (int i = 0; i < one.get(name).length; i++) {
      sum += Math.abs(one.get(name)[i] - other.get(name)[i]);
    }
    return sum;
  }

  private static Training<Segmenter, ?> segmentation(String head) {
    return Training.of(
        Tasks.SEGMENTATION, Blocks.MODEL.withAttention(head), Blocks.data(), Blocks.SPEC);
  }

  @Test
  void aSegmentationNetworkStartsFromItsBackbone() throws IOException {
    String prefix = "pretrained.";
    Path file =
        file(Blocks.MODEL, name -> name.startsWith(prefix) ? name.substring(11) : "fc." + name);

    Training<Segmenter, ?> training = segmentation("dual").startFrom(file, lines::add);

    assertThat(different(values(Blocks.MODEL.create(77)), values(training.network())))
        .isNotEmpty()
        .noneMatch(name -> name.startsWith(prefix));
    assertThat(training.startedFrom().orElseThrow().fresh())
        .isNotEmpty()
        .allMatch(name -> name.startsWith("head."));
    assertThat(lines).contains("the head starts fresh");
  }

  @Test
  void aSegmentationNetworkStartsFromAWholeOneIfTheHeadIsTheSame() throws IOException {
    Path file = file(Blocks.MODEL.withData(5, 1), name -> name);

    List<String> same =
        segmentation("dual").startFrom(file, lines::add).startedFrom().orElseThrow().fresh();
    List<String> other =
        segmentation("pam").startFrom(file, lines::add).startedFrom().orElseThrow().fresh();
    List<String> alike =
        segmentation("dual")
            .startFrom(file, "theirs", true, lines::add)
            .startedFrom()
            .orElseThrow()
            .fresh();

    assertThat(same).isNotEmpty().allMatch(name -> name.matches("head\\.conv[678]\\..*"));
    assertThat(lines).contains("the classifiers start fresh: 2 classes instead of 5");
    assertThat(other).contains("head.sa.query_conv.weight", "head.conv5a.0.weight");
    assertThat(alike).contains("head.sa.query_conv.weight", "head.conv5c.0.weight");
  }

  @Test
  void aVideoNetworkStartsFromTheNetworkForImages() throws IOException {
    Path file = file(new ModelSpec("resnet8", 10, 1, 0.25, "none"), name -> name);
    DataSpec source =
        DataSpec.of(DataSpec.GARMENTS).withSampling(new Sampling(4, 1, 1, 1)).withLimit(4);

    Training<Classifier, ImageDataset> training =
        Training.of(
                Tasks.VIDEO,
                new ModelSpec("i3d-resnet8", 2, 3, 0.25, 4, "nonlocal"),
                Tasks.VIDEO.open(source, Progress.NONE),
                Tasks.VIDEO.training())
            .startFrom(file, lines::add);

    assertThat(training.startedFrom().orElseThrow().fresh())
        .contains("fc.weight")
        .allMatch(name -> name.startsWith("fc.") || name.contains("nonlocal"));
  }

  /** The name of a weight of Fovea's in MMAction2. */
  private static String mmaction(String name) {
    return name.startsWith("fc.")
        ? "cls_head.fc_cls." + name.substring(3)
        : "backbone."
            + name.replaceFirst("^((layer\\d\\.\\d\\.)?)conv(\\d)\\.", "$1conv$3.conv.")
                .replaceFirst("^((layer\\d\\.\\d\\.)?)bn(\\d)\\.", "$1conv$3.bn.")
                .replaceFirst("downsample\\.0\\.", "downsample.conv.")
                .replaceFirst("downsample\\.1\\.", "downsample.bn.");
  }

  /** The weights of C2D and TSN are the same, so the network that is trained says which it is. */
  @Test
  void whoseCodeAnAmbiguousVideoNetworkFollowsIsTold() throws IOException {
    ModelSpec own = new ModelSpec("c2d-resnet18", 2, 3, 0.125, 2, "none");
    Path file = file(own, InitialWeightsTest::mmaction);
    DataSpec source =
        DataSpec.of(DataSpec.GARMENTS).withSampling(new Sampling(2, 1, 1, 1)).withLimit(4);

    Training<Classifier, ImageDataset> training =
        Training.of(
                Tasks.VIDEO, own, Tasks.VIDEO.open(source, Progress.NONE), Tasks.VIDEO.training())
            .startFrom(file, lines::add);

    assertThat(different(values(own.create(77)), values(training.network())))
        .containsExactly("conv1.weight"); // summed over the colours, because the clips are grey
    assertThat(lines)
        .contains(
            "note: the file has c2d-resnet18 with none in the form of mmaction; what starts from it as a"
                + " whole: --backbone c2d-resnet18 --attention none --form mmaction");
  }
}
