package io.fovea.app;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fovea.testing.Thorough;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The programs in examples/ are built against the jars of this build, and run on some pictures. */
class ProgramsFromOutsideIT {
  private static Path images;
  private static Path run;
  private static Outcome trained;

  @BeforeAll
  static void train() throws IOException, InterruptedException {
    OutsideProject train = OutsideProject.of("train");
    images = train.folder().resolve("images");
    for (int i = 0; i < 20; i++) {
      write(images.resolve("small").resolve(i + ".png"), 20 + i);
      write(images.resolve("large").resolve(i + ".png"), 60 + i);
    }
    Path out = train.folder().resolve("out");
    run = out.resolve("run");
    trained =
        train.run(
            "com.example.TrainOnAFolder",
            images.toString(),
            images.resolve("small/3.png").toString(),
            out.toString());
  }

  private static void write(Path file, int side) throws IOException {
    Files.createDirectories(file.getParent());
    Files.write(file, TestRuns.png(side, side));
  }

  @Test
  void trainsPredictsExplainsAndExports() {
    assertThat(trained.outLines())
        .anyMatch(line -> line.startsWith("epoch 5   loss "))
        .anyMatch(line -> line.matches("top-1 \\d+\\.\\d % of 8 images"))
        .anyMatch(line -> line.matches("(small|large), \\d+\\.\\d %"));
    assertThat(run.resolve("best.safetensors")).isNotEmptyFile();
    assertThat(run.resolveSibling("explain/explain.html")).isNotEmptyFile();
    assertThat(run.resolveSibling("network.onnx")).isNotEmptyFile();
  }

  @Thorough
  @Test
  void scoresAFolder() throws IOException, InterruptedException {
    OutsideProject batch = OutsideProject.of("batch");
    Path folder = Files.createDirectories(batch.folder().resolve("images"));
    Files.copy(images.resolve("small/1.png"), folder.resolve("a, \"b\".png"));
    Files.writeString(folder.resolve("broken.png"), "no image");
    Files.copy(images.resolve("large/2.png"), folder.resolve("c.png"));
    Path csv = batch.folder().resolve("scores.csv");

    batch.run("com.example.ScoreImages", run.toString(), folder.toString(), csv.toString());

    List<String> lines = Files.readAllLines(csv);
    assertThat(lines).hasSize(4);
    assertThat(lines.get(0)).isEqualTo("file,class,probability,error");
    assertThat(lines.get(1)).matches("\"a, \"\"b\"\".png\",\"(small|large)\",[01]\\.\\d{4},");
    assertThat(lines.get(2))
        .startsWith("\"broken.png\",,,\"")
        .contains("not a JPEG, PNG, BMP or WebP image");
    assertThat(lines.get(3)).startsWith("\"c.png\",\"");
  }

  @Thorough
  @Test
  void kotlinNeedsNothingMore() throws IOException, InterruptedException {
    Outcome outcome =
        OutsideProject.of("kotlin")
            .run("PredictKt", run.toString(), images.resolve("small/1.png").toString());
    assertThat(outcome.outLines())
        .anyMatch(line -> line.matches("2 classes, \\d+ parameters"))
        .anyMatch(line -> line.matches(".*1\\.png: (small|large), .* %; (small|large), .* %"));
  }

  @Thorough
  @Test
  void djlLoadsWhatWasExportedForIt() throws IOException, InterruptedException {
    OutsideProject djl = OutsideProject.of("djl");
    Path folder = djl.folder().resolve("for-djl");
    Outcome exported =
        djl.fovea(Map.of(), "export", run.toString(), "--for", "djl", "--out", folder.toString());
    assertThat(exported.status()).as(exported.out()).isZero();
    String picture = images.resolve("large/5.png").toString();
    Outcome outcome = djl.run("com.example.ClassifyWithDjl", folder.toString(), picture);
    String expected = picture + ": " + best(Path.of(picture)) + ", ";
    assertThat(outcome.outLines()).anyMatch(line -> line.startsWith(expected));
  }

  @Test
  void theCommandLinePredictsWithAnExportedFile() throws IOException, InterruptedException {
    OutsideProject train = OutsideProject.of("train"); // its own process, as a user's: see best
    Path picture = images.resolve("large/5.png");
    Path onnx = train.folder().resolve("exported.onnx");
    Outcome exported =
        train.fovea(Map.of(), "export", run.toString(), "--out", onnx.toString(), "--overwrite");
    assertThat(exported.status()).as(exported.out()).isZero();

    assertThat(best("--onnx", onnx, picture)).isEqualTo(best("--run", run, picture));
  }

  @Thorough
  @Test
  void attentionLearnsInsideAnotherNetwork() throws IOException, InterruptedException {
    Outcome outcome = OutsideProject.of("presets").run("com.example.OwnNetwork");
    assertThat(outcome.outLines()).anyMatch(line -> line.matches("right: (6[0-4]|5\\d) of 64"));
  }

  @Thorough
  @Test
  void aSpringServiceAnswersManyClients() throws Exception {
    OutsideProject spring = OutsideProject.of("spring");
    Process service =
        new ProcessBuilder(
                spring.java(
                    "com.example.ClassifierService",
                    "--fovea.run=" + run,
                    "--server.port=0",
                    "--server.address=127.0.0.1"))
            .redirectErrorStream(true)
            .start();
    List<String> said = Collections.synchronizedList(new ArrayList<>());
    BufferedReader lines = service.inputReader();
    try {
      String address = "http://127.0.0.1:" + portWhenStarted(lines, said);
      Thread rest = new Thread(() -> lines.lines().forEach(said::add)); // the client has the pool
      rest.start();
      HttpClient client = HttpClient.newHttpClient();
      JsonNode health =
          new ObjectMapper().readTree(get(client, address + "/actuator/health").body());
      assertThat(health.at("/components/network/details/network").asText())
          .contains("resnet20 with cbam");

      byte[] picture = Files.readAllBytes(images.resolve("large/5.png"));
      List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
      for (int i = 0; i < 40; i++) {
        answers.add(
            client.sendAsync(upload(address, picture), HttpResponse.BodyHandlers.ofString()));
      }
      String best = best(images.resolve("large/5.png"));
      for (var answer : answers) {
        assertThat(answer.get().statusCode()).as(answer.get().body()).isEqualTo(200);
        JsonNode classes = new ObjectMapper().readTree(answer.get().body()).get("classes");
        assertThat(classes).hasSize(2);
        assertThat(classes.get(0).get("name").asText()).isEqualTo(best);
      }

      HttpResponse<String> refused =
          client.send(
              upload(address, "no image".getBytes(StandardCharsets.UTF_8)),
              HttpResponse.BodyHandlers.ofString());
      assertThat(refused.statusCode()).isEqualTo(422);
      assertThat(refused.body()).contains("not a JPEG, PNG, BMP or WebP image");
      assertThat(get(client, address + "/classes").body()).isEqualTo("[\"large\",\"small\"]");
      assertThat(get(client, address + "/actuator/prometheus").body())
          .containsPattern("(?m)^fovea_predictions_seconds_count 41$");
      service.destroy(); // SIGTERM: the network is closed after the last request
      assertThat(service.waitFor()).as(String.join("\n", said)).isEqualTo(128 + 15);
      rest.join();
    } finally {
      service.destroyForcibly();
    }
  }

  /** Reads what the service says until it listens. */
  private static String portWhenStarted(BufferedReader lines, List<String> said)
      throws IOException {
    String port = null;
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      said.add(line);
      Matcher listens = Pattern.compile("started on port (\\d+)").matcher(line);
      if (listens.find()) {
        port = listens.group(1);
      }
      if (port != null && line.contains("Started ClassifierService")) {
        return port;
      }
    }
    throw new AssertionError("the service ended: " + String.join("\n", said));
  }

  /** The most probable class of a picture on the command line. */
  private static String best(Path picture) throws IOException, InterruptedException {
    return best("--run", run, picture);
  }

  private static String best(String option, Path network, Path picture)
      throws IOException, InterruptedException {
    Outcome outcome =
        OutsideProject.of("train")
            .fovea(
                Map.of(), // another process: here, mechanisms are found once, and others come later
                "predict",
                option,
                network.toString(),
                "--format",
                "json",
                picture.toString());
    assertThat(outcome.status()).as(outcome.out()).isZero();
    String answer =
        outcome.outLines().stream().filter(line -> line.startsWith("{")).findFirst().orElseThrow();
    return new ObjectMapper().readTree(answer).at("/predictions/0/class").asText();
  }

  private static HttpResponse<String> get(HttpClient client, String address)
      throws IOException, InterruptedException {
    return client.send(
        HttpRequest.newBuilder(URI.create(address)).build(), HttpResponse.BodyHandlers.ofString());
  }

  private static HttpRequest upload(String address, byte[] image) throws IOException {
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    body.write(
        """
        --boundary\r
        Content-Disposition: form-data; name="image"; filename="image.png"\r
        Content-Type: image/png\r
        \r
        """
            .getBytes(StandardCharsets.UTF_8));
    body.write(image);
    body.write("\r\n--boundary--\r\n".getBytes(StandardCharsets.UTF_8));
    return HttpRequest.newBuilder(URI.create(address + "/predict"))
        .header("Content-Type", "multipart/form-data; boundary=boundary")
        .POST(HttpRequest.BodyPublishers.ofByteArray(body.toByteArray()))
        .build();
  }
}
