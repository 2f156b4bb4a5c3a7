package io.fovea.app.study;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.explain.ReportExamples;
import io.fovea.training.run.Json;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import javax.imageio.ImageIO;

/** {@code report.html}: one file that shows {@link Results} and needs no network. */
public final class Report {
  private static final String PLACE = "/*FOVEA-DATA*/null";

  private Report() {}

  public static void write(
      Path file, Results results, List<Study.Run> runs, TaskSetup.LoadedTask<?> problem)
      throws IOException {
    ObjectNode all = Json.MAPPER.valueToTree(results);
    all.set("examples", examples(runs, problem));
    String json =
        Json.line(all).replace("<", "\\u003c"); // names in the data must not end the script
    Json.writeText(file, template().replace(PLACE, json));
  }

  private static String template() throws IOException {
    try (InputStream in = Report.class.getResourceAsStream("report.html")) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  /** By image what each module made of it, of the runs that looked (those of the first seed). */
  private static ArrayNode examples(List<Study.Run> runs, TaskSetup.LoadedTask<?> problem) {
    Map<Integer, ObjectNode> byImage = new TreeMap<>();
    List<String> classes = problem.data().classes();
    for (Study.Run run : runs) {
      for (ReportExamples.Example example : run.examples()) {
        if (!byImage.containsKey(example.index())) {
          ObjectNode image = problem.picture(example.index());
          image.putObject("modules");
          byImage.put(example.index(), image);
        }
        ObjectNode module =
            byImage.get(example.index()).withObject("/modules").putObject(run.module());
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

  /** An image as a data URI. */
  public static String png(BufferedImage image) {
    return "data:image/png;base64," + Base64.getEncoder().encodeToString(pngBytes(image));
  }

  /** An image as a PNG file. */
  public static byte[] pngBytes(BufferedImage image) {
    try {
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      ImageIO.write(image, "png", out);
      return out.toByteArray();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
