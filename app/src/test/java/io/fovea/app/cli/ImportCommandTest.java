package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.app.Outcome;
import io.fovea.data.ImageDataset;
import io.fovea.data.Normalization;
import io.fovea.data.SegmentationDataset;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.Segmenter;
import io.fovea.models.SegmenterForm;
import io.fovea.models.SegmenterSpec;
import io.fovea.models.transfer.OutputCheck;
import io.fovea.models.weights.Safetensors;
import io.fovea.models.weights.StateDict;
import io.fovea.testing.Numeric;
import io.fovea.training.Tasks;
import io.fovea.training.run.Run;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Files that PyTorch wrote (the models' tests have them and their script) become runs. */
@Numeric
class ImportCommandTest {
  private static final Path FILES = Path.of("..", "models", "src", "test", "resources", "imports");
  private static final String OFFICIAL_CBAM = "cbam:reduction=4,bias=true,norm=true";

  @TempDir Path folder;

  private static String file(String name) {
    return FILES.resolve(name).toString();
  }

  private String out() {
    return folder.resolve("run").toString();
  }

  private Outcome imported(String name, String... more) {
    List<String> arguments = new ArrayList<>(List.of("import", file(name + ".pt")));
    arguments.addAll(List.of("--backbone", "resnet18", "--width", "0.0625", "--out", out()));
    arguments.addAll(List.of(more));
    return Outcome.of(arguments.toArray(new String[0]));
  }

  @Test
  void aPyTorchFileBecomesARunThatComputesTheSame() throws IOException {
    Outcome outcome =
        imported(
            "official-cbam",
            "--attention",
            OFFICIAL_CBAM,
            "--check",
            file("official-cbam.sample.safetensors"));

    assertThat(outcome.err()).isEmpty();
    assertThat(outcome.status()).isZero();
    assertThat(outcome.out())
        .contains(
            "PyTorch file of the old format, weights under \"state_dict\"," + " prefix \"module.\"",
            "with the names of the authors",
            "matched: ",
            "  and ",
            "layer1.0 ",
            "output ",
            "agrees with ",
            "into " + out())
        .doesNotContain("missing", "unexpected");
    Run<Classifier, ImageDataset> run = Run.open(Path.of(out()), Tasks.CLASSIFICATION);
    assertThat(run.preprocessing().classes()).startsWith("class 0").hasSize(5);
    assertThat(run.preprocessing().normalization()).isEqualTo(Normalization.IMAGENET);
    assertThat(run.preprocessing().size()).isEqualTo(224);
    try (PointerScope scope = new PointerScope()) {
      Classifier network = run.load(Run.Weights.LAST);
      OutputCheck check =
          OutputCheck.of(
              network, Safetensors.read(Path.of(file("official-cbam.sample.safetensors"))));
      assertThat(check.isWithin(1e-4)).isTrue(); // what the command calls agreement
    }
  }

  /** Backbone, width and attention are recognised, and what the file leaves open is said. */
  @Test
  void theNetworkNeedNotBeNamed() {
    String[] arguments = {"import", file("official-cbam.pt"), "--out", out()};

    Outcome outcome = Outcome.of(arguments);

    assertThat(outcome.err()).isEmpty();
    assertThat(outcome.status()).isZero();
    assertThat(outcome.out())
        .contains(
            "resnet18 of width 0.0625: 102 of its 102 names are in the file",
            OFFICIAL_CBAM + ": 8 modules layer1.0.cbam.*",
            "names and shapes do not tell: ",
            "  cbam: order=channel_first is taken, it may be spatial_first or parallel",
            "not checked: a sample of the network's outputs shows whether all this is right");
    Run<Classifier, ImageDataset> run = Run.open(Path.of(out()), Tasks.CLASSIFICATION);
    assertThat(run.config().model().attention()).isEqualTo(OFFICIAL_CBAM);
    assertThat(run.config().data().description()).endsWith("official-cbam.pt, not checked");
  }

  @ParameterizedTest
  @CsvSource({
    "bn1.weight, NaN, has values that are NaN or infinite",
    "bn1.bias, 1e300, has values that are NaN or infinite",
    "bn1.running_var, -1, 'has values that are negative, NaN or infinite'",
  })
  void aValueThatIsNoNumberIsRefused(String name, double value, String complaint)
      throws IOException {
    Path file = folder.resolve("nan.safetensors");
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> weights =
          new LinkedHashMap<>(StateDict.of(Classifier.builder("resnet8").classes(3).build()));
      Tensor ones = torch.ones(new long[] {16}).to(ScalarType.Double);
      weights.put(name, ones.mul(new Scalar(value)));
      Safetensors.write(file, weights, Map.of());
    }
    Outcome outcome =
        Outcome.of("import", file.toString(), "--mean", "0,0,0", "--std", "1,1,1", "--out", out());
    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err()).contains(name + " " + complaint);
    assertThat(Path.of(out())).doesNotExist();
  }

  /** The sigmoid of one output is the softmax of two, of which the first is 0. */
  @Test
  void aNetworkWithOneOutputGetsTwoClasses() throws IOException {
    Path file = folder.resolve("one.safetensors");
    Path sample = folder.resolve("sample.safetensors");
    try (PointerScope scope = new PointerScope()) {
      Classifier network = Classifier.builder("resnet8").classes(1).build();
      network.eval();
      Safetensors.write(file, StateDict.of(network), Map.of());
      Tensor input = torch.randn(2, 3, 16, 16);
      Safetensors.write(
          sample, Map.of("input", input, "output", network.forward(input).detach()), Map.of());
    }
    Outcome outcome =
        Outcome.of(
            "import",
            file.toString(),
            "--mean",
            "0,0,0",
            "--std",
            "1,1,1",
            "--out",
            out(),
            "--check",
            sample.toString());
    assertThat(outcome.err()).isEmpty();
    assertThat(outcome.out())
        .contains("the network has one score: it becomes two classes", "agrees with ");
    Run<Classifier, ImageDataset> run = Run.open(Path.of(out()), Tasks.CLASSIFICATION);
    assertThat(run.config().model().classes()).isEqualTo(2);
  }

  @Test
  void anotherNetworkIsNotMadeOutOfAFilesRest() {
    assertIsAnotherNetwork(
        file("resnet.pt"),
        "resnet34",
        "this is another network: ",
        " weights of the backbone do not fit");
  }

  @Test
  void aDeeperNetworkIsNotCutToAShorterOne() throws IOException {
    Path deeper = folder.resolve("deeper.safetensors");
    try (PointerScope scope = new PointerScope()) {
      Classifier network = Classifier.builder("resnet34").classes(2).width(0.0625).build();
      Safetensors.write(deeper, StateDict.of(network), Map.of());
    }
    assertIsAnotherNetwork(
        deeper.toString(),
        "resnet18",
        "this is another network: 96 weights of the backbone do not fit; its names and shapes are"
            + " those of resnet34");
  }

  @Test
  void groupNormsAreNamed() throws IOException {
    Path file = folder.resolve("group-norm.safetensors");
    try (PointerScope scope = new PointerScope()) {
      Classifier network = Classifier.builder("resnet18").classes(2).width(0.0625).build();
      Map<String, Tensor> weights = new LinkedHashMap<>(StateDict.of(network));
      weights.keySet().removeIf(name -> name.matches(".*\\.(running_\\w+|num_batches_tracked)"));
      Safetensors.write(file, weights, Map.of());
    }
    assertIsAnotherNetwork(file.toString(), "resnet18", "no batch norms, but group norms");
  }

  /** A file without a classifier, as of self-supervised training, has no classes. */
  @Test
  void aFileWithoutAClassifierGetsANewOneOnlyWhenAsked() throws IOException {
    Path file = folder.resolve("headless.safetensors");
    try (PointerScope scope = new PointerScope()) {
      Classifier network = Classifier.builder("resnet18").classes(2).width(0.0625).build();
      Map<String, Tensor> weights = new LinkedHashMap<>(StateDict.of(network));
      weights.keySet().removeIf(name -> name.startsWith("fc."));
      Safetensors.write(file, weights, Map.of());
    }
    Outcome refused = Outcome.of("import", file.toString(), "--out", out());
    assertThat(refused.status()).isEqualTo(2);
    assertThat(refused.errLines())
        .containsExactly(
            "fovea: "
                + file
                + ": has no fc.weight; give the classes with --classes, and --new-classifier for a"
                + " classifier that is initialised anew");
    Outcome made =
        Outcome.of("import", file.toString(), "--classes", "3", "--new-classifier", "--out", out());
    assertThat(made.status()).as(made.err()).isZero();
    assertThat(made.out()).contains("the classifier is initialised anew: 3 classes; train");
    Run<Classifier, ImageDataset> run = Run.open(Path.of(out()), Tasks.CLASSIFICATION);
    assertThat(run.config().model().classes()).isEqualTo(3);
  }

  private void assertIsAnotherNetwork(String weights, String backbone, String... said) {
    Outcome outcome =
        Outcome.of(
            "import",
            weights,
            "--backbone",
            backbone,
            "--width",
            "0.0625",
            "--partial",
            "--out",
            out());
    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err()).contains(said);
    assertThat(Path.of(out())).doesNotExist();
  }

  @Test
  void predictAndEvaluateUseIt() throws IOException {
    for (String name : List.of("cat", "dog")) {
      Path classFolder = Files.createDirectories(folder.resolve("images").resolve(name));
      for (int i = 0; i < 5; i++) {
        BufferedImage image = new BufferedImage(40, 40, BufferedImage.TYPE_INT_RGB);
        image.setRGB(i, 3, 0xff8844);
        ImageIO.write(image, "png", classFolder.resolve(i + ".png").toFile());
      }
    }
    String images = folder.resolve("images").toString();

    Outcome outcome =
        imported(
            "resnet", "--new-classifier", "--classes", images, "--image-size", "32", "--verbose");

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(outcome.out())
        .contains("the classifier is initialised anew: 2 classes instead of 5")
        .contains("  layer4.1.bn2.running_var")
        .doesNotContain("--verbose");
    Outcome predicted =
        Outcome.of("predict", "--run", out(), folder.resolve("images/cat/0.png").toString());
    assertThat(predicted.status()).as(predicted.err()).isZero();
    assertThat(predicted.out()).contains("cat", "dog", " %");
    Outcome evaluated = Outcome.of("evaluate", out());
    assertThat(evaluated.status()).as(evaluated.err()).isZero();
    assertThat(evaluated.out()).contains("cat", "dog");
  }

  /** With the scores 0 and z, the second class has the probability that a sigmoid gives z. */
  @Test
  void oneScoreBecomesTwoClasses() throws IOException {
    Path file = folder.resolve("binary.safetensors");
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Classifier expected = new ModelSpec("resnet8", 2, 3, 0.25, "none").create(3);
      Map<String, Tensor> weights = new LinkedHashMap<>(StateDict.of(expected));
      for (String name : List.of("fc.weight", "fc.bias")) {
        Tensor both = weights.get(name);
        both.select(0, 0).zero_();
        weights.put(name, both.narrow(0, 1, 1));
      }
      Safetensors.write(file, weights, Map.of());

      Outcome outcome =
          Outcome.of(
              "import",
              file.toString(),
              "--backbone",
              "resnet8",
              "--width",
              "0.25",
              "--mean",
              "0.5,0.5,0.5",
              "--std",
              "0.5,0.5,0.5",
              "--out",
              out());

      assertThat(outcome.status()).as(outcome.err()).isZero();
      assertThat(outcome.out()).contains("the network has one score: it becomes two classes");
      Run<Classifier, ImageDataset> run = Run.open(Path.of(out()), Tasks.CLASSIFICATION);
      assertThat(run.preprocessing().classes()).containsExactly("class 0", "class 1");
      Classifier network = run.load(Run.Weights.LAST);
      expected.eval();
      expected.to(ScalarType.Double, false);
      network.to(ScalarType.Double, false);
      Tensor x = torch.randn(4, 3, 32, 32).to(ScalarType.Double);
      Tensor sigmoid = expected.forward(x).select(1, 1).sigmoid();
      Tensor found = network.forward(x).softmax(1).select(1, 1);
      assertThat(found.sub(sigmoid).abs().max().item_double()).isLessThan(1e-12);
    }
    assertThat(
            Outcome.of("import", file.toString(), "--backbone", "resnet8", "--classes", "1").err())
        .contains("there must be at least 2 classes, got 1");
  }

  @Test
  void withoutImagesOfItsOwnEvaluateAsksForThem() {
    assertThat(imported("resnet").status()).isZero();

    Outcome outcome = Outcome.of("evaluate", out());

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines())
        .containsExactly(
            "fovea: " + out() + ": was imported and has no images; give a data set with --data");
  }

  @Test
  void aPlainNetworkGoesIntoOneWithAttention() throws IOException {
    Outcome strict = imported("resnet", "--attention", "se:reduction=4");
    assertThat(strict.status()).isEqualTo(2);
    assertThat(strict.errLines())
        .singleElement()
        .asString()
        .endsWith(
            "does not fit resnet18 with se:reduction=4: 16 missing, 0"
                + " unexpected, 0 with a different shape; use --partial to load"
                + " only the weights that fit");
    assertThat(strict.out()).contains("missing: 16", "  layer1.0.se.fc.0.weight", "  and 11 more");
    assertThat(Path.of(out())).doesNotExist();

    Outcome partial = imported("resnet", "--attention", "se:reduction=4", "--partial");
    assertThat(partial.status()).as(partial.err()).isZero();
    assertThat(partial.out()).contains("missing, newly initialised: 16");
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> weights = Safetensors.read(Path.of(out(), "last.safetensors"));
      assertThat(weights).containsKey("layer1.0.se.fc.0.weight");
    }
  }

  @Test
  void aClassifierIsReplacedOnlyWhenAsked() throws IOException {
    Path names = folder.resolve("names.txt");
    Files.writeString(names, "cat\ndog\n\n"); // a blank line at the end is no class
    Outcome refused = imported("resnet", "--classes", names.toString());
    assertThat(refused.status()).isEqualTo(2);
    assertThat(refused.errLines())
        .singleElement()
        .asString()
        .endsWith(
            "resnet.pt: has 5 classes, --classes has 2; give the classes of the file, or"
                + " --new-classifier for a classifier that is initialised anew");
    assertThat(Path.of(out())).doesNotExist();
    assertThat(imported("resnet", "--classes", names.toString(), "--new-classifier").status())
        .isZero();
    Run<Classifier, ImageDataset> run = Run.open(Path.of(out()), Tasks.CLASSIFICATION);
    assertThat(run.preprocessing().classes()).containsExactly("cat", "dog");
    assertThat(run.config().model().classes()).isEqualTo(2);
    try (PointerScope scope = new PointerScope()) {
      assertThat(StateDict.of(run.load(Run.Weights.LAST)).get("fc.weight").shape())
          .containsExactly(2, 32);
    }
  }

  @Test
  void rulesOfTheUsersOwnComeFirst() throws IOException {
    Path file = folder.resolve("renamed.safetensors");
    try (PointerScope scope = new PointerScope()) {
      Classifier network = Classifier.builder("resnet8").classes(3).channels(1).build();
      Map<String, Tensor> renamed = new LinkedHashMap<>();
      StateDict.of(network).forEach((name, tensor) -> renamed.put("net_" + name, tensor));
      Safetensors.write(file, renamed, Map.of());
    }
    Path rules = folder.resolve("rules.txt");
    Files.writeString(rules, "# ours\n^net_ ->\n");
    String[] arguments = {
      "import",
      file.toString(),
      "--backbone",
      "resnet8",
      "--rename",
      rules.toString(),
      "--mean",
      "0.5",
      "--std",
      "0.25",
      "--out",
      out()
    };

    Outcome outcome = Outcome.of(arguments);

    assertThat(outcome.status()).as(outcome.err()).isZero();
    Run<Classifier, ImageDataset> run = Run.open(Path.of(out()), Tasks.CLASSIFICATION);
    assertThat(run.config().model().channels()).isEqualTo(1);
    assertThat(run.preprocessing().normalization())
        .isEqualTo(new Normalization(List.of(0.5), List.of(0.25)));
    assertThat(Outcome.of(arguments).errLines())
        .containsExactly("fovea: " + out() + ": contains a run already; choose another folder");
  }

  @Test
  void aSampleMayBeAFileOfPyTorchs() {
    Outcome outcome = imported("resnet", "--check", file("resnet.sample.pt"));

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(outcome.out()).contains("layer1.0 ", "agrees with " + file("resnet.sample.pt"));
  }

  @Test
  void aSampleThatDiffersIsAMistakeAndNamesTheFirstLayer() {
    Outcome outcome = imported("resnet", "--check", file("se-resnet.sample.safetensors"));

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines())
        .singleElement()
        .asString()
        .contains("se-resnet.sample.safetensors: layer1.0 differs by", "nothing was written");
    assertThat(outcome.out()).contains("layer4 ", "relative");
    assertThat(Path.of(out())).doesNotExist();
  }

  static Stream<Arguments> mistakes() {
    return Stream.of(
        Arguments.of(List.of("--classes", "nowhere"), "expected a number, a text file or a folder"),
        Arguments.of(List.of("--classes", "0"), "--classes must be at least 1, got 0"),
        Arguments.of(List.of("--mean", "0.5,0.5,0.5"), "--mean and --std must be given together"),
        Arguments.of(
            List.of("--mean", "0.5", "--std", "1"), "have 1 values, expected one for each"),
        Arguments.of(
            List.of("--mean", "123.7,116.3,103.5", "--std", "58.4,57.1,57.4"),
            "divide both by 255: --mean 0.4851,0.4561,0.4059 --std 0.2290,0.2239,0.2251"),
        Arguments.of(List.of("--key", "ema"), "has no weights under \"ema\""),
        Arguments.of(List.of("--image-size", "0"), "--image-size must be at least 1, got 0"),
        Arguments.of(List.of("--tolerance", "0"), "--tolerance must be above 0"),
        Arguments.of(List.of("--stages", "1"), "--placement and --stages need --attention"),
        Arguments.of(List.of("--attention", "sw"), "unknown mechanism: \"sw\""),
        Arguments.of(List.of("--attention", "bam:reduction=4"), " missing, 0 unexpected"));
  }

  @ParameterizedTest
  @MethodSource("mistakes")
  void aMistakeIsOneLineAndNothingIsWritten(List<String> arguments, String complaint) {
    Outcome outcome = imported("resnet", arguments.toArray(new String[0]));

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines()).hasSize(1);
    assertThat(outcome.err()).startsWith("fovea: ").contains(complaint);
    assertThat(Path.of(out())).doesNotExist();
  }

  @Test
  void aFileThatIsNoneOrRefusedIsNamed() {
    Outcome missing = imported("none");
    assertThat(missing.status()).isEqualTo(2);
    assertThat(missing.errLines()).singleElement().asString().contains("none.pt");
    Outcome refused =
        Outcome.of(
            "import",
            FILES.resolveSibling("checkpoints").resolve("module.zip.pt").toString(),
            "--backbone",
            "resnet18",
            "--out",
            out());
    assertThat(refused.status()).isEqualTo(2);
    assertThat(refused.errLines())
        .singleElement()
        .asString()
        .contains("module.zip.pt: contains an object of torch.nn.modules.linear.Linear");
    assertThat(Path.of(out())).doesNotExist();
  }

  /** A file as the authors' code writes it: with the backbone's classifier, and a parallel network's names. */
  private Path danet() throws IOException {
    Path file = folder.resolve("danet.safetensors");
    try (PointerScope scope = new PointerScope()) {
      torch.manual_seed(4);
      Segmenter network = Segmenter.builder("small").classes(5).build();
      network.eval();
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      StateDict.of(network).forEach((name, tensor) -> tensors.put("module." + name, tensor));
      tensors.put("module.pretrained.fc.weight", torch.zeros(1000, 64));
      tensors.put("module.auxlayer.conv5.4.bias", torch.zeros(5));
      Safetensors.write(file, tensors, Map.of());
      Tensor input = torch.randn(1, 3, 40, 48);
      Map<String, Tensor> sample = new LinkedHashMap<>(Map.of("input", input));
      Tensor output =
          Classifier.observing(
              (name, tensor) -> {
                if (name.equals("layer2")) {
                  sample.put("layer/pretrained.layer2", tensor.clone().retainReference());
                }
              },
              () -> network.forward(input).main());
      sample.put("output", output);
      Safetensors.write(folder.resolve("sample.safetensors"), sample, Map.of());
    }
    return file;
  }

  private Outcome segmenter(Path file, String... more) {
    List<String> arguments =
        new ArrayList<>(List.of("import", file.toString(), "--task", "segmentation"));
    arguments.addAll(List.of("--backbone", "small", "--mean", "0,0,0", "--std", "1,1,1"));
    arguments.addAll(List.of("--out", out()));
    arguments.addAll(List.of(more));
    return Outcome.of(arguments.toArray(new String[0]));
  }

  @Test
  void aDanetBecomesARunOfSegmentation() throws IOException {
    Path names = folder.resolve("names.txt");
    Files.writeString(names, "ground\nroad\nwall\nroof\nsky\n");
    Outcome outcome =
        segmenter(
            danet(),
            "--classes",
            names.toString(),
            "--check",
            folder.resolve("sample.safetensors").toString());

    assertThat(outcome.err()).isEmpty();
    assertThat(outcome.status()).isZero();
    assertThat(outcome.out())
        .contains(
            "layout: the official DANet",
            "left out (the classifier of the backbone is not used): 1",
            "left out (the auxiliary head is of use in training only): 1",
            "pretrained.layer2 ",
            "output ",
            "agrees with ",
            "into " + out());
    Run<Segmenter, SegmentationDataset> run = Run.open(Path.of(out()), Tasks.SEGMENTATION);
    assertThat(run.config().model()).isEqualTo(new SegmenterSpec("small", 5, 3, "dual", 8, false));
    assertThat(run.preprocessing().classes())
        .containsExactly("ground", "road", "wall", "roof", "sky");
    Outcome evaluated = Outcome.of("evaluate", out(), "--weights", "last");
    assertThat(evaluated.status()).isEqualTo(2);
    assertThat(evaluated.err())
        .contains("was imported and has no images; give a data set with --data");
  }

  @Test
  void otherClassesGiveADanetFreshClassifiers() throws IOException {
    Outcome outcome =
        segmenter(danet(), "--classes", "3", "--new-classifier", "--output-stride", "16");
    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(outcome.out())
        .contains("the classifier is initialised anew: 3 classes instead of 5");
    SegmenterSpec model =
        (SegmenterSpec) Run.open(Path.of(out()), Tasks.SEGMENTATION).config().model();
    assertThat(model.classes()).isEqualTo(3);
    assertThat(model.outputStride()).isEqualTo(16);
  }

  @Test
  void whatDoesNotFitANetworkForSegmentationIsRefused() throws IOException {
    Path file = danet();
    Outcome wide = segmenter(file, "--width", "2");
    assertThat(wide.status()).isEqualTo(2);
    assertThat(wide.err()).contains("--width is for classification and video");
    Outcome pam = segmenter(file, "--attention", "pam");
    assertThat(pam.status()).isEqualTo(2);
    assertThat(pam.err()).contains("does not fit small with the head pam", "0 missing");
    Outcome inFolder = segmenter(file, "--classes", folder.toString());
    assertThat(inFolder.status()).isEqualTo(2);
    assertThat(inFolder.err()).contains("expected a number or a text file");
    assertThat(Path.of(out())).doesNotExist();
  }

  /** No task and no backbone is given: the file tells them. */
  @Test
  void aNetworkForSegmentationIsRecognised() throws IOException {
    Path file = folder.resolve("nl.safetensors");
    SegmenterSpec spec =
        new SegmenterSpec(
            "small",
            3,
            3,
            "nonlocal:subsample=false,scale=true",
            8,
            false,
            SegmenterForm.MMSEGMENTATION,
            null);
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      StateDict.of(spec.create(2))
          .forEach(
              (name, tensor) -> {
                if (!name.endsWith("W.0.bias")) { // MMCV's has none
                  tensors.put(ofMmsegmentation(name), tensor);
                }
              });
      tensors.put("auxiliary_head.conv_seg.bias", torch.zeros(3));
      Safetensors.write(file, tensors, Map.of());
    }
    List<String> arguments = List.of("import", file.toString(), "--mean", "0,0,0", "--std");
    Outcome outcome = of(arguments, "1,1,1", "--out", out());

    assertThat(outcome.err()).isEmpty();
    assertThat(outcome.out())
        .contains(
            "layout: MMSegmentation's FCN (FCNHead, NLHead, GCHead or CCHead)",
            "small: ",
            "with the names of MMCV, with a batch norm",
            "left out (the auxiliary head is of use in training only): 1",
            "align_corners=false is taken, it may be true: --align-corners",
            "mode=embedded_gaussian is taken, it may be ");
    assertThat(Run.open(Path.of(out()), Tasks.SEGMENTATION).config().model()).isEqualTo(spec);

    Outcome other = of(arguments, "1,1,1", "--out", out() + "2", "--task", "classification");
    assertThat(other.status()).isEqualTo(2);
    assertThat(other.err())
        .contains("is recognised as a network for segmentation, not for classification");
    of(arguments, "1,1,1", "--out", out() + "3", "--align-corners");
    SegmenterSpec aligned =
        (SegmenterSpec) Run.open(Path.of(out() + "3"), Tasks.SEGMENTATION).config().model();
    assertThat(aligned).isEqualTo(spec.withForm(null, true));
  }

  private static Outcome of(List<String> arguments, String... more) {
    List<String> all = new ArrayList<>(arguments);
    all.addAll(List.of(more));
    return Outcome.of(all.toArray(new String[0]));
  }

  private static String ofMmsegmentation(String name) {
    return name.replaceFirst("^pretrained\\.", "backbone.")
        .replaceFirst("^head\\.conv5\\.0", "decode_head.convs.0.conv")
        .replaceFirst("^head\\.conv5\\.1", "decode_head.convs.0.bn")
        .replaceFirst("^head\\.conv51\\.0", "decode_head.convs.1.conv")
        .replaceFirst("^head\\.conv51\\.1", "decode_head.convs.1.bn")
        .replaceFirst("^head\\.conv_cat\\.0", "decode_head.conv_cat.conv")
        .replaceFirst("^head\\.conv_cat\\.1", "decode_head.conv_cat.bn")
        .replaceFirst("^head\\.conv8\\.1", "decode_head.conv_seg")
        .replaceFirst("^head\\.nonlocal\\.W\\.0", "decode_head.nl_block.conv_out.conv")
        .replaceFirst("^head\\.nonlocal\\.W\\.1", "decode_head.nl_block.conv_out.bn")
        .replaceFirst("^head\\.nonlocal\\.(\\w+)", "decode_head.nl_block.$1.conv");
  }
}
