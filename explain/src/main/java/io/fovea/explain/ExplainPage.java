package io.fovea.explain;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.training.run.Json;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * {@code explain.html}: explanations of one network in one file, with its style and its script inside, that
 * needs no connection.
 *
 * <pre>{@code
 * ExplainPage page = new ExplainPage(NetworkFacts.of(run));
 * page.add(first).add(second).write(Path.of("explain.html"));
 * }</pre>
 *
 * <p>Keeps what the page shows, not the images themselves. Not for several threads at once.
 */
public final class ExplainPage {
  private static final String DATA = "/*FOVEA-DATA*/null";

  private final ObjectNode data = Json.MAPPER.createObjectNode();

  /** Starts a page without anything in it. */
  public ExplainPage(NetworkFacts network) {
    data.set("run", ExplanationJson.of(network));
  }

  /** Adds an image; a page has images or videos. */
  public ExplainPage add(ExplainedImage image) {
    data.withArray("images").add(ExplanationJson.of(image));
    return this;
  }

  /** Adds a video; a page has images or videos. */
  public ExplainPage add(ExplainedVideo video) {
    data.withArray("videos").add(ExplanationJson.of(video));
    return this;
  }

  /** Makes it the page of a data set. */
  ExplainPage add(ExplainedDataset dataset) {
    data.set("survey", ExplanationJson.of(dataset));
    return this;
  }

  /** Whether nothing has been added. */
  public boolean isEmpty() {
    return data.size() == 1;
  }

  /**
   * Writes the page, with its folder; the file appears whole or not at all.
   *
   * @return the file
   * @throws IOException if it cannot be written
   */
  public Path write(Path file) throws IOException {
    Files.createDirectories(file.toAbsolutePath().getParent());
    Json.writeText(file, filled(assembled(resource("explain.html")), data));
    return file;
  }

  /** A page with its data, whose names cannot end its script. */
  public static String filled(String page, ObjectNode data) {
    return page.replace(DATA, Json.line(data).replace("<", "\\u003c"));
  }

  /** A template with what pages share put in: style, colours and script. */
  public static String assembled(String template) {
    return template
        .replace("/*FOVEA-STYLE*/", resource("viewer.css"))
        .replace("/*FOVEA-COLOURS*/", resource("theme.css").stripTrailing())
        .replace("/*FOVEA-THEME*/", resource("theme.js").stripTrailing())
        .replace("/*FOVEA-VIEWER*/", resource("viewer.js"))
        .replace("FOVEA-VIRIDIS", Viridis.STOPS);
  }

  private static String resource(String name) {
    try (InputStream in = ExplainPage.class.getResourceAsStream(name)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
