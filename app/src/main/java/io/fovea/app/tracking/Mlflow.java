package io.fovea.app.tracking;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.errors.FoveaException;
import io.fovea.training.EpochResult;
import io.fovea.training.TrainingListener;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.run.Json;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * A run on an MLflow tracking server: the settings as parameters, the metrics of each epoch, and the
 * configuration and the weights as artifacts. A server that fails in the middle of a training is
 * reported once; the training goes on.
 *
 * <p>As MLflow's own client it takes the name of the experiment from {@code
 * MLFLOW_EXPERIMENT_NAME} (default: {@code fovea}), and a token from {@code MLFLOW_TRACKING_TOKEN},
 * or name and password from {@code MLFLOW_TRACKING_USERNAME} and {@code MLFLOW_TRACKING_PASSWORD}.
 */
public final class Mlflow implements TrainingListener {
  /** The file in the folder of a training that names its run on the server. */
  private static final String FILE = "mlflow.json";

  private static final int MOST_PARAMETERS = 100; // of one request
  private static final int LONGEST_VALUE = 500;
  private static final Duration PATIENCE = Duration.ofSeconds(20);
  private static final Duration UPLOAD = Duration.ofMinutes(10);

  private final HttpClient client = HttpClient.newBuilder().connectTimeout(PATIENCE).build();
  private final String server;
  private final Consumer<String> lines;
  private final Map<String, String> environment;
  private String id;
  private String artifacts;
  private boolean failed;

  private Mlflow(String server, Map<String, String> environment, Consumer<String> lines) {
    this.server = server.replaceAll("/+$", "");
    this.environment = environment;
    this.lines = lines;
    URI uri = URI.create(this.server);
    if (!"http".equals(uri.getScheme()) && !"https".equals(uri.getScheme())) {
      throw new IllegalArgumentException("not an http address");
    }
  }

  /**
   * Creates a run on a server, or goes on with the run that a folder names.
   *
   * @param server the address, such as {@code http://localhost:5000}
   * @param folder the folder of the training, whose name the run gets
   * @param environment the environment variables
   * @param lines receives what a user should know
   * @throws FoveaException if the address is wrong, or the server does not answer as MLflow does
   */
  public static Mlflow start(
      String server, Path folder, Map<String, String> environment, Consumer<String> lines) {
    Mlflow run;
    try {
      run = new Mlflow(server, environment, lines);
    } catch (IllegalArgumentException e) {
      throw new FoveaException(
          "--mlflow: expected an address such as http://localhost:5000, got " + server, e);
    }
    try {
      run.begin(folder);
      return run;
    } catch (IOException e) {
      throw new FoveaException("--mlflow: " + server + ": " + e.getMessage(), e);
    }
  }

  /**
   * The server of a training that was interrupted.
   *
   * @return null if the training had none
   */
  public static String serverOf(Path folder) {
    Path file = folder.resolve(FILE);
    return Files.exists(file)
        ? Json.read(file, ObjectNode.class).path("server").asText(null)
        : null;
  }

  private void begin(Path folder) throws IOException {
    Path file = folder.resolve(FILE);
    if (Files.exists(file)) {
      id = Json.read(file, ObjectNode.class).path("run_id").asText();
      artifacts =
          get("runs/get?run_id=" + id).path("run").path("info").path("artifact_uri").asText();
      status("RUNNING");
      return;
    }
    ObjectNode body = Json.MAPPER.createObjectNode();
    body.put("experiment_id", experiment());
    body.put("run_name", folder.toAbsolutePath().normalize().getFileName().toString());
    body.put("start_time", System.currentTimeMillis());
    tag(body.putArray("tags"), "mlflow.source.name", "fovea train");
    JsonNode info = post("runs/create", body).path("run").path("info");
    id = info.path("run_id").asText();
    artifacts = info.path("artifact_uri").asText();
    Map<String, Object> named = new LinkedHashMap<>();
    named.put("server", server);
    named.put("run_id", id);
    Json.write(file, named);
    lines.accept("MLflow: run " + id + " on " + server);
  }

  private static void tag(ArrayNode tags, String key, String value) {
    tags.addObject().put("key", key).put("value", value);
  }

  private String experiment() throws IOException {
    String name = environment.getOrDefault("MLFLOW_EXPERIMENT_NAME", "fovea");
    HttpResponse<String> found =
        send(
            request(
                    "experiments/get-by-name?experiment_name="
                        + URLEncoder.encode(name, StandardCharsets.UTF_8))
                .GET());
    if (found.statusCode() == 200) {
      return answer(found).path("experiment").path("experiment_id").asText();
    }
    if (found.statusCode() != 404) {
      answer(found);
    }
    ObjectNode body = Json.MAPPER.createObjectNode().put("name", name);
    return post("experiments/create", body).path("experiment_id").asText();
  }

  /**
   * Sends settings as parameters.
   *
   * @param settings a configuration; its numbers and texts become parameters such as {@code
   *     training.epochs}
   */
  public void parameters(ObjectNode settings) {
    Map<String, String> flat = new LinkedHashMap<>();
    flatten("", settings, flat);
    attempt(
        () -> {
          List<Map.Entry<String, String>> all = List.copyOf(flat.entrySet());
          for (int from = 0; from < all.size(); from += MOST_PARAMETERS) {
            ObjectNode body = Json.MAPPER.createObjectNode().put("run_id", id);
            ArrayNode parameters = body.putArray("params");
            all.subList(from, Math.min(all.size(), from + MOST_PARAMETERS))
                .forEach(one -> tag(parameters, one.getKey(), one.getValue()));
            post("runs/log-batch", body);
          }
        });
  }

  private static void flatten(String prefix, JsonNode node, Map<String, String> into) {
    if (node.isObject()) {
      node.properties()
          .forEach(
              field ->
                  flatten(
                      prefix.isEmpty() ? field.getKey() : prefix + "." + field.getKey(),
                      field.getValue(),
                      into));
    } else if (!node.isNull()) {
      String text = node.isTextual() ? node.asText() : node.toString();
      if (!text.isEmpty()) {
        into.put(prefix, text.substring(0, Math.min(LONGEST_VALUE, text.length())));
      }
    }
  }

  @Override
  public void epoch(EpochResult result, Evaluation test) {
    Map<String, Double> metrics = new LinkedHashMap<>();
    metrics.put("train_loss", result.trainLoss());
    metrics.put("test_loss", result.testLoss());
    metrics.putAll(result.figures());
    metrics.put("learning_rate", result.learningRate());
    metrics.put("images_per_second", result.imagesPerSecond());
    ObjectNode body = Json.MAPPER.createObjectNode().put("run_id", id);
    ArrayNode all = body.putArray("metrics");
    metrics.forEach(
        (key, value) -> {
          if (Double.isFinite(value)) {
            all.addObject()
                .put("key", key)
                .put("value", value)
                .put("timestamp", System.currentTimeMillis())
                .put("step", result.epoch());
          }
        });
    attempt(() -> post("runs/log-batch", body));
  }

  /**
   * Ends the run.
   *
   * @param files what is uploaded before, if the server takes files
   * @param finished whether the training is finished
   */
  public void end(List<Path> files, boolean finished) {
    String scheme = "mlflow-artifacts:/";
    attempt(
        () -> {
          if (finished && artifacts.startsWith(scheme)) {
            for (Path file : files) {
              upload(artifacts.substring(scheme.length()).replaceAll("^/+", ""), file);
            }
          } else if (finished) {
            lines.accept("note: MLflow keeps files in " + artifacts + ", so none were sent");
          }
          status(finished ? "FINISHED" : "KILLED");
        });
  }

  private void upload(String folder, Path file) throws IOException {
    answer(
        send(
            authorized(
                    HttpRequest.newBuilder(
                        URI.create(
                            server
                                + "/api/2.0/mlflow-artifacts/artifacts/"
                                + folder
                                + "/"
                                + file.getFileName())))
                .timeout(UPLOAD)
                .PUT(HttpRequest.BodyPublishers.ofFile(file))));
  }

  private void status(String status) throws IOException {
    ObjectNode body = Json.MAPPER.createObjectNode().put("run_id", id).put("status", status);
    if (!status.equals("RUNNING")) {
      body.put("end_time", System.currentTimeMillis());
    }
    post("runs/update", body);
  }

  private interface Sending {
    void run() throws IOException;
  }

  private void attempt(Sending sending) {
    if (failed) {
      return;
    }
    try {
      sending.run();
    } catch (IOException e) {
      failed = true;
      lines.accept(
          "note: MLflow gets nothing more of this training: " + server + ": " + e.getMessage());
    }
  }

  private JsonNode get(String path) throws IOException {
    return answer(send(request(path).GET()));
  }

  private JsonNode post(String path, ObjectNode body) throws IOException {
    return answer(
        send(
            request(path)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(Json.line(body)))));
  }

  private HttpRequest.Builder request(String path) {
    return authorized(HttpRequest.newBuilder(URI.create(server + "/api/2.0/mlflow/" + path)))
        .timeout(PATIENCE);
  }

  private HttpRequest.Builder authorized(HttpRequest.Builder request) {
    String token = environment.get("MLFLOW_TRACKING_TOKEN");
    String user = environment.get("MLFLOW_TRACKING_USERNAME");
    if (token != null) {
      return request.header("Authorization", "Bearer " + token);
    }
    if (user != null) {
      String both = user + ":" + environment.getOrDefault("MLFLOW_TRACKING_PASSWORD", "");
      return request.header(
          "Authorization",
          "Basic " + Base64.getEncoder().encodeToString(both.getBytes(StandardCharsets.UTF_8)));
    }
    return request;
  }

  private HttpResponse<String> send(HttpRequest.Builder request) throws IOException {
    try {
      return client.send(request.build(), HttpResponse.BodyHandlers.ofString());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    } catch (IOException e) {
      String why = e.getMessage() == null ? "no connection" : e.getMessage();
      throw new IOException("cannot be reached (" + why + ")", e);
    }
  }

  private static JsonNode answer(HttpResponse<String> response) throws IOException {
    JsonNode body;
    try {
      body = Json.MAPPER.readTree(response.body());
    } catch (IOException e) {
      throw new IOException("answers " + response.statusCode() + ", not as MLflow does", e);
    }
    if (response.statusCode() != 200) {
      String message = body.path("message").asText("");
      throw new IOException(
          "answers " + response.statusCode() + (message.isEmpty() ? "" : ": " + message));
    }
    return body;
  }
}
