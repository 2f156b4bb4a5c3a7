package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.app.Outcome;
import io.fovea.data.BatchLoader;
import io.fovea.data.Image;
import io.fovea.data.ImageDataset;
import io.fovea.data.Normalization;
import io.fovea.data.bundled.FashionMnist;
import io.fovea.data.source.Preprocessing;
import io.fovea.models.Classifier;
import io.fovea.models.onnx.Onnx;
import io.fovea.models.weights.Safetensors;
import io.fovea.models.weights.StateDict;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import io.fovea.training.Tasks;
import io.fovea.training.run.BuildInfo;
import io.fovea.training.run.Json;
import io.fovea.training.run.ModelCard;
import io.fovea.training.run.Run;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import javax.imageio.ImageIO;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A briefly trained network leaves Fovea, and computes the same elsewhere. */
@Numeric
class ExportCommandTest {
  private static final int IMAGES = 200;

  @TempDir static Path folder;
  private static Path run;
  private static Path onnx;
  private static Outcome exported;

  @BeforeAll
  static void trainAndExport() {
    run = folder.resolve("run");
    onnx = folder.resolve("new").resolve("model.onnx");
    Outcome trained =
        Outcome.of(
            "train",
            "--attention",
            "cbam:reduction=4; pam@stage:2",
            "--limit",
            "300",
            "--width",
            "0.25",
            "--epochs",
            "2",
            "--threads",
            "1",
            "--out",
            run.toString());
    assertThat(trained.status()).as(trained.err()).isZero();
    exported = Outcome.of("export", run.toString(), "--out", onnx.toString());
  }

  @Test
  void saysWhatItWrote() {
    assertThat(exported.status()).as(exported.err()).isZero();
    assertThat(exported.out()).matches("\\Q" + onnx + "\\E, 0\\.\\d MB\\R");
    assertThat(exported.err())
        .matches(
            "using \\Q"
                + run
                + "\\E, weights of the best epoch, [12] of 2; --weights last uses those of the"
                + " last\\R");
    assertThat(onnx.getParent()).isDirectoryContaining(file -> file.equals(onnx));
    assertThat(onnx.getParent().toFile().list()).hasSize(1);
  }

  /** The scores of the first test images, here and in ONNX Runtime alone, as docs/export.md has it. */
  @Test
  void onnxRuntimeGivesTheSameScoresAndClasses() throws OrtException {
    ImageDataset images = FashionMnist.sample().test();
    Run<Classifier, ImageDataset> opened = Run.open(run, Tasks.CLASSIFICATION);
    Normalization normalization = opened.preprocessing().normalization();
    Classifier network = opened.load(Run.Weights.BEST);
    List<float[]> there = new ArrayList<>();
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    try (OrtSession session = environment.createSession(onnx.toString())) {
      for (int i = 0; i < IMAGES; i++) {
        float[] values = normalization.apply(images.pixels(index(i)));
        try (OnnxTensor pixels =
                OnnxTensor.createTensor(
                    environment, FloatBuffer.wrap(values), new long[] {1, 1, 28, 28});
            OrtSession.Result result = session.run(Map.of("images", pixels))) {
          there.add(((float[][]) result.get(0).getValue())[0]);
        }
      }
    }
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      List<Tensor> inputs = new ArrayList<>();
      for (int i = 0; i < IMAGES; i++) {
        inputs.add(
            BatchLoader.toTensor(new Image(1, 28, 28, images.pixels(index(i))), normalization));
      }
      List<Tensor> here = inputs.stream().map(network::forward).toList();
      network.to(ScalarType.Double, false);
      int right = 0;
      for (int i = 0; i < IMAGES; i++) {
        Tensor exact = network.forward(inputs.get(i).to(ScalarType.Double));
        Rounding.assertAsCloseAs(
            "scores of image " + i, Tensor.create(there.get(i), exact.shape()), here.get(i), exact);
        int largest = exact.argmax().item_int();
        assertThat(largest(there.get(i))).as("image %d", i).isEqualTo(largest);
        right += largest == images.label(index(i)) ? 1 : 0;
      }
      assertThat(right).isGreaterThan(IMAGES / 5); // better than chance: it has learnt something
    }
  }

  /** Some of every class. */
  private static int index(int i) {
    return 10 * i;
  }

  private static int largest(float[] values) {
    int best = 0;
    for (int i = 1; i < values.length; i++) {
      best = values[i] > values[best] ? i : best;
    }
    return best;
  }

  @Test
  void theFileIsEnoughToPredict() throws IOException {
    String small = picture(28);
    String large = picture(90);

    Outcome ofFile = Outcome.of("predict", "--onnx", onnx.toString(), small, large);

    assertThat(ofFile.status()).as(ofFile.err()).isZero();
    assertThat(ofFile.outLines()).hasSize(8);
    assertThat(ofFile.out())
        .isEqualTo(Outcome.of("predict", "--run", run.toString(), small, large).out());
  }

  private static String picture(int side) throws IOException {
    BufferedImage image = new BufferedImage(side, side, BufferedImage.TYPE_BYTE_GRAY);
    for (int i = 0; i < side * side / 2; i++) {
      image.getRaster().setSample(i % side, i / side, 0, 200);
    }
    Path file = folder.resolve("picture" + side + ".png");
    ImageIO.write(image, "png", file.toFile());
    return file.toString();
  }

  @Test
  void theFileSaysWhatTheNetworkIsAndNotWhereItWasTrained() throws OrtException, IOException {
    try (OrtSession session = OrtEnvironment.getEnvironment().createSession(onnx.toString())) {
      Map<String, String> metadata = session.getMetadata().getCustomMetadata();
      Preprocessing data = Run.open(run).preprocessing();
      Preprocessing card = ModelCard.of(metadata, "model.onnx");
      assertThat(card).isEqualTo(data);
      assertThat(ModelCard.task(metadata, "model.onnx")).isEqualTo(Tasks.CLASSIFICATION);
      JsonNode config = Json.MAPPER.readTree(metadata.get("fovea"));
      assertThat(config.path("model").path("attention").asText())
          .isEqualTo("cbam:reduction=4; pam@stage:2");
      assertThat(config.has("machine")).isFalse();
      assertThat(config.path("data").has("spec")).isFalse();
    }
  }

  @Test
  void anExportKnowsItsDataAndReplacesNothing() throws Exception {
    byte[] before = Files.readAllBytes(onnx);

    Outcome again = Outcome.of("export", run.toString(), "--out", onnx.toString());

    assertThat(again.status()).isEqualTo(2);
    assertThat(again.err())
        .isEqualTo(
            "fovea: "
                + onnx
                + ": exists already; choose another name, or replace it with --overwrite\n");
    assertThat(Files.readAllBytes(onnx)).isEqualTo(before);
    Outcome asked = Outcome.of("export", run.toString(), "--out", onnx.toString(), "--overwrite");
    assertThat(asked.status()).as(asked.err()).isZero();
    Map<String, String> metadata = ModelCard.metadata(Run.open(run), Run.Weights.LAST);
    JsonNode config = Json.MAPPER.readTree(metadata.get("fovea"));
    assertThat(config.path("fovea").asText()).isEqualTo(BuildInfo.version());
    assertThat(config.path("data").path("identity").path("train").asInt()).isEqualTo(300);
    assertThat(config.path("data").path("identity").path("checksum").asText())
        .matches("[0-9a-f]{16}");
    assertThat(metadata).doesNotContainKey("unfinished");
  }

  @Test
  void safetensorsHaveTheWeightsAndTheCard() throws IOException {
    Path file = folder.resolve("weights.safetensors");
    Outcome outcome =
        Outcome.of(
            "export",
            run.toString(),
            "--format",
            "safetensors",
            "--weights",
            "best",
            "--out",
            file.toString());

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(Safetensors.metadata(file))
        .containsEntry("format", "pt")
        .containsEntry("image_size", "28");
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> expected =
          StateDict.of(Run.open(run, Tasks.CLASSIFICATION).load(Run.Weights.BEST));
      Map<String, Tensor> actual = Safetensors.read(file);
      assertThat(actual).containsOnlyKeys(expected.keySet());
      actual.forEach(
          (name, values) -> assertThat(values.equal(expected.get(name))).as(name).isTrue());
    }
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      value = {
        "export RUN --layout timm | --layout needs --format safetensors",
        "export RUN --format safetensors --layout torchvision | layout torchvision: it has no resnet8;",
        "export RUN --format safetensors --out RUN/last.safetensors | holds the weights of the run",
        "export RUN --format tflite | Invalid value for option '--format'",
        "export RUN --out RUN/config.json/model.onnx | cannot be written: ",
        "export nowhere | nowhere: not a run folder",
        "predict --onnx nowhere.onnx a.png | nowhere.onnx: no such file",
        "predict --onnx RUN/config.json a.png | config.json: cannot be loaded: ",
        "predict --onnx RUN/model.onnx --run RUN a.png | --onnx cannot be combined with --run or --weights",
        "predict --onnx RUN/model.onnx --weights best a.png | --onnx cannot be combined with --run or",
      })
  void mistakesAreOneLine(String line, String message) {
    Outcome outcome = Outcome.of(line.replace("RUN", run.toString()).split(" "));

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err()).contains(message);
    assertThat(outcome.err().lines().filter(text -> text.startsWith("fovea: "))).hasSize(1);
    assertThat(outcome.err()).doesNotContain("\tat ");
  }

  @Test
  void aFileWithoutACardIsRefused() throws IOException {
    Path file = folder.resolve("bare.onnx");
    try (PointerScope scope = new PointerScope()) {
      Onnx.write(file, Run.open(run, Tasks.CLASSIFICATION).load(Run.Weights.LAST), "1", Map.of());
    }
    Outcome outcome = Outcome.of("predict", "--onnx", file.toString(), picture(28));

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines())
        .isEqualTo(
            List.of(
                "fovea: "
                    + file
                    + ": has no metadata \"channels\"; expected a file that fovea export wrote"));
    assertThat(Files.exists(file)).isTrue();
  }
}
