package io.fovea.app.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.app.Outcome;
import io.fovea.data.mask.Masks;
import io.fovea.training.run.Json;
import java.awt.image.BufferedImage;
import java.awt.image.IndexColorModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Train, evaluate, predict and compare with a small folder of images and masks. */
class SegmentationCommandTest {
  @TempDir static Path folder;
  private static Outcome trained;

  /** A bright block on a dark ground, of several sizes. */
  @BeforeAll
  static void trainOnce() throws IOException {
    for (int i = 0; i < 10; i++) {
      int width = 40 + i;
      int height = 32;
      byte[] labels = new byte[width * height];
      BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
      for (int at = 0; at < labels.length; at++) {
        boolean inside = at % width > 10 + i && at % width < 30 && at / width > 8;
        labels[at] = (byte) (inside ? 1 : 0);
        image.setRGB(at % width, at / width, inside ? 0xd0c0b0 : 0x203040);
      }
      write(image, "data/images/b" + i + ".png");
      write(Masks.image(labels, height, width), "data/masks/b" + i + ".png");
    }
    Files.writeString(folder.resolve("data/classes.txt"), "ground\nblock\n");
    trained = Outcome.of(arguments("train", "--attention", "dual", "--out", run()));
  }

  private static void write(BufferedImage image, String file) throws IOException {
    Path path = folder.resolve(file);
    Files.createDirectories(path.getParent());
    ImageIO.write(image, "png", path.toFile());
  }

  private static String data() {
    return folder.resolve("data").toString();
  }

  private static String run() {
    return folder.resolve("run").toString();
  }

  private static String[] arguments(String command, String... more) {
    List<String> all =
        new ArrayList<>(
            List.of(
                command,
                "--task",
                "segmentation",
                "--data",
                data(),
                "--epochs",
                "1",
                "--batch-size",
                "4",
                "--crop-size",
                "32"));
    all.addAll(List.of(more));
    return all.toArray(new String[0]);
  }

  @Test
  void trainLeavesARun() {
    assertThat(trained.status()).as(trained.err()).isZero();
    assertThat(trained.out())
        .matches(
            "mIoU \\d+\\.\\d %, pixel accuracy \\d+\\.\\d % on the test images; \\Q"
                + run()
                + "\\E\\R");
    assertThat(trained.err()).contains("small with dual: ", "epoch 1/1", "test mIoU");
    JsonNode config = Json.read(Path.of(run(), "config.json"), JsonNode.class);
    assertThat(config.path("task").asText()).isEqualTo("segmentation");
    assertThat(config.path("model").path("head").asText()).isEqualTo("dual");
    assertThat(config.path("preprocessing").path("classes")).hasSize(2);
  }

  @Test
  void whatThisTaskCannotDoIsSaidInOneLine() {
    assertThat(
            Outcome.of("export", run(), "--format", "safetensors", "--layout", "timm").errLines())
        .containsExactly(
            "fovea: networks for segmentation cannot be exported with the names of another library"
                + " yet; those for classification can; without --layout, the file has Fovea's own"
                + " names");
    String file = folder.resolve("block.safetensors").toString();
    Outcome weights = Outcome.of("export", run(), "--format", "safetensors", "--out", file);
    assertThat(weights.status()).as(weights.err()).isZero();
    assertThat(Path.of(file)).isNotEmptyFile();
  }

  @Test
  void theRunStandsFirstInEveryCommand() {
    String image = data() + "/images/b3.png";
    String out = folder.resolve("first").toString();

    Outcome first = Outcome.of("predict", run(), image, "--out", out);
    Outcome again = Outcome.of("predict", run(), image, "--out", out);
    Outcome option = Outcome.of("predict", "--run", run(), image, "--out", out, "--overwrite");

    assertThat(again.status()).isEqualTo(2);
    assertThat(again.err())
        .isEqualTo(
            "fovea: "
                + out
                + "/b3-mask.png: exists already, as 1 more; choose another --out, or replace them"
                + " with --overwrite\n");

    assertThat(first.status()).as(first.err()).isZero();
    assertThat(first.out()).isEqualTo(option.out()).contains("b3-mask.png and ");
    assertThat(Outcome.of("evaluate", "--run", run()).out())
        .isEqualTo(Outcome.of("evaluate", run()).out());
    assertThat(Outcome.of("evaluate", run(), "--run", run()).errLines())
        .containsExactly("fovea: RUN is given twice: " + run() + " and --run " + run());
  }

  @Test
  void evaluateGivesTheSame() {
    Outcome outcome = Outcome.of("evaluate", run());

    assertThat(outcome.status()).as(outcome.err()).isZero();
    List<String> lines = outcome.outLines();
    assertThat(lines.get(0)).startsWith("class").contains("pixels %", "IoU %");
    String figures = trained.out().substring(0, trained.out().indexOf(" on the"));
    assertThat(lines.get(lines.size() - 1)).startsWith(figures + " of 2 test images of data, loss");

    Outcome views =
        Outcome.of("evaluate", run(), "--scales", "0.5,1", "--mirror", "--window", "24");
    assertThat(views.status()).as(views.err()).isZero();
    assertThat(views.outLines()).hasSize(5);
  }

  @Test
  void predictWritesMaskAndOverlay() throws IOException {
    Path out = folder.resolve("predicted");
    String image = data() + "/images/b3.png";

    Outcome outcome =
        Outcome.of("predict", "--run", run(), "--out", out.toString(), image, "nowhere.png");

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines()).containsExactly("fovea: nowhere.png: no such file");
    assertThat(outcome.outLines().get(0)).isEqualTo(image);
    assertThat(outcome.outLines().get(1)).matches(" +\\d+\\.\\d %  (ground|block)");
    BufferedImage mask = ImageIO.read(out.resolve("b3-mask.png").toFile());
    assertThat(mask.getColorModel()).isInstanceOf(IndexColorModel.class);
    assertThat(List.of(mask.getWidth(), mask.getHeight())).containsExactly(43, 32);
    int[] values = mask.getRaster().getSamples(0, 0, 43, 32, 0, (int[]) null);
    assertThat(Arrays.stream(values).max().orElseThrow()).isLessThan(2);
    BufferedImage overlay = ImageIO.read(out.resolve("b3-overlay.png").toFile());
    assertThat(overlay.getWidth()).isEqualTo(43);
    int ground = 0;
    while (ground < values.length && values[ground] != 0) {
      ground++;
    }
    if (ground < values.length) { // class 0 stays as it is
      int under = ImageIO.read(Path.of(image).toFile()).getRGB(ground % 43, ground / 43);
      assertThat(overlay.getRGB(ground % 43, ground / 43)).isEqualTo(under);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "--argmax"})
  void anExportedFilePredictsTheSameMasks(String option) throws IOException, OrtException {
    String file = folder.resolve("block" + option + ".onnx").toString();
    List<String> export = new ArrayList<>(List.of("export", run(), "--out", file));
    if (!option.isEmpty()) {
      export.add(option);
    }
    Outcome exported = Outcome.of(export.toArray(new String[0]));
    assertThat(exported.status()).as(exported.err()).isZero();
    try (OrtSession session = OrtEnvironment.getEnvironment().createSession(file)) {
      assertThat(session.getMetadata().getCustomMetadata())
          .containsEntry("task", "segmentation")
          .containsEntry("classes", "[\"ground\",\"block\"]")
          .containsEntry("colors", "[\"#000000\",\"#800000\"]")
          .containsEntry("image_size", "0")
          .containsKeys("mean", "std", "fovea");
      assertThat(session.getOutputNames()).containsExactly(option.isEmpty() ? "scores" : "labels");
    }

    List<String> images = List.of(data() + "/images/b3.png", data() + "/images/b7.png");
    for (String scales : List.of("1", "0.5,1")) {
      Path here = folder.resolve("here" + option + scales);
      Path there = folder.resolve("there" + option + scales);
      List<String> rest = List.of("--scales", scales, images.get(0), images.get(1));
      assertThat(Outcome.of(with(rest, "predict", run(), "--out", here.toString())).status())
          .isZero();
      Outcome predicted =
          Outcome.of(with(rest, "predict", "--onnx", file, "--out", there.toString()));
      assertThat(predicted.status()).as(predicted.err()).isZero();
      if (option.isEmpty() || scales.equals("1")) { // labels of several views are votes
        assertThat(sharedPixels(here.resolve("b3-mask.png"), there.resolve("b3-mask.png")))
            .isGreaterThan(0.99); // rounding decides where two classes have the same score
        assertThat(sharedPixels(here.resolve("b7-mask.png"), there.resolve("b7-mask.png")))
            .isGreaterThan(0.99);
      }
    }
    assertThat(Outcome.of("predict", "--task", "video", "--onnx", file, "a.mp4").errLines())
        .containsExactly("fovea: " + file + " is for segmentation, not for video");
  }

  private static String[] with(List<String> last, String... first) {
    return Stream.concat(Stream.of(first), last.stream()).toArray(String[]::new);
  }

  /** The share of pixels that have the same label in both masks. */
  private static double sharedPixels(Path one, Path other) throws IOException {
    BufferedImage a = ImageIO.read(one.toFile());
    BufferedImage b = ImageIO.read(other.toFile());
    int[] first = a.getRaster().getSamples(0, 0, a.getWidth(), a.getHeight(), 0, (int[]) null);
    int[] second = b.getRaster().getSamples(0, 0, a.getWidth(), a.getHeight(), 0, (int[]) null);
    int same = 0;
    for (int i = 0; i < first.length; i++) {
      same += first[i] == second[i] ? 1 : 0;
    }
    return (double) same / first.length;
  }

  @Test
  void argmaxIsForOnnx() {
    assertThat(Outcome.of("export", run(), "--argmax", "--format", "safetensors").errLines())
        .containsExactly("fovea: --argmax needs --format onnx");
  }

  @Test
  void explainShowsMaskUncertaintyAttentionAndEvidence() throws IOException {
    Path out = folder.resolve("explained");
    String image = data() + "/images/b3.png";

    Outcome outcome =
        Outcome.of(
            "explain",
            run(),
            image,
            "--point",
            "42,31",
            "--target",
            "block",
            "--region",
            "10,8,20,16",
            "--out",
            out.toString());

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(outcome.outLines().get(0))
        .matches(
            "\\Q" + image + "\\E: (ground|block) \\d+\\.\\d %.*; mean uncertainty [01]\\.\\d{3}");
    assertThat(outcome.out()).contains("head.sa", "head.sc", "received");
    assertThat(out.resolve("b3").toFile().list())
        .contains("mask.png", "overlay.png", "uncertainty.png", "head.sa.received.png")
        .contains("head.sa.from-5-3.png", "grad-cam.layer3.png", "head.sc.channel-matrix.png");
    BufferedImage map = ImageIO.read(out.resolve("b3/uncertainty.png").toFile());
    assertThat(map.getWidth() % 43).isZero(); // the whole image, not its square
    String page = Files.readString(out.resolve("explain.html"));
    assertThat(page)
        .contains("\"scene\":{\"height\":32,\"width\":43", "\"colours\":[\"#000000\"")
        .contains("\"whole\":true", "\"class\":\"block\"");

    assertThat(Outcome.of("explain", run(), image, "--point", "43,0").errLines())
        .containsExactly(
            "fovea: point 43,0 is outside " + image + ": columns 0 to 42, rows 0 to 31");
    assertThat(Outcome.of("explain", run(), image, "--region", "40,0,4,4").errLines())
        .containsExactly(
            "fovea: the region 40,0,4,4 is outside the image, which has 43 x 32 pixels");
    assertThat(Outcome.of("explain", run(), image, "--frame", "3").errLines())
        .containsExactly("fovea: --frame is for video, not for segmentation");
  }

  @Test
  void explainOfADataSetSaysWhichClassesAttendToWhich() throws IOException {
    Path out = folder.resolve("surveyed");

    Outcome outcome =
        Outcome.of("explain", run(), "--data", data(), "--limit", "3", "--out", out.toString());

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(outcome.outLines().get(0)).isEqualTo("3 images of data");
    assertThat(outcome.out()).contains("to itself", "head.sa", "ground", "block ");
    assertThat(out.resolve("data").toFile().list()).containsExactly("head.sa.classes.png");
    assertThat(Files.readString(out.resolve("explain-data.html")))
        .contains("\"scenes\":{\"data\":\"data\",\"images\":3");
    assertThat(Outcome.of("explain", run(), "--data", data(), "--per-class", "3").errLines())
        .containsExactly("fovea: --per-class is for classification, not for segmentation");
    assertThat(Outcome.of("explain", run(), "a.png", "--limit", "3").errLines())
        .containsExactly("fovea: --limit needs --data");
  }

  @Test
  void compareReportsByHead() throws IOException {
    Path out = folder.resolve("study");

    Outcome outcome =
        Outcome.of(
            arguments(
                "compare",
                "--modules",
                "none,dual,ocr",
                "--seeds",
                "1,2",
                "--out",
                out.toString()));

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(outcome.out()).contains("mIoU %", "pixel accuracy %", "8 images");
    JsonNode results = Json.read(out.resolve("results.json"), JsonNode.class);
    assertThat(results.path("training").has("epochs")).isFalse(); // they stand beside it
    assertThat(results.path("training").has("seed")).isFalse();
    assertThat(results.path("training").path("crop_size").asInt()).isEqualTo(32);
    assertThat(results.path("training").path("output_stride").asInt()).isEqualTo(8);
    assertThat(results.path("task").asText()).isEqualTo("segmentation");
    assertThat(results.path("score").asText()).isEqualTo("miou");
    for (JsonNode row : results.path("rows")) {
      assertThat(row.path("miou")).hasSize(2);
      double mean = (row.path("miou").path(0).asDouble() + row.path("miou").path(1).asDouble()) / 2;
      assertThat(row.path("miou_mean").asDouble()).isCloseTo(mean, within(1e-12));
      assertThat(row.path("pixel_accuracy")).hasSize(2);
      assertThat(row.path("class_iou")).hasSize(2);
      assertThat(row.has("top1")).isFalse();
      assertThat(row.path("curves").path(0).path("epochs").path(0).path("test_miou").asDouble())
          .isEqualTo(row.path("miou").path(0).asDouble());
      assertThat(row.path("latency_batch_size").asInt()).isEqualTo(8);
    }
    JsonNode difference = results.path("rows").path(1).path("difference");
    assertThat(difference.path("mean").asDouble())
        .isCloseTo(
            results.path("rows").path(1).path("miou_mean").asDouble()
                - results.path("rows").path(0).path("miou_mean").asDouble(),
            within(1e-12));
    String report = Files.readString(out.resolve("report.html"));
    assertThat(report).contains("\"truth\":\"data:image/png", "\"mask\":\"data:image/png");

    Outcome again =
        Outcome.of(
            arguments(
                "compare",
                "--modules",
                "none,dual,ocr",
                "--seeds",
                "1,2",
                "--out",
                out.toString()));
    assertThat(again.err()).contains("6 finished already");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "train --attention se@pre | the head of a segmentation network takes one attention",
        "train --backbone resnet34 | unknown backbone for segmentation: \"resnet34\"",
        "train --output-stride 4 | the output stride of small must be 8 or 16, got 4",
        "train --class-weights 1,2,3 | expected a weight for each of the 2 classes, got 3",
        "train --class-weights 1,x | --class-weights must be balanced or" + " numbers, got \"x\"",
        "train --scale 1 | --scale needs two numbers",
        "train --init nowhere.pth | nowhere.pth",
        "compare --modules none,nothing | unknown",
        "compare --schedule poly:power=-1 | schedule poly: power must be at least 0, got -1.0",
      })
  void mistakesAreOneLine(String command, String message) {
    String[] words = command.split(" ");
    Outcome outcome = Outcome.of(arguments(words[0], Arrays.copyOfRange(words, 1, words.length)));

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines().stream().filter(line -> line.startsWith("fovea: ")).toList())
        .hasSize(1)
        .first()
        .asString()
        .contains(message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "train --crop-size 32 | --crop-size is for segmentation, not for classification",
      })
  void classificationRefusesTheOptions(String command, String message) {
    Outcome outcome = Outcome.of(command.split(" "));
    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.errLines()).containsExactly("fovea: " + message);
  }

  @Test
  void otherClassesAreRefused() throws IOException {
    for (String part : List.of("images", "masks")) {
      for (int i = 0; i < 2; i++) {
        Path to = folder.resolve("other/" + part + "/b" + i + ".png");
        Files.createDirectories(to.getParent());
        Files.copy(folder.resolve("data/" + part + "/b" + i + ".png"), to);
      }
    }
    String other = folder.resolve("other").toString();

    // without names, the labels are those of the network
    Outcome outcome = Outcome.of("evaluate", run(), "--data", other);
    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(outcome.out()).contains(" of all 2 images of other, loss ");
    assertThat(outcome.outLines()).anyMatch(line -> line.startsWith("block "));

    // names in another order are matched
    Files.writeString(folder.resolve("other/classes.txt"), "block\nground\n");
    Outcome swapped = Outcome.of("evaluate", run(), "--data", other);
    assertThat(swapped.status()).as(swapped.err()).isZero();
    assertThat(swapped.out()).isNotEqualTo(outcome.out());

    Files.writeString(folder.resolve("other/classes.txt"), "sky\nsea\n");
    Outcome refused = Outcome.of("evaluate", run(), "--data", other);
    assertThat(refused.status()).isEqualTo(2);
    assertThat(refused.errLines())
        .containsExactly(
            "fovea: "
                + other
                + ": none of its classes (sky, sea) is one of the network's (ground, block)");
  }
}
