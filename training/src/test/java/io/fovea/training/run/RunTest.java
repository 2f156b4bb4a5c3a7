package io.fovea.training.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.data.DataException;
import io.fovea.data.ImageDataset;
import io.fovea.data.TrainingData;
import io.fovea.data.source.Preprocessing;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.weights.Safetensors;
import io.fovea.models.weights.StateDict;
import io.fovea.training.EpochResult;
import io.fovea.training.Shades;
import io.fovea.training.Tasks;
import io.fovea.training.Training;
import io.fovea.training.TrainingListener;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.evaluate.Metric;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunTest {
  @TempDir Path temporary;

  private Path path;
  private Training<Classifier, ImageDataset> training;
  private Classifier network;
  private Run<Classifier, ImageDataset> run;

  @BeforeEach
  void train() {
    path = temporary.resolve("runs").resolve("one");
    training = Shades.training(Shades.TRAINING);
    network = training.network();
    run = Run.train(path, training, Shades.SPEC, TrainingListener.NONE);
  }

  private static Run<Classifier, ImageDataset> open(Path path) {
    return Run.open(path, Tasks.CLASSIFICATION);
  }

  @Test
  void holdsConfigurationMetricsAndWeights() throws IOException {
    try (var files = Files.list(path)) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .containsExactlyInAnyOrder(
              "config.json", "metrics.jsonl", "recipe.txt", "best.safetensors", "last.safetensors");
    }
    JsonNode config = Json.read(path.resolve("config.json"), JsonNode.class);
    assertThat(config.path("format").asText()).isEqualTo("fovea-run/3");
    assertThat(config.path("model").path("backbone").asText()).isEqualTo("resnet8");
    assertThat(config.path("training").path("batch_size").asInt()).isEqualTo(8);
    assertThat(config.path("data").path("train_images").asInt()).isEqualTo(40);
    assertThat(config.path("preprocessing").path("classes").toString())
        .isEqualTo("[\"dark\",\"bright\"]");

    List<String> lines = Files.readAllLines(path.resolve("metrics.jsonl"));
    assertThat(lines).hasSize(3);
    for (int i = 0; i < lines.size(); i++) {
      assertThat(Json.MAPPER.readTree(lines.get(i)).path("epoch").asInt()).isEqualTo(i + 1);
    }
    assertThat(Safetensors.metadata(path.resolve("last.safetensors")))
        .containsEntry("format", "pt")
        .containsEntry("fovea", "fovea-run/3");
  }

  @Test
  void opensAsItWasWritten() {
    Run<Classifier, ImageDataset> opened = open(path);

    assertThat(opened.path()).isEqualTo(path);
    assertThat(opened.config()).isEqualTo(run.config());
    assertThat(opened.config().model()).isEqualTo(Shades.MODEL);
    assertThat(opened.config().training()).isEqualTo(Shades.TRAINING);
    assertThat(opened.preprocessing().normalization()).isEqualTo(Shades.data().normalization());
    assertThat(opened.metrics()).isEqualTo(run.metrics());
  }

  /** Some options do not show in the weights, so a run keeps what its network chose. */
  @Test
  void keepsWhatTheNetworkChose() throws IOException {
    ModelSpec model = new ModelSpec("resnet8", 2, 1, 1, "sge");
    Preprocessing preprocessing =
        new Preprocessing(List.of("a", "b"), 1, 28, Shades.data().normalization());
    Path folder = path.resolveSibling("sge");
    try (PointerScope scope = new PointerScope()) {
      Run.write(
          folder, Tasks.CLASSIFICATION, model.create(), model, preprocessing, "made here", null);
      Run<Classifier, ImageDataset> opened = open(folder);
      assertThat(opened.config().chosen()).hasSize(3).containsEntry("layer1.0.sge", "groups=4");
      assertThat(ModelCard.metadata(opened, Run.Weights.LAST).get("fovea"))
          .contains("layer1.0.sge", "groups=4");
      assertThat(opened.load(Run.Weights.LAST).chosen()).isEqualTo(opened.config().chosen());
    }

    Path config = folder.resolve("config.json");
    Files.writeString(config, Files.readString(config).replace("groups=4", "groups=2"));
    assertThatThrownBy(() -> open(folder).load(Run.Weights.LAST))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("this version of Fovea would choose");
  }

  /** The best epoch is that of the weights themselves; whoever keeps an average is told of it. */
  @Test
  void knowsWhetherTheAverageIsBetter() throws IOException {
    assertThat(run.isAverageBetter()).isFalse();
    Files.copy(path.resolve("last.safetensors"), path.resolve("ema.safetensors"));
    assertThat(run.isAverageBetter()).isFalse();

    Path metrics = path.resolve("metrics.jsonl");
    List<String> lines = Files.readAllLines(metrics);
    String key = "ema_" + run.task().score().key();
    for (String score : List.of("-0.5", "2.0")) {
      Files.write(
          metrics,
          lines.stream()
              .map(line -> line.replaceFirst("\\{", "{\"" + key + "\":" + score + ","))
              .toList());
      assertThat(open(path).isAverageBetter()).as(score).isEqualTo(score.equals("2.0"));
    }
  }

  /** A folder that was made for a result, and into which nothing was written, is gone again. */
  @Test
  void aLockThatWasForNothingLeavesNothing() throws IOException {
    Path deep = temporary.resolve("new/deep/run");
    FolderLock.of(deep).close();
    assertThat(temporary.resolve("new")).doesNotExist();
    FolderLock.claim(deep).orElseThrow().close();
    assertThat(temporary.resolve("new")).doesNotExist();
    try (FolderLock lock = FolderLock.claim(deep).orElseThrow()) {
      assertThat(FolderLock.claim(deep)).isEmpty();
      Files.writeString(deep.resolve("something"), "");
    }
    assertThat(deep.toFile().list()).containsExactly("something");
    assertThatThrownBy(() -> FolderLock.of(deep.resolve("something/run")))
        .isInstanceOf(DataException.class);
  }

  @Test
  void anImportIsARunWithoutTraining() throws IOException {
    Path imported = path.resolveSibling("imported");
    Preprocessing preprocessing =
        new Preprocessing(List.of("a", "b"), 1, 28, Shades.data().normalization());

    Run<Classifier, ImageDataset> written = written(imported, preprocessing);

    Run<Classifier, ImageDataset> opened = open(imported);
    assertThat(opened.config()).isEqualTo(written.config());
    assertThat(opened.config().training()).isNull();
    assertThat(opened.preprocessing()).isEqualTo(preprocessing);
    assertThat(opened.config().data().description()).isEqualTo("imported from their.pth");
    assertThat(Shades.scores(opened.load(Run.Weights.LAST), Shades.data()))
        .isEqualTo(Shades.scores(network, Shades.data()));
    assertThatThrownBy(() -> written(imported, preprocessing))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("contains a run already");
  }

  private Run<Classifier, ImageDataset> written(Path imported, Preprocessing preprocessing) {
    return Run.write(
        imported,
        Tasks.CLASSIFICATION,
        network,
        Shades.MODEL,
        preprocessing,
        "imported from their.pth",
        null);
  }

  @Test
  void theLastWeightsGiveTheTrainedNetworksScoresBitForBit() {
    Classifier loaded = open(path).load(Run.Weights.LAST);

    assertThat(loaded.is_training()).isFalse();
    assertThat(Shades.scores(loaded, Shades.data()))
        .isEqualTo(Shades.scores(network, Shades.data()));
  }

  @Test
  void theBestWeightsGiveTheHighestTop1() {
    Run<Classifier, ImageDataset> opened = open(path);
    TrainingData<ImageDataset> data = Shades.data();

    Evaluation best =
        Shades.evaluate(opened.load(Run.Weights.BEST), data.test(), data.normalization());

    EpochResult expected = null;
    for (EpochResult metrics : opened.metrics()) {
      if (expected == null || metrics.test(Metric.TOP1) > expected.test(Metric.TOP1)) {
        expected = metrics;
      }
    }
    assertThat(best.top1()).isEqualTo(expected.test(Metric.TOP1));
    assertThat(best.loss()).isEqualTo(expected.testLoss());
  }

  @Test
  void theBestWeightsAreUsedByDefaultAndSayTheirEpoch() throws IOException {
    Run<Classifier, ImageDataset> opened = open(path);
    int best = EpochResult.best(Tasks.CLASSIFICATION, opened.metrics());

    assertThat(opened.usualWeights()).isEqualTo(Run.Weights.BEST);
    assertThat(opened.describe(Run.Weights.BEST)).isEqualTo("the best epoch, " + best + " of 3");
    assertThat(opened.describe(Run.Weights.LAST)).isEqualTo("the last epoch, 3 of 3");
    assertThat(opened.hasSeveralEpochs()).isTrue();
    assertThat(ModelCard.metadata(opened, Run.Weights.LAST))
        .containsEntry("weights", "the last epoch, 3 of 3");
    Files.delete(path.resolve("metrics.jsonl"));
    assertThat(opened.describe(Run.Weights.BEST)).isEqualTo("the best epoch");
    Files.delete(path.resolve("best.safetensors"));
    assertThat(opened.usualWeights()).isEqualTo(Run.Weights.LAST);
  }

  @Test
  void howMuchOneImageCounts() {
    assertThat(Tasks.CLASSIFICATION.shareOfOne(35)).contains("one image is 2.9 points");
    assertThat(Tasks.VIDEO.shareOfOne(199)).contains("one clip is 0.5 points");
    assertThat(Tasks.CLASSIFICATION.shareOfOne(200)).isEmpty();
    assertThat(Tasks.SEGMENTATION.shareOfOne(35)).isEmpty();
  }

  @Test
  void anExistingRunIsNotTrainedInto() throws IOException {
    byte[] weights = Files.readAllBytes(path.resolve("last.safetensors"));

    assertThatThrownBy(() -> Shades.train(path, Shades.TRAINING.withSeed(2)))
        .isInstanceOf(DataException.class)
        .hasMessage(path + ": contains a run already; choose another folder");
    assertThat(Files.readAllBytes(path.resolve("last.safetensors"))).isEqualTo(weights);
  }

  @Test
  void afterEachEpochTheFolderIsComplete() {
    Path other = temporary.resolve("other");
    Run.train(
        other,
        training,
        Shades.SPEC,
        new TrainingListener() {
          @Override
          public void epoch(EpochResult metrics, Evaluation test) {
            Run<Classifier, ImageDataset> soFar = open(other);
            assertThat(soFar.metrics()).hasSize(metrics.epoch());
            assertThat(soFar.metrics().get(metrics.epoch() - 1)).isEqualTo(metrics);
            Evaluation again =
                Shades.evaluate(
                    soFar.load(Run.Weights.LAST),
                    Shades.data().test(),
                    Shades.data().normalization());
            assertThat(again.loss()).isEqualTo(test.loss());
          }
        });
    assertThat(open(other).metrics()).hasSize(3);
  }

  @Test
  void aFolderThatIsNoRunIsRefused() {
    assertThatThrownBy(() -> open(temporary))
        .isInstanceOf(DataException.class)
        .hasMessage(temporary + ": not a run folder: it has no config.json");
    Path none = temporary.resolve("none");
    assertThatThrownBy(() -> open(none))
        .isInstanceOf(DataException.class)
        .hasMessageContaining(none.toString());
  }

  @Test
  void aDamagedConfigurationIsRefused() throws IOException {
    Path config = path.resolve("config.json");
    String whole = Files.readString(config);
    for (String damaged :
        List.of(
            "",
            "{",
            "[]",
            "{}",
            "boom",
            whole.substring(0, whole.length() / 2),
            whole.replace("fovea-run/3", "fovea-run/9"),
            whole.replace("\"epochs\" : 3", "\"epochs\" : 0"),
            whole.replace("\"backbone\"", "\"nothing\""),
            whole.replace("\"attention\"", "\"nothing\""),
            whole.replace("\"classes\" : 2", "\"classes\" : 0"),
            whole.replace("\"width\" : 0.25", "\"width\" : -1"))) {
      Files.writeString(config, damaged);
      assertThatThrownBy(() -> open(path).load(Run.Weights.LAST))
          .as(damaged)
          .isInstanceOf(DataException.class)
          .hasMessageStartingWith(config + ": ");
    }
  }

  @Test
  void aRunOfAnOlderVersionIsRefusedInOneLine() throws IOException {
    Path config = path.resolve("config.json");
    Files.writeString(config, Files.readString(config).replace("fovea-run/3", "fovea-run/1"));

    assertThatThrownBy(() -> open(path))
        .isInstanceOf(DataException.class)
        .hasMessage(
            path
                + ": was written by an older version of Fovea, whose runs"
                + " cannot be read any more; train the network again, or import"
                + " its weights with fovea import "
                + path.resolve("last.safetensors"));
  }

  @Test
  void missingWeightsAreNamed() throws IOException {
    Path weights = path.resolve("best.safetensors");
    Files.delete(weights);

    assertThatThrownBy(() -> open(path).load(Run.Weights.BEST))
        .isInstanceOf(DataException.class)
        .hasMessageStartingWith(weights + ": cannot be read");
  }

  @Test
  void damagedWeightsAreNamed() throws IOException {
    Path weights = path.resolve("last.safetensors");
    byte[] whole = Files.readAllBytes(weights);
    Files.write(weights, Arrays.copyOf(whole, whole.length - 4));

    assertThatThrownBy(() -> open(path).load(Run.Weights.LAST))
        .isInstanceOf(DataException.class)
        .hasMessageStartingWith(weights + ": cannot be read");
  }

  @Test
  void weightsOfAnotherNetworkAreNamed() throws IOException {
    Path weights = path.resolve("last.safetensors");
    for (ModelSpec other :
        List.of(
            Shades.MODEL.withAttention("se:reduction=4"),
            new ModelSpec("resnet8", 2, 1, 0.5, PlacedAttention.NONE),
            new ModelSpec("resnet14", 2, 1, 0.25, PlacedAttention.NONE))) {
      try (PointerScope scope = new PointerScope()) {
        Safetensors.write(weights, StateDict.of(other.create()), Map.of());
      }
      assertThatThrownBy(() -> open(path).load(Run.Weights.LAST))
          .isInstanceOf(DataException.class)
          .hasMessageStartingWith(weights + ": the weights do not fit: ");
    }
  }

  @Test
  void aDamagedLineOfMetricsIsRefused() throws IOException {
    Path metrics = path.resolve("metrics.jsonl");
    String whole = Files.readString(metrics);
    for (String damaged :
        List.of(
            "{\"epoch\":1\n",
            "\n" + whole,
            "null\n" + whole,
            whole + whole,
            whole.replace("\"epoch\":2", "\"epoch\":2000000000"),
            whole.replaceAll("\"test_top1\":[^,]*", "\"test_top1\":null"))) {
      Files.writeString(metrics, damaged);

      assertThatThrownBy(() -> open(path).metrics())
          .as(damaged)
          .isInstanceOf(DataException.class)
          .hasMessageStartingWith(metrics + ": ")
          .satisfies(e -> assertThat(e.getMessage().lines()).hasSize(1));
    }
  }
}
