package io.fovea.explain;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.training.run.Json;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** The pages that draw explanations: one file each, with its style and its script inside. */
public final class ExplainPage {
  private static final String DATA = "/*FOVEA-DATA*/null";

  private ExplainPage() {}

  /** The report of {@code fovea explain}. */
  public static void write(Path file, ObjectNode data) throws IOException {
    // Names in the data must not end the script.
    String json = Json.line(data).replace("<", "\\u003c");
    Json.writeText(file, assembled(resource("explain.html")).replace(DATA, json));
  }

  /** A template with the style and the script of these pages put in. */
  public static String assembled(String template) {
    return template
        .replace("/*FOVEA-STYLE*/", resource("viewer.css"))
        .replace("/*FOVEA-VIEWER*/", resource("viewer.js"));
  }

  private static String resource(String name) {
    try (InputStream in = ExplainPage.class.getResourceAsStream(name)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
