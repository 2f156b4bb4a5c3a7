package io.fovea.app.cli;

import static java.util.stream.Collectors.joining;

import io.fovea.app.console.TextTable;
import io.fovea.app.study.Results;
import io.fovea.data.DataException;
import io.fovea.training.evaluate.Metric;
import io.fovea.training.run.Json;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;

/** What a comparison of all mechanisms measured, for their pages. */
final class MeasuredMechanisms {
  private static final List<String> HEAD =
      List.of("mechanism", "parameters", "MACs", "top-1 %", "to none", "95% interval", "diverged");

  /** The columns of a mechanism's own page, which has its costs already. */
  private static final int SHOWN = 3;

  /** What is read of {@code results.json}. */
  private record Study(
      String study,
      String score,
      String backbone,
      int epochs,
      List<Long> seeds,
      Data data,
      List<Row> rows,
      List<Results.Diverged> diverged) {
    boolean isComparison() {
      return "compare".equals(study)
          && Metric.TOP1.key().equals(score)
          && Stream.of(seeds, data, rows).noneMatch(Objects::isNull);
    }
  }

  private record Data(String name, int trainImages, int testImages) {}

  private record Row(
      String module,
      long parameters,
      long macs,
      double top1Mean,
      Double top1Std,
      Results.Difference difference) {
    boolean isBeyondNoise() {
      return difference != null && difference.beyondNoise();
    }
  }

  private final Study study;
  private final List<Results.Diverged> diverged;
  private final Map<String, List<String>> cells = new LinkedHashMap<>();

  private MeasuredMechanisms(Study study) {
    this.study = study;
    diverged = Objects.requireNonNullElse(study.diverged(), List.of()); // older files have none
    for (Row row : study.rows()) {
      Results.Difference difference = row.difference();
      cells.put(
          row.module(),
          List.of(
              row.module(),
              TextTable.count((double) row.parameters()),
              TextTable.count((double) row.macs()),
              new Results.Score(Metric.TOP1, List.of(), row.top1Mean(), row.top1Std()).text(),
              difference == null ? "" : TextTable.points(difference.mean()),
              difference == null ? "" : difference.interval(),
              diverged(row.module())));
    }
    for (Results.Diverged run : diverged) { // of some, all seeds
      cells.putIfAbsent(
          run.module(), List.of(run.module(), "", "", "", "", "", diverged(run.module())));
    }
  }

  private String diverged(String module) {
    return diverged.stream()
        .filter(run -> run.module().equals(module))
        .map(run -> "seed " + run.seed())
        .collect(joining(", "));
  }

  /**
   * Reads the results of a comparison.
   *
   * @param file its {@code results.json}
   * @throws DataException if it is something else
   */
  static MeasuredMechanisms read(Path file) {
    Study study = Json.read(file, Study.class);
    if (!study.isComparison()) {
      throw new DataException(
          file + ": is not the results.json of fovea compare with classification networks");
    }
    return new MeasuredMechanisms(study);
  }

  /** The section of the index: how it was measured, all rows, and which differences are none. */
  String ofAll() {
    TextTable table = new TextTable(HEAD.toArray(new String[0]));
    cells.values().forEach(row -> table.add(row.toArray(new String[0])));
    return "\n## Measured\n\n"
        + how()
        + "\n`none` is the network without attention; the differences are paired by seed.\n\n"
        + table.toString().indent(4)
        + "\n"
        + verdict()
        + "\n";
  }

  /** The section of a mechanism; empty if it was not measured. */
  String of(String module) {
    if (!cells.containsKey(module)) {
      return "";
    }
    return "\n## Measured\n\n"
        + how()
        + "\n\n| "
        + HEAD.stream().skip(SHOWN).collect(joining(" | "))
        + " |\n|---|---|---|---|\n| "
        + cells.get(module).stream().skip(SHOWN).map(String::strip).collect(joining(" | "))
        + " |\n\n"
        + "The [table of all](README.md#measured) says what that is worth.\n";
  }

  private String how() {
    return String.format(
        Locale.ROOT,
        "At its paper's place in `%s`, trained for %s on %,d images of %s, tested on %,d, with the"
            + " seeds %s.",
        study.backbone(),
        study.epochs() == 1 ? "one epoch" : study.epochs() + " epochs",
        study.data().trainImages(),
        study.data().name(),
        study.data().testImages(),
        study.seeds().stream().map(String::valueOf).collect(joining(", ")));
  }

  private String verdict() {
    long tested =
        study.rows().stream().map(Row::difference).filter(Results.Difference::isTested).count();
    String corrected = ", after Holm's correction for " + tested + " comparisons";
    String beyond =
        study.rows().stream()
            .filter(Row::isBeyondNoise)
            .map(row -> "`" + row.module() + "`")
            .collect(joining(", "));
    return (beyond.isEmpty()
            ? "No difference is beyond the noise of the seeds" + corrected
            : "Beyond the noise of the seeds (*)" + corrected + ": " + beyond)
        + "."
        + (diverged.isEmpty()
            ? ""
            : "\nWhere a seed diverged (the loss became NaN), the mean is that of the other seeds,"
                + " and nothing is tested.");
  }
}
