package io.fovea.app;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.training.Json;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** The pages that draw explanations: one file each, with its style and its script inside. */
final class ExplainPage {
  private static final String DATA = "/*FOVEA-DATA*/null";

  private ExplainPage() {}

  /** The report of {@code fovea explain}. */
  static void write(Path file, ObjectNode data) throws IOException {
    // Names in the data must not end the script.
    String json = Json.line(data).replace("<", "\\u003c");
    Json.writeText(file, assembled("explain.html").replace(DATA, json));
  }

  /** The explorer's page. */
  static String explorer() {
    return assembled("serve.html");
  }

  private static String assembled(String template) {
    return resource(template)
        .replace("/*FOVEA-STYLE*/", resource("viewer.css"))
        .replace("/*FOVEA-VIEWER*/", resource("viewer.js"));
  }

  static String resource(String name) {
    try (InputStream in = ExplainPage.class.getResourceAsStream(name)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
