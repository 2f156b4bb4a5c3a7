package io.fovea.app.study;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.explain.Effect;
import io.fovea.explain.ExplainPage;
import io.fovea.explain.ReportExamples;
import io.fovea.training.run.Json;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Writes {@code report.html}: one file that shows {@link Results} and works offline. It is written again
 * after each run, so the pictures of the test samples are kept.
 */
public final class Report {
  /** The side of a photograph with maps over it, and of one in a row of many, in pixels. */
  private static final int SIDE = 224;

  private static final int SMALL = 112;

  private final LoadedTask<?, ?> task;
  private final Map<List<Integer>, ObjectNode> pictures = new HashMap<>(); // by index and side

  /** Prepares the report of a study. */
  public Report(LoadedTask<?, ?> task) {
    this.task = task;
  }

  /** Writes the report. */
  public synchronized void write(Path file, Results results, List<Study.Run> runs)
      throws IOException {
    ObjectNode all = Json.MAPPER.valueToTree(results);
    all.set("examples", examples(runs));
    all.set("mistakes", mistakes(runs));
    ArrayNode identities = all.putArray("identities");
    Effect.startsAsIdentity().forEach(identities::add);
    Json.writeText(file, ExplainPage.filled(ExplainPage.assembled(template()), all));
  }

  private static String template() throws IOException {
    try (InputStream in = Report.class.getResourceAsStream("report.html")) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  private ObjectNode picture(int index, int side) {
    return pictures
        .computeIfAbsent(List.of(index, side), key -> task.picture(index, side))
        .deepCopy();
  }

  /**
   * The predictions and maps of each module, by image, from the runs with examples (those of the
   * first seed).
   */
  private ArrayNode examples(List<Study.Run> runs) {
    Map<Integer, ObjectNode> byImage = new TreeMap<>();
    List<String> classes = task.data().classes();
    for (Study.Run run : runs) {
      for (ReportExamples.Example example : run.examples()) {
        if (example.showsMistake()) {
          continue;
        }
        ObjectNode module =
            byImage
                .computeIfAbsent(example.index(), index -> picture(index, SIDE))
                .withObjectProperty("modules")
                .putObject(run.module());
        if (example.predicted() != null) {
          module.put("predicted", classes.get(example.predicted()));
          module.put("probability", example.probability());
        }
        if (example.mask() != null) {
          module.put("mask", example.mask());
        }
        module.set("maps", Json.MAPPER.valueToTree(example.maps()));
      }
    }
    ArrayNode list = Json.MAPPER.createArrayNode();
    byImage.values().forEach(list::add);
    return list;
  }

  /**
   * The wrong predictions of each module with the highest probabilities, and the pictures of these
   * images.
   */
  private ObjectNode mistakes(List<Study.Run> runs) {
    ObjectNode all = Json.MAPPER.createObjectNode();
    ObjectNode modules = all.putObject("modules");
    ObjectNode images = all.putObject("images");
    for (Study.Run run : runs) {
      for (ReportExamples.Example example : run.examples()) {
        if (!example.showsMistake()) {
          continue;
        }
        String index = Integer.toString(example.index());
        images.set(index, picture(example.index(), SMALL));
        modules
            .withArrayProperty(run.module())
            .addObject()
            .put("image", index)
            .put("predicted", task.data().classes().get(example.predicted()))
            .put("probability", example.probability());
      }
    }
    return all;
  }
}
