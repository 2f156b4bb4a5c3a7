package io.fovea.app.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import de.siegmar.fastcsv.writer.CsvWriter;
import io.fovea.training.evaluate.ClipPrediction;
import io.fovea.training.evaluate.Prediction;
import io.fovea.training.evaluate.Predictions;
import io.fovea.training.run.Json;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/** Prints predictions as text, as lines of JSON or as CSV. */
final class PredictionWriter {
  /** The formats. */
  enum Format {
    /** For people: the file, then its classes on lines of their own. */
    TEXT,
    /** One JSON object on each line. */
    JSON,
    /** One line for each file, with a header. */
    CSV
  }

  private final Format format;
  private final PrintWriter out;
  private final int top;
  private final boolean scores;
  private final CsvWriter csv;

  /**
   * Creates a writer. CSV begins with its header.
   *
   * @param top the number of classes of a file
   * @param scores whether scores are printed, not probabilities
   */
  PredictionWriter(Format format, PrintWriter out, int top, boolean scores) {
    this.format = format;
    this.out = out;
    this.top = top;
    this.scores = scores;
    csv = format == Format.CSV ? CsvWriter.builder().build(out) : null;
    if (csv != null) {
      List<String> head = new ArrayList<>(List.of("file"));
      for (int i = 1; i <= top; i++) {
        head.add("class_" + i);
        head.add((scores ? "score_" : "probability_") + i);
      }
      head.add("error");
      csv.writeRecord(head);
    }
  }

  /**
   * Prints the predictions of a file.
   *
   * @param written the files that were written for it, by what they are; empty for none
   */
  void write(Path file, Predictions predictions, Map<String, Path> written) {
    switch (format) {
      case TEXT -> {
        out.println(file);
        out.print(text(predictions));
        if (!written.isEmpty()) {
          out.println(
              "  into "
                  + written.values().stream()
                      .map(Path::toString)
                      .collect(Collectors.joining(" and ")));
        }
      }
      case JSON -> out.println(Json.line(json(file, predictions, written)));
      case CSV -> csv.writeRecord(record(file, predictions.ranked(), ""));
    }
  }

  /** Notes in JSON and CSV that a file could not be read; text has the message elsewhere. */
  void writeFailure(Path file, String message) {
    if (format == Format.JSON) {
      ObjectNode node = Json.MAPPER.createObjectNode();
      node.put("file", file.toString());
      node.put("error", message);
      out.println(Json.line(node));
    } else if (format == Format.CSV) {
      csv.writeRecord(record(file, List.of(), message));
    }
  }

  /** Passes on what was printed, which is needed at the end. */
  void flush() {
    if (csv != null) {
      try {
        csv.flush();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
    out.flush();
  }

  private List<String> record(Path file, List<Prediction> ranked, String error) {
    List<String> fields = new ArrayList<>(List.of(file.toString()));
    for (int i = 0; i < top; i++) {
      boolean there = i < ranked.size();
      fields.add(there ? ranked.get(i).name() : "");
      fields.add(there ? String.format(Locale.ROOT, "%.6f", value(ranked.get(i))) : "");
    }
    fields.add(error);
    return fields;
  }

  private double value(Prediction prediction) {
    return scores ? prediction.score() : prediction.probability();
  }

  private ObjectNode json(Path file, Predictions predictions, Map<String, Path> written) {
    ObjectNode node = Json.MAPPER.createObjectNode();
    node.put("file", file.toString());
    node.set("predictions", list(predictions.ranked()));
    if (!predictions.moments().isEmpty()) {
      ArrayNode moments = node.putArray("clips");
      for (ClipPrediction moment : predictions.moments()) {
        ObjectNode one = moments.addObject();
        one.put("first_frame", moment.first());
        one.put("last_frame", moment.last());
        if (!Double.isNaN(moment.from())) {
          one.put("from_seconds", moment.from());
          one.put("to_seconds", moment.to());
        }
        one.set("predictions", list(moment.predictions()));
      }
    }
    written.forEach((what, path) -> node.put(what, path.toString()));
    return node;
  }

  private ArrayNode list(List<Prediction> ranked) {
    ArrayNode list = Json.MAPPER.createArrayNode();
    ranked.stream()
        .limit(top)
        .forEach(
            prediction -> {
              ObjectNode one = list.addObject();
              one.put("class", prediction.name());
              one.put(scores ? "score" : "probability", value(prediction));
            });
    return list;
  }

  private String text(Predictions predictions) {
    if (predictions.moments().isEmpty()) {
      return predictions.ranked().stream()
          .limit(top)
          .map(prediction -> "  " + text(prediction) + System.lineSeparator())
          .collect(Collectors.joining());
    }
    StringBuilder text = new StringBuilder();
    for (ClipPrediction moment : predictions.moments()) {
      text.append(line(when(moment), moment.predictions()));
    }
    if (predictions.moments().size() > 1) {
      text.append(line("whole video", predictions.ranked()));
    }
    return text.toString();
  }

  private String line(String when, List<Prediction> predictions) {
    String classes =
        predictions.stream().limit(top).map(this::text).collect(Collectors.joining("  "));
    return String.format("  %-18s %s%n", when, classes);
  }

  private String text(Prediction prediction) {
    return scores
        ? String.format(Locale.ROOT, "%9.4f  %s", prediction.score(), prediction.name())
        : String.format(
            Locale.ROOT, "%5.1f %%  %s", 100 * prediction.probability(), prediction.name());
  }

  private static String when(ClipPrediction moment) {
    return Double.isNaN(moment.from())
        ? "frames " + moment.first() + " to " + moment.last()
        : String.format(Locale.ROOT, "%.1f s to %.1f s", moment.from(), moment.to());
  }
}
