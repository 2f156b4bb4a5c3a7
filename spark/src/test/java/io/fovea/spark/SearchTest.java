package io.fovea.spark;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.app.cli.SearchCommand;
import io.fovea.training.run.Json;
import java.io.IOException;
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

/** A search on Spark, compared with the same search in this process. */
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "Spark on Windows needs Hadoop's winutils")
class SearchTest {
  @TempDir static Path folder;

  @BeforeAll
  static void start() {
    LocalSpark.session(); // which --on finds
    LocalSpark.images(folder.resolve("data/a"), 30);
    LocalSpark.images(folder.resolve("data/b"), 40); // the same and ten more: luck decides
  }

  private static void search(Path out, String... more) {
    StringWriter text = new StringWriter();
    CommandLine command = new CommandLine(new SearchCommand());
    command.setOut(new PrintWriter(text));
    command.setErr(new PrintWriter(text));
    List<String> all = new ArrayList<>(List.of("--data", folder.resolve("data").toString()));
    all.addAll(
        List.of(
            ("--grey --width 0.25 --modules eca,simam --placements paper --epochs 2 --eta 2"
                    + " --finalists 1 --budget 12epochs --out")
                .split(" ")));
    all.add(out.toString());
    all.addAll(List.of(more));
    assertThat(command.execute(all.toArray(new String[0]))).as(text.toString()).isZero();
  }

  /** The results of the trainings by file, without the times that they took. */
  private static Map<String, ObjectNode> laps(Path out) throws IOException {
    Map<String, ObjectNode> laps = new TreeMap<>();
    try (Stream<Path> files = Files.list(out.resolve("runs"))) {
      for (Path file : files.toList()) {
        ObjectNode lap = Json.read(file, ObjectNode.class);
        lap.remove("seconds");
        for (JsonNode epoch : (ArrayNode) lap.get("epochs")) {
          ((ObjectNode) epoch).remove(List.of("seconds", "images_per_second"));
        }
        laps.put(file.getFileName().toString(), lap);
      }
    }
    return laps;
  }

  private static JsonNode events(Path out) {
    return Json.read(out.resolve("search.json"), JsonNode.class).path("events");
  }

  @Test
  void theSearchHasTheDecisionsAndTheBitsOfOneMachineAndIsResumed() throws IOException {
    Path here = folder.resolve("here");
    Path there = folder.resolve("there");
    search(here, "--threads", "2");
    search(there, "--on", "local[2]");

    assertThat(laps(there)).hasSizeGreaterThan(5).isEqualTo(laps(here));
    assertThat(events(there)).isEqualTo(events(here));
    assertThat(there.resolve("report.html")).exists();

    // as if the process had been killed in the final
    ObjectNode journal = Json.read(there.resolve("search.json"), ObjectNode.class);
    journal.put("complete", false);
    Json.write(there.resolve("search.json"), journal);
    String lost = laps(there).keySet().stream().filter(f -> f.contains("final")).toList().get(0);
    Files.delete(there.resolve("runs").resolve(lost));
    search(there, "--on", "local[2]");
    assertThat(laps(there)).isEqualTo(laps(here));
  }
}
