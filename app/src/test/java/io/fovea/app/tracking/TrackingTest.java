package io.fovea.app.tracking;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.protobuf.ByteString;
import com.google.protobuf.CodedInputStream;
import com.google.protobuf.WireFormat;
import com.sun.net.httpserver.HttpServer;
import io.fovea.app.Outcome;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a training tells TensorBoard, read back, and an MLflow server, which is imitated here. */
class TrackingTest {
  @TempDir Path folder;

  /** The fields of a message by their numbers: numbers, doubles' bits, bytes. */
  private static Map<Integer, Object> fields(byte[] message) throws IOException {
    Map<Integer, Object> fields = new LinkedHashMap<>();
    CodedInputStream in = CodedInputStream.newInstance(message);
    for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
      Object value =
          switch (WireFormat.getTagWireType(tag)) {
            case WireFormat.WIRETYPE_VARINT -> in.readInt64();
            case WireFormat.WIRETYPE_FIXED64 -> in.readDouble();
            case WireFormat.WIRETYPE_FIXED32 -> in.readFloat();
            default -> in.readBytes();
          };
      fields.put(WireFormat.getTagFieldNumber(tag), value);
    }
    return fields;
  }

  private static byte[] bytes(Object value) {
    return ((ByteString) value).toByteArray();
  }

  /** A value of a summary: its tag, step and fields. */
  private record Value(String tag, long step, Map<Integer, Object> fields) {}

  /** Reads the records, checks their checksums, and returns the values of their summaries. */
  private static List<Value> values(Path file) throws IOException {
    ByteBuffer all = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    List<Value> values = new ArrayList<>();
    while (all.hasRemaining()) {
      byte[] length = new byte[Long.BYTES];
      all.get(length);
      assertThat(all.getInt()).isEqualTo(EventFile.masked(length));
      byte[] event =
          new byte[(int) ByteBuffer.wrap(length).order(ByteOrder.LITTLE_ENDIAN).getLong()];
      all.get(event);
      assertThat(all.getInt()).isEqualTo(EventFile.masked(event));
      Map<Integer, Object> fields = fields(event);
      assertThat((double) fields.get(1)).isGreaterThan(1e9); // seconds since 1970
      if (fields.containsKey(5)) {
        Map<Integer, Object> value = fields(bytes(fields(bytes(fields.get(5))).get(1)));
        values.add(
            new Value(
                ((ByteString) value.get(1)).toStringUtf8(),
                (Long) fields.getOrDefault(2, 0L),
                value));
      }
    }
    return values;
  }

  /** RFC 3720 has the checksum of this text, 0xe3069283; TFRecord masks it. */
  @Test
  void theChecksumIsThatOfTheRecords() {
    assertThat(EventFile.masked("123456789".getBytes(StandardCharsets.US_ASCII)))
        .isEqualTo(Integer.rotateRight(0xe3069283, 15) + 0xa282ead8);
  }

  @Test
  void scalarsPicturesAndTextsAreReadBack() throws IOException {
    Path path;
    try (EventFile file = new EventFile(folder, 0);
        EventFile second = new EventFile(folder, 7)) {
      path = file.path();
      assertThat(second.path()).isNotEqualTo(path);
      file.scalar("loss/test", 3, 0.25);
      file.image("maps", 4, 5, 6, new byte[] {1, 2, 3});
      file.text("settings", 0, "ä");
    }

    List<Value> values = values(path);
    assertThat(values.stream().map(Value::tag)).containsExactly("loss/test", "maps", "settings");
    assertThat(values.get(0).step()).isEqualTo(3);
    assertThat(values.get(0).fields().get(2)).isEqualTo(0.25f);
    Map<Integer, Object> image = fields(bytes(values.get(1).fields().get(4)));
    assertThat(image).containsEntry(1, 5L).containsEntry(2, 6L).containsEntry(3, 3L);
    assertThat(bytes(image.get(4))).containsExactly(1, 2, 3);
    Map<Integer, Object> text = fields(bytes(values.get(2).fields().get(8)));
    assertThat(((ByteString) text.get(8)).toStringUtf8()).isEqualTo("ä");
    assertThat(path.getFileName().toString()).startsWith("events.out.tfevents.");
    assertThat(EventFile.isIn(folder)).isTrue();
    assertThat(EventFile.isIn(folder.resolve("none"))).isFalse();
  }

  private record Request(String method, String path, JsonNode body) {}

  private final List<Request> requests = new CopyOnWriteArrayList<>();

  /** Answers as MLflow does, for what a training asks. */
  private HttpServer server() throws IOException {
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    ObjectMapper mapper = new ObjectMapper();
    server.createContext(
        "/",
        exchange -> {
          byte[] body = exchange.getRequestBody().readAllBytes();
          String path = exchange.getRequestURI().toString();
          boolean file = exchange.getRequestMethod().equals("PUT");
          requests.add(
              new Request(
                  exchange.getRequestMethod(),
                  path,
                  body.length == 0 || file
                      ? null
                      : mapper.readTree(new ByteArrayInputStream(body))));
          boolean unknown = path.contains("get-by-name");
          String answer =
              unknown
                  ? "{\"error_code\":\"RESOURCE_DOES_NOT_EXIST\",\"message\":\"none\"}"
                  : path.endsWith("experiments/create")
                      ? "{\"experiment_id\":\"7\"}"
                      : path.endsWith("runs/create")
                          ? "{\"run\":{\"info\":{\"run_id\":\"abc\",\"artifact_uri\":"
                              + "\"mlflow-artifacts:/7/abc/artifacts\"}}}"
                          : "{}";
          byte[] bytes = answer.getBytes(StandardCharsets.UTF_8);
          exchange.sendResponseHeaders(unknown ? 404 : 200, bytes.length);
          exchange.getResponseBody().write(bytes);
          exchange.close();
        });
    server.start();
    return server;
  }

  private Outcome train(Path out, String... more) {
    List<String> arguments = new ArrayList<>(List.of("train", "--limit", "60", "--epochs", "2"));
    arguments.addAll(List.of("--width", "0.25", "--attention", "cbam:reduction=4"));
    arguments.addAll(List.of("--batch-size", "20", "--out", out.toString()));
    arguments.addAll(List.of(more));
    return Outcome.of(arguments.toArray(new String[0]));
  }

  @Test
  void aTrainingIsFollowedByBoth() throws IOException {
    HttpServer server = server();
    Path run = folder.resolve("run");
    String address = "http://localhost:" + server.getAddress().getPort();

    Outcome outcome = train(run, "--mlflow", address + "/");
    server.stop(0);

    assertThat(outcome.status()).as(outcome.err()).isZero();
    assertThat(outcome.err()).contains("MLflow: run abc on " + address);
    assertThat(requests.stream().map(request -> request.method() + " " + request.path()))
        .containsExactly(
            "GET /api/2.0/mlflow/experiments/get-by-name?experiment_name=fovea",
            "POST /api/2.0/mlflow/experiments/create",
            "POST /api/2.0/mlflow/runs/create",
            "POST /api/2.0/mlflow/runs/log-batch",
            "POST /api/2.0/mlflow/runs/log-batch",
            "POST /api/2.0/mlflow/runs/log-batch",
            "PUT /api/2.0/mlflow-artifacts/artifacts/7/abc/artifacts/config.json",
            "PUT /api/2.0/mlflow-artifacts/artifacts/7/abc/artifacts/metrics.jsonl",
            "PUT /api/2.0/mlflow-artifacts/artifacts/7/abc/artifacts/best.safetensors",
            "POST /api/2.0/mlflow/runs/update");
    assertThat(requests.get(2).body().path("run_name").asText()).isEqualTo("run");
    assertThat(requests.get(3).body().path("params").toString())
        .contains("{\"key\":\"training.epochs\",\"value\":\"2\"}");
    assertThat(requests.get(5).body().path("metrics").toString())
        .contains("\"key\":\"test_top1\"", "\"step\":2");
    assertThat(requests.get(9).body().path("status").asText()).isEqualTo("FINISHED");
    assertThat(run.resolve("mlflow.json")).content().contains("\"abc\"", address);

    Path events;
    try (Stream<Path> files = Files.list(run)) {
      events = files.filter(file -> file.toString().contains("tfevents")).findFirst().orElseThrow();
    }
    List<Value> values = values(events);
    assertThat(values.stream().filter(value -> value.tag().equals("loss of the step")))
        .extracting(Value::step)
        .containsExactly(1L, 2L, 3L, 4L, 5L, 6L);
    assertThat(values.stream().map(Value::tag))
        .contains("training", "data", "augmented batch", "loss/test", "top1/test", "learning rate")
        .anyMatch(tag -> tag.startsWith("attention/layer1.0"));
    Value batch =
        values.stream().filter(value -> value.tag().equals("augmented batch")).findFirst().get();
    byte[] png = bytes(fields(bytes(batch.fields().get(4))).get(4));
    assertThat(ImageIO.read(new ByteArrayInputStream(png)).getWidth()).isEqualTo(4 * 28);
  }

  @Test
  void withoutAServerNothingIsTrained() {
    Path run = folder.resolve("run");

    Outcome outcome = train(run, "--mlflow", "http://localhost:1", "--no-tensorboard");

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err())
        .contains("fovea: --mlflow: http://localhost:1: cannot be reached")
        .doesNotContain("\tat ");
    assertThat(train(run, "--mlflow", "nowhere").err())
        .contains(
            "fovea: --mlflow: expected an address such as http://localhost:5000, got nowhere");
    assertThat(run.resolve("last.safetensors")).doesNotExist();
    assertThat(EventFile.isIn(run)).isFalse();
  }
}
