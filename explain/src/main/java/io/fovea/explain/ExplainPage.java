package io.fovea.explain;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.training.run.BuildInfo;
import io.fovea.training.run.Json;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * Writes {@code explain.html}: explanations of one network in one file, which contains its style
 * and its script and works offline.
 *
 * <pre>{@code
 * ExplainPage page = new ExplainPage(NetworkFacts.of(run));
 * page.add(first).add(second).write(Path.of("explain.html"));
 * }</pre>
 *
 * <p>It keeps the data of the page, not the images. It is not thread-safe.
 */
public final class ExplainPage {
  /** For {@link Explanation.Builder#grid}: what a page can hold of an image, about 3 MB. */
  public static final int GRID_VALUES = 700_000;

  private static final String DATA = "/*FOVEA-DATA*/null";

  private final ObjectNode data = Json.MAPPER.createObjectNode();

  /** Creates an empty page. */
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

  /** Makes this the page of a data set of scenes. */
  ExplainPage add(ExplainedScenes scenes) {
    data.set("scenes", ExplanationJson.of(scenes));
    return this;
  }

  /** Makes this the page of a data set. */
  ExplainPage add(ExplainedDataset dataset) {
    data.set("survey", ExplanationJson.of(dataset));
    return this;
  }

  /** Whether the page is empty. */
  public boolean isEmpty() {
    return data.size() == 1;
  }

  /**
   * Writes the page atomically, and creates its folder if necessary.
   *
   * @return the file
   * @throws IOException if it cannot be written
   */
  public Path write(Path file) throws IOException {
    Json.writeText(file, filled(assembled(resource("explain.html")), data));
    return file;
  }

  /** Inserts data into a page, escaped so that names in it cannot close the script element. */
  public static String filled(String page, ObjectNode data) {
    return page.replace(DATA, Json.line(data).replace("<", "\\u003c"));
  }

  /** Inserts the shared parts of pages into a template: style, colours and script. */
  public static String assembled(String template) {
    return template
        .replace("/*FOVEA-STYLE*/", resource("viewer.css"))
        .replace("/*FOVEA-COLOURS*/", resource("theme.css").stripTrailing())
        .replace("/*FOVEA-THEME*/", resource("theme.js").stripTrailing())
        .replace("/*FOVEA-VIEWER*/", resource("viewer.js"))
        .replace("FOVEA-VIRIDIS", Viridis.STOPS)
        .replace("FOVEA-VERSION", BuildInfo.version());
  }

  private static String resource(String name) {
    try (InputStream in = ExplainPage.class.getResourceAsStream(name)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
