package io.fovea.app.evaluation;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import de.siegmar.fastcsv.writer.CsvWriter;
import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.data.EvaluationData;
import io.fovea.data.LabelledImage;
import io.fovea.data.MaskedImage;
import io.fovea.data.Sample;
import io.fovea.data.mask.Masks;
import io.fovea.explain.ExplainPage;
import io.fovea.explain.Overlay;
import io.fovea.explain.Png;
import io.fovea.explain.Strip;
import io.fovea.tensor.internal.AtomicFile;
import io.fovea.training.Task;
import io.fovea.training.evaluate.ClassResult;
import io.fovea.training.evaluate.EvaluationReport;
import io.fovea.training.evaluate.PixelResult;
import io.fovea.training.evaluate.SampleResult;
import io.fovea.training.run.Json;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Writes the results of an evaluation. All files are written atomically. */
public final class EvaluationFiles {
  /** The name of the JSON format; its number grows when a key changes its meaning. */
  public static final String FORMAT = "fovea-evaluation/1";

  private static final int MISTAKES = 30;
  private static final double OPACITY = 0.6;

  private final String network;
  private final Task<?, ?> task;
  private final EvaluationData<?> data;
  private final EvaluationReport report;

  /**
   * Creates a writer.
   *
   * @param network what was evaluated, for readers: the run and its weights
   * @param task the task of the network
   */
  public EvaluationFiles(
      String network, Task<?, ?> task, EvaluationData<?> data, EvaluationReport report) {
    this.network = network;
    this.task = task;
    this.data = data;
    this.report = report;
  }

  /**
   * Writes all numbers as JSON.
   *
   * @throws DataException if the file cannot be written
   */
  public void json(Path file) {
    write(file, () -> Json.write(file, tree()));
  }

  private ObjectNode tree() {
    ObjectNode tree = Json.MAPPER.createObjectNode();
    tree.put("format", FORMAT);
    tree.put("network", network);
    tree.put("task", task.toString());
    ObjectNode source = tree.putObject("data");
    source.put("name", data.name());
    source.put("part", data.part());
    source.put("text", data.text(task.units()));
    source.set("unknown_classes", Json.MAPPER.valueToTree(data.unknown()));
    source.set("skipped", Json.MAPPER.valueToTree(data.skipped()));
    tree.setAll((ObjectNode) Json.MAPPER.valueToTree(report));
    withoutNaN(tree);
    return tree;
  }

  /** Replaces what is not a number by null, because JSON has no such numbers. */
  private static void withoutNaN(JsonNode node) {
    if (node instanceof ObjectNode object) {
      List<String> names = new ArrayList<>();
      object.fieldNames().forEachRemaining(names::add);
      for (String name : names) {
        JsonNode value = object.get(name);
        if (value.isFloatingPointNumber() && !Double.isFinite(value.doubleValue())) {
          object.putNull(name);
        } else {
          withoutNaN(value);
        }
      }
    } else if (node instanceof ArrayNode array) {
      for (int i = 0; i < array.size(); i++) {
        JsonNode value = array.get(i);
        if (value.isFloatingPointNumber() && !Double.isFinite(value.doubleValue())) {
          array.setNull(i);
        } else {
          withoutNaN(value);
        }
      }
    }
  }

  /**
   * Writes one line for each sample as CSV.
   *
   * @throws DataException if the file cannot be written
   */
  public void csv(Path file) {
    write(
        file,
        () -> {
          AtomicFile.write(
              file,
              partial -> {
                try (CsvWriter csv = CsvWriter.builder().build(partial, StandardCharsets.UTF_8)) {
                  lines(csv);
                }
              });
        });
  }

  private void lines(CsvWriter csv) {
    List<String> classes = data.samples().classes();
    if (report.results().get(0) instanceof ClassResult) {
      csv.writeRecord("file", "class", "predicted", "correct", "confidence", "probability", "rank");
    } else {
      csv.writeRecord("file", "pixels", "pixel_accuracy", "miou", "boundary_f1");
    }
    for (SampleResult result : report.results()) {
      String id = data.samples().id(result.index());
      if (result instanceof ClassResult one) {
        csv.writeRecord(
            id,
            classes.get(one.label()),
            classes.get(one.predicted()),
            Boolean.toString(one.correct()),
            number(one.confidence()),
            number(one.probability()),
            Integer.toString(one.rank()));
      } else if (result instanceof PixelResult image) {
        csv.writeRecord(
            id,
            Long.toString(image.pixels()),
            number(image.accuracy()),
            number(image.miou()),
            number(image.meanBoundaryF1()));
      }
    }
  }

  private static String number(double value) {
    return Double.isNaN(value) ? "" : String.format(Locale.ROOT, "%.6f", value);
  }

  /**
   * Writes a page with the confusion matrix, the worst mistakes as pictures and the calibration
   * curve. The page contains everything that it shows.
   *
   * @param file the page; for a name without the extension {@code .html}, a folder that receives
   *     {@code report.html}
   * @return the page
   * @throws DataException if the file cannot be written
   */
  public Path page(Path file) {
    Path page = pageAt(file);
    ObjectNode all = tree();
    ArrayNode worst = all.putArray("worst");
    for (SampleResult result : report.worst(MISTAKES)) {
      worst.add(mistake(result));
    }
    write(page, () -> Json.writeText(page, ExplainPage.filled(template(), all)));
    return page;
  }

  /** The file of a page: itself, or {@code report.html} in a folder. */
  public static Path pageAt(Path file) {
    boolean named = file.toString().toLowerCase(Locale.ROOT).endsWith(".html");
    return named ? file : file.resolve("report.html");
  }

  private ObjectNode mistake(SampleResult result) {
    Dataset<?> samples = data.samples();
    ObjectNode node = Json.MAPPER.createObjectNode();
    node.put("file", samples.id(result.index()));
    Sample sample = samples.sample(result.index());
    node.put("image", Png.uri(Strip.of(sample.image())));
    node.put("width", sample.image().width() * Math.max(1, sample.image().frames()));
    if (sample instanceof LabelledImage && result instanceof ClassResult one) {
      node.put("label", samples.classes().get(one.label()));
      node.put("predicted", samples.classes().get(one.predicted()));
      node.put("confidence", one.confidence());
      node.put("probability", one.probability());
    } else if (sample instanceof MaskedImage masked && result instanceof PixelResult one) {
      node.put("miou", one.miou());
      node.put("truth", Png.uri(truth(masked)));
    }
    return node;
  }

  private static BufferedImage truth(MaskedImage masked) {
    return masked.image().channels() == 3
        ? Overlay.over(Strip.of(masked.image()), masked.labels(), OPACITY)
        : Masks.image(masked.labels(), masked.height(), masked.width());
  }

  private static String template() throws IOException {
    try (InputStream in = EvaluationFiles.class.getResourceAsStream("evaluation.html")) {
      return ExplainPage.assembled(new String(in.readAllBytes(), StandardCharsets.UTF_8));
    }
  }

  private interface Writing {
    void run() throws IOException;
  }

  private static void write(Path file, Writing writing) {
    try {
      writing.run();
    } catch (IOException e) {
      throw new DataException(file + ": cannot be written: " + e.getMessage(), e);
    }
  }
}
