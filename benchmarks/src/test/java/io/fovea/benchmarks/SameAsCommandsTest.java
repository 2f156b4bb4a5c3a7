package io.fovea.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fovea.Evaluation;
import io.fovea.ImageData;
import io.fovea.Model;
import io.fovea.Prediction;
import io.fovea.Run;
import io.fovea.Training;
import io.fovea.app.Fovea;
import io.fovea.testing.Stripes;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The commands and the front door are two ways to the same code: with the same settings, and with the settings that
 * neither is given, they write and say the same. Each test does one thing both ways.
 */
class SameAsCommandsTest {
  @TempDir static Path temporary;
  private static final ObjectMapper JSON = new ObjectMapper();
  private static Path images;
  private static Path commands;
  private static Run run;
  private static ImageData data;

  @BeforeAll
  static void trainBothWays() throws Exception {
    images = temporary.resolve("images");
    for (int i = 0; i < 20; i++) {
      Stripes.draw(images.resolve("across/" + i + ".png"), false, i);
      Stripes.draw(images.resolve("falling/" + i + ".png"), true, i);
    }
    commands = temporary.resolve("commands");
    fovea(
        "train",
        "--data",
        images,
        "--image-size",
        32,
        "--backbone",
        "resnet8",
        "--attention",
        "cbam",
        "--epochs",
        2,
        "--out",
        commands);
    data = ImageData.folder(images).size(32).load();
    Model model = Model.classifier("resnet8").attention("cbam").classes(data.classes()).build();
    run = model.train(data, Training.defaults().epochs(2), temporary.resolve("program"));
  }

  @AfterAll
  static void close() {
    if (run != null) {
      run.close();
    }
  }

  @Test
  void trainingsHaveTheSameBits() throws Exception {
    assertThat(config(run.folder())).isEqualTo(config(commands));
    assertThat(run.folder().resolve("last.safetensors"))
        .hasSameBinaryContentAs(commands.resolve("last.safetensors"));
    assertThat(run.folder().resolve("best.safetensors"))
        .hasSameBinaryContentAs(commands.resolve("best.safetensors"));
    assertThat(run.folder().resolve("recipe.txt"))
        .hasSameTextualContentAs(commands.resolve("recipe.txt"));
  }

  /** What somebody chooses decides about the defaults of the rest, in the same way. */
  @Test
  void recipesHaveTheSameText() {
    Model model = Model.classifier("resnet8").build();
    assertThat(recipe()).isEqualTo(model.recipe(Training.defaults()));
    assertThat(recipe("--epochs", 4)).isEqualTo(model.recipe(Training.defaults().epochs(4)));
    assertThat(recipe("--optimizer", "adamw"))
        .isEqualTo(model.recipe(Training.defaults().optimizer("adamw")));
    assertThat(recipe("--optimizer", "adamw", "--learning-rate", 0.01))
        .isEqualTo(model.recipe(Training.defaults().learningRate(0.01).optimizer("adamw")));
    assertThat(recipe("--recipe", "paper")).isEqualTo(model.recipe(Training.ofRecipe("paper")));
    assertThat(recipe("--init", run.folder(), "--optimizer", "rmsprop"))
        .isEqualTo(model.recipe(Training.finetune().optimizer("rmsprop")));
  }

  /** Scenes are trained in the same way: the bundled ones whole, trained weights with their statistics. */
  @Test
  void recipesOfScenesHaveTheSameText() {
    Path scenes = temporary.resolve("scenes");
    fovea(
        "train",
        "--task",
        "segmentation",
        "--limit",
        4,
        "--epochs",
        1,
        "--attention",
        "none",
        "--out",
        scenes);
    Path program = temporary.resolve("scenes-program");
    ImageData data = ImageData.bundledScenes().limit(4).load();
    Model.segmenter("small")
        .attention("none")
        .classes(data.classes())
        .build()
        .train(data, Training.defaults().epochs(1), program)
        .close();
    assertThat(program.resolve("last.safetensors"))
        .hasSameBinaryContentAs(scenes.resolve("last.safetensors"));

    assertThat(
            fovea(
                "train",
                "--task",
                "segmentation",
                "--init",
                scenes,
                "--batch-size",
                4,
                "--print-recipe",
                "--attention",
                "none",
                "--crop-size",
                96,
                "--scale",
                "1,1"))
        .isEqualTo(
            Model.segmenter("small")
                .attention("none")
                .weights(scenes)
                .build()
                .recipe(Training.finetune().batchSize(4).cropSize(96).scales(1, 1)));
  }

  private static String recipe(Object... more) {
    List<Object> words =
        new ArrayList<>(
            List.of("train", "--data", images, "--backbone", "resnet8", "--print-recipe"));
    words.addAll(List.of(more));
    return fovea(words.toArray());
  }

  private static JsonNode config(Path folder) throws Exception {
    return JSON.readTree(Files.readString(folder.resolve("config.json")));
  }

  @Test
  void evaluationsHaveTheSameNumbers() throws Exception {
    Path scores = temporary.resolve("scores.json");
    fovea("evaluate", commands, "--json", scores);

    Evaluation evaluation = run.evaluate(data.test());

    JsonNode said = JSON.readTree(Files.readString(scores));
    assertThat(evaluation.images()).isEqualTo(said.path("samples").asLong());
    assertThat(evaluation.loss()).isEqualTo(said.path("loss").asDouble());
    assertThat(evaluation.top1()).isEqualTo(said.path("top1").asDouble());
    assertThat(evaluation.recall("falling"))
        .isEqualTo(said.at("/scores/classes/1/recall").asDouble());
  }

  @Test
  void predictionsHaveTheSameProbabilities() throws Exception {
    Path image = images.resolve("across/3.png");
    JsonNode said = JSON.readTree(fovea("predict", commands, image, "--format", "json"));

    Prediction prediction = run.predict(image);

    assertThat(prediction.ranked()).hasSize(2);
    for (int i = 0; i < 2; i++) {
      Prediction.Scored one = prediction.ranked().get(i);
      assertThat(one.name()).isEqualTo(said.at("/predictions/" + i + "/class").asText());
      assertThat(one.probability())
          .isEqualTo(said.at("/predictions/" + i + "/probability").asDouble());
    }
  }

  @Test
  void exportsHaveTheSameBytes() throws Exception {
    Path onnx = temporary.resolve("commands.onnx");
    fovea("export", commands, "--out", onnx);
    Path own = temporary.resolve("program.onnx");

    run.exportOnnx(own);

    assertThat(own).hasSameBinaryContentAs(onnx);
  }

  @Test
  void explanationsHaveTheSamePictures() throws Exception {
    Path image = images.resolve("across/3.png");
    Path out = temporary.resolve("explained");
    fovea("explain", commands, image, "--out", out);
    Path own = temporary.resolve("own");

    run.explain(image).save(own);

    try (var files = Files.list(own)) {
      for (Path file : files.filter(each -> each.toString().endsWith(".png")).toList()) {
        assertThat(out.resolve("3").resolve(file.getFileName())).hasSameBinaryContentAs(file);
      }
    }
  }

  private static String fovea(Object... words) {
    String[] texts = new String[words.length];
    for (int i = 0; i < words.length; i++) {
      texts[i] = words[i].toString();
    }
    PrintStream before = System.out;
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try {
      System.setOut(new PrintStream(bytes, true, StandardCharsets.UTF_8));
      assertThat(Fovea.run(texts)).as("fovea %s", String.join(" ", texts)).isZero();
    } finally {
      System.setOut(before);
    }
    return bytes.toString(StandardCharsets.UTF_8);
  }
}
