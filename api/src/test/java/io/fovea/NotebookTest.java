package io.fovea;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.imageio.ImageIO;
import jdk.jshell.JShell;
import jdk.jshell.Snippet;
import jdk.jshell.SnippetEvent;
import jdk.jshell.SourceCodeAnalysis;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The notebook in examples/ runs from its first cell to its last, in the shell that its kernel uses. */
class NotebookTest {
  @TempDir Path folder;

  @Test
  void runsFromTop() throws Exception {
    for (int i = 0; i < 10; i++) {
      draw(folder.resolve("images/dark/" + i + ".png"), new Color(10, 20, 10 * i));
      draw(folder.resolve("images/light/" + i + ".png"), new Color(200, 220, 150 + 10 * i));
    }
    System.setProperty("images", folder.resolve("images").toString());
    System.setProperty("out", folder.resolve("run").toString());
    JsonNode notebook =
        new ObjectMapper().readTree(Path.of("../examples/notebook/attention.ipynb").toFile());
    int cells = 0;
    try (JShell shell = JShell.builder().executionEngine("local").build()) {
      for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
        shell.addToClasspath(entry);
      }
      for (JsonNode cell : notebook.get("cells")) {
        StringBuilder source = new StringBuilder();
        cell.get("source").forEach(line -> source.append(line.asText()));
        if (cell.get("cell_type").asText().equals("code") && source.indexOf("%") != 0) {
          run(shell, source.toString());
          cells++;
        }
      }
      assertThat(value(shell, "run.folder().toString()"))
          .isEqualTo("\"" + folder.resolve("run") + "\"");
      assertThat(
              value(
                  shell,
                  "explanation.pictures().get(shown).get() instanceof java.awt.image.BufferedImage"))
          .isEqualTo("true");
    }
    assertThat(cells).isEqualTo(6);
    assertThat(folder.resolve("run/best.safetensors")).isNotEmptyFile();
  }

  private static void run(JShell shell, String source) {
    SourceCodeAnalysis analysis = shell.sourceCodeAnalysis();
    String rest = source;
    while (!rest.isBlank()) {
      SourceCodeAnalysis.CompletionInfo snippet = analysis.analyzeCompletion(rest);
      assertThat(snippet.completeness().isComplete()).as(rest).isTrue();
      evaluated(shell, snippet.source());
      rest = snippet.remaining();
    }
  }

  private static String value(JShell shell, String expression) {
    return evaluated(shell, expression).get(0).value();
  }

  private static List<SnippetEvent> evaluated(JShell shell, String source) {
    List<SnippetEvent> events = shell.eval(source);
    for (SnippetEvent event : events) {
      assertThat(event.exception()).as(source).isNull();
      assertThat(event.status())
          .as(source + shell.diagnostics(event.snippet()).map(d -> d.getMessage(null)).toList())
          .isEqualTo(Snippet.Status.VALID);
    }
    return events;
  }

  private static void draw(Path file, Color color) throws Exception {
    BufferedImage image = new BufferedImage(32, 32, BufferedImage.TYPE_INT_RGB);
    Graphics2D g = image.createGraphics();
    g.setColor(color);
    g.fillRect(0, 0, 32, 32);
    g.dispose();
    Files.createDirectories(file.getParent());
    ImageIO.write(image, "png", file.toFile());
  }
}
