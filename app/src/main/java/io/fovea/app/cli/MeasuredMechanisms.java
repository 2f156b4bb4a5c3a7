package io.fovea.app.cli;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.app.console.TextTable;
import io.fovea.data.DataException;
import io.fovea.training.run.Json;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;

/** What a comparison of all mechanisms measured, for their pages. */
final class MeasuredMechanisms {
  private static final String[] HEAD = {
    "mechanism", "parameters", "MACs", "top-1 %", "to none", "95% interval", "diverged",
  };

  private final JsonNode study;
  private final Map<String, JsonNode> rows = new LinkedHashMap<>();

  private MeasuredMechanisms(JsonNode study) {
    this.study = study;
    study.path("rows").forEach(row -> rows.put(row.path("module").asText(), row));
  }

  /**
   * Reads the results of a comparison.
   *
   * @param file its {@code results.json}
   * @throws DataException if it is something else
   */
  static MeasuredMechanisms read(Path file) {
    JsonNode study = Json.read(file, JsonNode.class);
    if (!study.path("study").asText().equals("compare")
        || !study.path("score").asText().equals("top1")) {
      throw new DataException(
          file + ": is not the results.json of fovea compare with classification networks");
    }
    return new MeasuredMechanisms(study);
  }

  /** The section of the index: how it was measured, all rows, and which differences are none. */
  String ofAll() {
    TextTable table = new TextTable(HEAD);
    modules().forEach(module -> table.add(cells(module).toArray(new String[0])));
    String indented = table.toString().indent(4);
    return "\n## Measured\n\n"
        + how()
        + "\n`none` is the network without attention; the differences are paired by seed.\n\n"
        + indented
        + "\n"
        + verdict()
        + "\n";
  }

  /** The section of a mechanism; empty if it was not measured. */
  String of(String module) {
    if (!modules().contains(module)) {
      return "";
    }
    String head = String.join(" | ", List.of(HEAD).subList(3, HEAD.length));
    String row =
        cells(module).stream().skip(3).map(String::strip).collect(Collectors.joining(" | "));
    return "\n## Measured\n\n"
        + how()
        + "\n\n| "
        + head
        + " |\n|---|---|---|---|\n| "
        + row
        + " |\n\n"
        + "The [table of all](README.md#measured) says what that is worth.\n";
  }

  private String how() {
    int epochs = study.path("epochs").asInt();
    return String.format(
        Locale.ROOT,
        "At its paper's place in `%s`, trained for %s on %,d images of %s, tested on %,d, with the"
            + " seeds %s.",
        study.path("backbone").asText(),
        epochs == 1 ? "one epoch" : epochs + " epochs",
        study.path("data").path("train_images").asInt(),
        study.path("data").path("name").asText(),
        study.path("data").path("test_images").asInt(),
        texts(study.path("seeds")));
  }

  /** Those with a row, and those of which all seeds diverged. */
  private List<String> modules() {
    List<String> modules = new ArrayList<>(rows.keySet());
    for (JsonNode run : study.path("diverged")) {
      String module = run.path("module").asText();
      if (!modules.contains(module)) {
        modules.add(module);
      }
    }
    return modules;
  }

  private List<String> cells(String module) {
    List<String> cells = new ArrayList<>(List.of(module));
    JsonNode row = rows.get(module);
    if (row == null) {
      cells.addAll(List.of("", "", "", "", ""));
    } else {
      JsonNode deviation = row.path("top1_std");
      JsonNode difference = row.path("difference");
      cells.add(TextTable.count(row.path("parameters").asDouble()));
      cells.add(TextTable.count(row.path("macs").asDouble()));
      cells.add(
          TextTable.percent(row.path("top1_mean").asDouble())
              + (deviation.isNull() ? "" : " ± " + TextTable.percent(deviation.asDouble())));
      cells.add(difference.isNull() ? "" : TextTable.points(difference.path("mean").asDouble()));
      cells.add(
          difference.path("low").isNumber()
              ? TextTable.points(difference.path("low").asDouble())
                  + " to "
                  + TextTable.points(difference.path("high").asDouble())
                  + (beyondNoise(row) ? " *" : "  ")
              : "");
    }
    cells.add(
        StreamSupport.stream(study.path("diverged").spliterator(), false)
            .filter(run -> run.path("module").asText().equals(module))
            .map(run -> "seed " + run.path("seed").asText())
            .collect(Collectors.joining(", ")));
    return cells;
  }

  private static boolean beyondNoise(JsonNode row) {
    return row.path("difference").path("beyond_noise").asBoolean();
  }

  private String verdict() {
    long tested = rows.values().stream().filter(row -> row.at("/difference/p").isNumber()).count();
    List<String> beyond =
        rows.entrySet().stream()
            .filter(row -> beyondNoise(row.getValue()))
            .map(row -> "`" + row.getKey() + "`")
            .toList();
    String corrected = ", after Holm's correction for " + tested + " comparisons";
    return (beyond.isEmpty()
            ? "No difference is beyond the noise of the seeds" + corrected
            : "Beyond the noise of the seeds (*)" + corrected + ": " + String.join(", ", beyond))
        + "."
        + (study.path("diverged").isEmpty()
            ? ""
            : "\nWhere a seed diverged (the loss became NaN), the mean is that of the other seeds,"
                + " and nothing is tested.");
  }

  private static String texts(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false)
        .map(JsonNode::asText)
        .collect(Collectors.joining(", "));
  }
}
