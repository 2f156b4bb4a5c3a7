package io.fovea.app.cli;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.errors.FoveaException;
import io.fovea.training.run.Json;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * PyTorch in a Python of the user's, which measures the mechanisms as they are written there. It
 * computes only while {@link #measure} waits for it.
 */
final class TorchPeer implements AutoCloseable {
  /** The programs: what measures, and the mechanisms. */
  private static final List<String> SCRIPTS = List.of("peers.py", "mechanisms.py");

  /** Medians in milliseconds. */
  record Times(double inferenceMillis, double trainingMillis) {}

  private final String python;
  private final Path folder; // of the scripts
  private final Process process;
  private final BufferedWriter requests;
  private final BufferedReader answers;
  private final JsonNode about;

  /**
   * Starts Python.
   *
   * @param python the program, such as {@code venv/bin/python}
   * @throws FoveaException if it does not start, or has no PyTorch
   */
  TorchPeer(String python) throws IOException {
    this.python = python;
    folder = Files.createTempDirectory("fovea-peers");
    for (String script : SCRIPTS) {
      try (InputStream source = TorchPeer.class.getResourceAsStream(script)) {
        Files.write(folder.resolve(script), source.readAllBytes());
      }
    }
    try {
      process =
          new ProcessBuilder(python, "-uB", folder.resolve(SCRIPTS.get(0)).toString())
              .redirectError(ProcessBuilder.Redirect.DISCARD)
              .start();
    } catch (IOException e) {
      deleteScripts();
      throw new FoveaException(
          "--peers: " + python + " does not start; name a Python that has PyTorch with --python",
          e);
    }
    requests = process.outputWriter(StandardCharsets.UTF_8);
    answers = process.inputReader(StandardCharsets.UTF_8);
    try {
      about = answer();
    } catch (FoveaException e) {
      close();
      throw e;
    }
  }

  /** The version of PyTorch and whether it has MKL. */
  String version() {
    return about.get("torch").asText() + ", " + about.get("blas").asText();
  }

  /** The specs of the mechanisms that are measured beside those of {@code fovea bench}. */
  List<String> further() {
    return Json.MAPPER.convertValue(about.get("further"), new TypeReference<>() {});
  }

  /** The shape of the feature maps for {@link #further}. */
  long[] shape() {
    return Json.MAPPER.convertValue(about.get("shape"), long[].class);
  }

  /**
   * Checks that a mechanism is written in PyTorch, without measuring it.
   *
   * @throws FoveaException if it is not; the message is PyTorch's own
   */
  void check(String module, long[] shape) throws IOException {
    ask(module, shape, 1, false, 0);
  }

  /**
   * Measures a mechanism.
   *
   * @param module as in the table of {@code fovea bench}
   * @param compiled whether {@code torch.compile} compiles it before
   * @throws FoveaException if PyTorch cannot; the message is its own
   */
  Times measure(String module, long[] shape, int threads, boolean compiled, double seconds)
      throws IOException {
    JsonNode answer = ask(module, shape, threads, compiled, seconds);
    return new Times(answer.get("inference").asDouble(), answer.get("training").asDouble());
  }

  private JsonNode ask(String module, long[] shape, int threads, boolean compiled, double seconds)
      throws IOException {
    ObjectNode request = Json.MAPPER.createObjectNode();
    request.put("module", module);
    request.putPOJO("shape", shape);
    request.put("threads", threads);
    request.put("compile", compiled);
    request.put("seconds", seconds);
    requests.write(Json.line(request));
    requests.newLine();
    requests.flush();
    return answer();
  }

  private JsonNode answer() throws IOException {
    String line = answers.readLine();
    if (line == null) {
      throw new FoveaException("--peers: " + python + " ended; has it PyTorch?");
    }
    JsonNode answer = Json.MAPPER.readTree(line);
    if (answer.has("error")) {
      throw new FoveaException("--peers: " + python + ": " + answer.get("error").asText());
    }
    return answer;
  }

  /** Ends Python. */
  @Override
  public void close() {
    process.destroy();
    deleteScripts();
  }

  private void deleteScripts() {
    try {
      for (String script : SCRIPTS) {
        Files.deleteIfExists(folder.resolve(script));
      }
      Files.deleteIfExists(folder);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
