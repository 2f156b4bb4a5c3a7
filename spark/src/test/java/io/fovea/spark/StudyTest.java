package io.fovea.spark;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.app.cli.CompareCommand;
import io.fovea.app.study.LoadedTask;
import io.fovea.app.study.TaskSetup;
import io.fovea.app.study.TrainingJob;
import io.fovea.data.DataException;
import io.fovea.data.Progress;
import io.fovea.data.source.DataIdentity;
import io.fovea.data.source.DataSpec;
import io.fovea.errors.FoveaException;
import io.fovea.models.Precision;
import io.fovea.training.Tasks;
import io.fovea.training.TrainingSpec;
import io.fovea.training.run.Json;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** Studies on Spark, compared with the same studies in this process. */
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "Spark on Windows needs Hadoop's winutils")
class StudyTest {
  @TempDir static Path folder;

  @BeforeAll
  static void start() {
    LocalSpark.session(); // which --on finds
  }

  private static void compare(Path out, String... more) {
    StringWriter text = new StringWriter();
    CommandLine command = new CommandLine(new CompareCommand());
    command.setOut(new PrintWriter(text));
    command.setErr(new PrintWriter(text));
    List<String> all =
        new ArrayList<>(
            List.of(
                "--limit",
                "160",
                "--epochs",
                "1",
                "--modules",
                "none,se",
                "--seeds",
                "1",
                "--out",
                out.toString()));
    all.addAll(List.of(more));
    assertThat(command.execute(all.toArray(new String[0]))).as(text.toString()).isZero();
  }

  /** The results of the runs by file, without the times that they took. */
  private static Map<String, ObjectNode> runs(Path out) throws Exception {
    Map<String, ObjectNode> runs = new TreeMap<>();
    try (Stream<Path> files = Files.list(out.resolve("runs"))) {
      for (Path file : files.toList()) {
        ObjectNode run = Json.read(file, ObjectNode.class);
        run.remove(List.of("latency_ms", "latency_batch_ms"));
        for (var epoch : (ArrayNode) run.get("epochs")) {
          ((ObjectNode) epoch).remove(List.of("seconds", "images_per_second"));
        }
        runs.put(file.getFileName().toString(), run);
      }
    }
    return runs;
  }

  @Test
  void theRunsHaveTheBitsOfOneMachineAndAreResumed() throws Exception {
    Path here = folder.resolve("here");
    Path there = folder.resolve("there");
    compare(here, "--threads", "2");
    compare(there, "--on", "local[2]");

    assertThat(runs(there)).hasSize(2).isEqualTo(runs(here));
    assertThat(there.resolve("report.html")).exists();
    ObjectNode results = Json.read(there.resolve("results.json"), ObjectNode.class);
    assertThat(results.get("complete").asBoolean()).isTrue();
    assertThat(results.get("side_by_side").asInt()).isEqualTo(2);

    Path lost = there.resolve("runs/none-seed1.json");
    Path kept = there.resolve("runs/se-seed1.json");
    String before = Files.readString(kept);
    Files.delete(lost);
    compare(there, "--on", "local[2]");
    assertThat(Files.readString(kept)).isEqualTo(before);
    assertThat(runs(there)).isEqualTo(runs(here));
  }

  @Test
  void aJobIsTextAndItsDataMustBeTheSameThere() {
    TaskSetup<?, ?> setup =
        new TaskSetup<>(
            Tasks.CLASSIFICATION,
            DataSpec.of(DataSpec.SAMPLE).withLimit(50),
            Tasks.CLASSIFICATION.network("resnet8", null),
            TrainingSpec.CLASSIFICATION,
            null);
    LoadedTask<?, ?> loaded = setup.open(Progress.NONE);
    DataIdentity identity = DataIdentity.of(loaded.data());
    TrainingJob job =
        new TrainingJob(loaded, identity, Precision.FLOAT32, "abc123", "se", 5, false);

    TrainingJob read = TrainingJob.of(job.text());
    assertThat(read.text()).isEqualTo(job.text());
    assertThat(read.task().setup()).isEqualTo(setup);
    assertThat(read.identity()).isEqualTo(identity);
    assertThatThrownBy(() -> TrainingJob.of(job.text().replace(identity.checksum(), "0")))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("is other data here than where the study was started");
  }

  @Test
  void anAddressThatCannotBeReachedIsTold() {
    SparkEngine engine = new SparkEngine();
    assertThatThrownBy(() -> engine.open("spark://localhost:1", 1))
        .isInstanceOf(FoveaException.class)
        .hasMessageContaining("--on spark://localhost:1: cannot be reached");
    assertThatThrownBy(() -> engine.open("spark://localhost", 1))
        .isInstanceOf(FoveaException.class)
        .hasMessageContaining("expected spark://HOST:PORT");
  }
}
