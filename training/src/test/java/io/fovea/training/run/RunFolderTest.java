package io.fovea.training.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.data.DataException;
import io.fovea.data.ImageData;
import io.fovea.data.Progress;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.weights.Safetensors;
import io.fovea.models.weights.StateDict;
import io.fovea.training.EpochMetrics;
import io.fovea.training.EpochResult;
import io.fovea.training.Shades;
import io.fovea.training.TrainingListener;
import io.fovea.training.evaluate.Evaluation;
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

class RunFolderTest {
  @TempDir Path temporary;

  private Path path;
  private Classifier network;
  private RunFolder run;

  @BeforeEach
  void train() {
    path = temporary.resolve("runs").resolve("one");
    network = Shades.network(1);
    run = train(path, network);
  }

  private static RunFolder train(Path path, Classifier network) {
    return RunFolder.train(
        path,
        network,
        Shades.MODEL,
        Shades.SPEC,
        Shades.data(),
        Shades.TRAINING,
        TrainingListener.NONE);
  }

  @Test
  void holdsConfigurationMetricsAndWeights() throws IOException {
    try (var files = Files.list(path)) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .containsExactlyInAnyOrder(
              "config.json", "metrics.jsonl", "best.safetensors", "last.safetensors");
    }
    JsonNode config = Json.read(path.resolve("config.json"), JsonNode.class);
    assertThat(config.path("format").asText()).isEqualTo("fovea-run/1");
    assertThat(config.path("model").path("backbone").asText()).isEqualTo("resnet8");
    assertThat(config.path("training").path("batch_size").asInt()).isEqualTo(8);
    assertThat(config.path("data").path("train_images").asInt()).isEqualTo(40);
    assertThat(config.path("data").path("classes").toString()).isEqualTo("[\"dark\",\"bright\"]");

    List<String> lines = Files.readAllLines(path.resolve("metrics.jsonl"));
    assertThat(lines).hasSize(3);
    for (int i = 0; i < lines.size(); i++) {
      assertThat(Json.MAPPER.readTree(lines.get(i)).path("epoch").asInt()).isEqualTo(i + 1);
    }
    assertThat(Safetensors.metadata(path.resolve("last.safetensors")))
        .containsEntry("format", "pt")
        .containsEntry("fovea", "fovea-run/1");
  }

  @Test
  void opensAsItWasWritten() {
    RunFolder opened = RunFolder.open(path);

    assertThat(opened.path()).isEqualTo(path);
    assertThat(opened.config()).isEqualTo(run.config());
    assertThat(opened.config().model()).isEqualTo(Shades.MODEL);
    assertThat(opened.config().training()).isEqualTo(Shades.TRAINING);
    assertThat(opened.config().data().normalization()).isEqualTo(Shades.data().normalization());
    assertThat(opened.metrics()).isEqualTo(run.metrics());
  }

  @Test
  void anImportIsARunWithoutTraining() throws IOException {
    Path imported = path.resolveSibling("imported");
    RunFolder.Data data =
        RunFolder.Data.ofImport(
            null, Path.of("their.pth"), List.of("a", "b"), 28, Shades.data().normalization());

    RunFolder written = RunFolder.write(imported, network, Shades.MODEL, data);

    RunFolder opened = RunFolder.open(imported);
    assertThat(opened.config()).isEqualTo(written.config());
    assertThat(opened.config().training()).isNull();
    assertThat(opened.config().data()).isEqualTo(data);
    assertThat(data.description()).isEqualTo("imported from their.pth");
    assertThat(Shades.scores(opened.load(RunFolder.Weights.LAST), Shades.data()))
        .isEqualTo(Shades.scores(network, Shades.data()));
    assertThatThrownBy(() -> RunFolder.write(imported, network, Shades.MODEL, data))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("holds a run already");
  }

  @Test
  void theLastWeightsGiveTheTrainedNetworksScoresBitForBit() {
    Classifier loaded = RunFolder.open(path).load(RunFolder.Weights.LAST);

    assertThat(loaded.is_training()).isFalse();
    assertThat(Shades.scores(loaded, Shades.data()))
        .isEqualTo(Shades.scores(network, Shades.data()));
  }

  @Test
  void theBestWeightsGiveTheHighestTop1() {
    RunFolder opened = RunFolder.open(path);
    ImageData data = Shades.data();

    Evaluation best =
        Evaluation.of(
            opened.load(RunFolder.Weights.BEST), data.test(), data.normalization(), Progress.NONE);

    EpochMetrics expected = null;
    for (EpochMetrics metrics : opened.metrics()) {
      if (expected == null || metrics.testTop1() > expected.testTop1()) {
        expected = metrics;
      }
    }
    assertThat(best.top1()).isEqualTo(expected.testTop1());
    assertThat(best.loss()).isEqualTo(expected.testLoss());
  }

  @Test
  void anExistingRunIsNotTrainedInto() throws IOException {
    byte[] weights = Files.readAllBytes(path.resolve("last.safetensors"));

    assertThatThrownBy(() -> train(path, Shades.network(2)))
        .isInstanceOf(DataException.class)
        .hasMessage(path + ": holds a run already; choose another folder");
    assertThat(Files.readAllBytes(path.resolve("last.safetensors"))).isEqualTo(weights);
  }

  @Test
  void afterEachEpochTheFolderIsComplete() {
    Path other = temporary.resolve("other");
    RunFolder.train(
        other,
        Shades.network(1),
        Shades.MODEL,
        Shades.SPEC,
        Shades.data(),
        Shades.TRAINING,
        new TrainingListener() {
          @Override
          public void epoch(EpochResult metrics, Evaluation test) {
            RunFolder soFar = RunFolder.open(other);
            assertThat(soFar.metrics()).hasSize(metrics.epoch());
            assertThat(soFar.metrics().get(metrics.epoch() - 1)).isEqualTo(metrics);
            Evaluation again =
                Evaluation.of(
                    soFar.load(RunFolder.Weights.LAST),
                    Shades.data().test(),
                    Shades.data().normalization(),
                    Progress.NONE);
            assertThat(again.loss()).isEqualTo(test.loss());
          }
        });
    assertThat(RunFolder.open(other).metrics()).hasSize(3);
  }

  @Test
  void aFolderThatIsNoRunIsRefused() {
    assertThatThrownBy(() -> RunFolder.open(temporary))
        .isInstanceOf(DataException.class)
        .hasMessage(temporary + ": not a run folder: it has no config.json");
    Path none = temporary.resolve("none");
    assertThatThrownBy(() -> RunFolder.open(none))
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
            whole.replace("fovea-run/1", "fovea-run/9"),
            whole.replace("\"epochs\" : 3", "\"epochs\" : 0"))) {
      Files.writeString(config, damaged);
      assertThatThrownBy(() -> RunFolder.open(path))
          .as(damaged)
          .isInstanceOf(DataException.class)
          .hasMessageStartingWith(config + ": ");
    }
  }

  @Test
  void missingWeightsAreNamed() throws IOException {
    Path weights = path.resolve("best.safetensors");
    Files.delete(weights);

    assertThatThrownBy(() -> RunFolder.open(path).load(RunFolder.Weights.BEST))
        .isInstanceOf(DataException.class)
        .hasMessageStartingWith(weights + ": cannot be read");
  }

  @Test
  void damagedWeightsAreNamed() throws IOException {
    Path weights = path.resolve("last.safetensors");
    byte[] whole = Files.readAllBytes(weights);
    Files.write(weights, Arrays.copyOf(whole, whole.length - 4));

    assertThatThrownBy(() -> RunFolder.open(path).load(RunFolder.Weights.LAST))
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
      assertThatThrownBy(() -> RunFolder.open(path).load(RunFolder.Weights.LAST))
          .isInstanceOf(DataException.class)
          .hasMessageStartingWith(weights + ": the weights do not fit: ");
    }
  }

  @Test
  void aDamagedLineOfMetricsIsRefused() throws IOException {
    Path metrics = path.resolve("metrics.jsonl");
    Files.writeString(metrics, "{\"epoch\":1\n");

    assertThatThrownBy(() -> RunFolder.open(path).metrics())
        .isInstanceOf(DataException.class)
        .hasMessageStartingWith(metrics + ": cannot be read");
  }
}
