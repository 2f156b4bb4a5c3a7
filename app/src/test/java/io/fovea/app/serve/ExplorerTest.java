package io.fovea.app.serve;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.abort;

import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.app.Outcome;
import io.fovea.app.TestRuns;
import io.fovea.data.Image;
import io.fovea.errors.FoveaException;
import io.fovea.explain.LoadedRun;
import io.fovea.training.run.Json;
import io.fovea.training.run.Run;
import io.javalin.util.JavalinException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.CRC32;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The explorer's API over HTTP. */
class ExplorerTest {
  /** As by default, but for a machine that is as slow as can be. */
  static final Explorer.Limits PATIENT =
      new Explorer.Limits(
          Explorer.Limits.DEFAULT.uploadBytes(),
          Explorer.Limits.DEFAULT.pixels(),
          Explorer.Limits.DEFAULT.inFlight(),
          Duration.ofMinutes(5));

  /** So short that a test can wait for its end. */
  private static final Explorer.Limits BRIEF =
      new Explorer.Limits(1 << 20, 1_000_000, 2, Duration.ofSeconds(2));

  private static final HttpClient CLIENT = HttpClient.newHttpClient();
  private static final byte[] IMAGE = TestRuns.png(60, 40);
  private static Path folder;
  private static Explorer explorer;

  @BeforeAll
  @BeforeContainer
  static void start() throws IOException {
    folder = Files.createTempDirectory("fovea-explorer");
    explorer = explorer(null, PATIENT, "127.0.0.1");
  }

  @AfterAll
  @AfterContainer
  static void stop() {
    explorer.close();
  }

  private static Explorer explorer(String token, Explorer.Limits limits, String host) {
    return explorer(token, limits, new Listening(host, 0));
  }

  private static Explorer explorer(String token, Explorer.Limits limits, Listening listening) {
    List<LoadedRun> runs = new ArrayList<>();
    for (String attention : List.of("cbam:reduction=4", "dual:reduction=2@stage:2", "none")) {
      Path path = folder.resolve(attention.replaceAll("[:@].*", ""));
      Run<?, ?> run = Files.exists(path) ? Run.open(path) : TestRuns.make(path, attention);
      runs.add(LoadedRun.of(run, Run.Weights.LAST));
    }
    return new Explorer(runs, DemoImages.of(runs.get(0).folder()), listening, token, limits);
  }

  private static HttpRequest.Builder request(Explorer server, String path) {
    return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + server.port() + path));
  }

  private static HttpResponse<String> send(HttpRequest.Builder request) {
    try {
      return CLIENT.send(request.build(), BodyHandlers.ofString());
    } catch (IOException e) {
      throw new IllegalStateException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  private static HttpResponse<String> post(String path, byte[] body) {
    return send(request(explorer, path).POST(BodyPublishers.ofByteArray(body)));
  }

  private static JsonNode json(HttpResponse<String> response) {
    assertThat(response.headers().firstValue("Content-Type").orElseThrow())
        .startsWith("application/json");
    try {
      return Json.MAPPER.readTree(response.body());
    } catch (IOException e) {
      throw new IllegalStateException(response.body(), e);
    }
  }

  private static void assertError(
      HttpResponse<String> response, int status, String code, String message) {
    assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
    JsonNode error = json(response).path("error");
    assertThat(error.path("code").asText()).isEqualTo(code);
    assertThat(error.path("message").asText()).contains(message);
  }

  /** A fused network, for instance; explanations look into the network itself. */
  @Test
  void whatPredictsCanBeGiven() throws IOException {
    Run<?, ?> run = TestRuns.make(folder.resolve("given"), "se:reduction=4");
    LoadedRun loaded = LoadedRun.of(run, Run.Weights.LAST);
    LoadedRun seven =
        loaded.predictingBy(
            x -> Tensor.create(new float[] {0, 0, 0, 0, 0, 0, 0, 50, 0, 0}, new long[] {1, 10}));
    try (Explorer server =
        new Explorer(List.of(seven), List.of(), new Listening("127.0.0.1", 0), null, PATIENT)) {
      JsonNode predicted =
          json(send(request(server, "/api/predict").POST(BodyPublishers.ofByteArray(IMAGE))));
      assertThat(predicted.path("predictions").path(0).path("name").asText())
          .isEqualTo(loaded.classes().get(7));
      JsonNode explained =
          json(send(request(server, "/api/explain").POST(BodyPublishers.ofByteArray(IMAGE))));
      assertThat(explained.path("predictions").path(0).path("probability").asDouble())
          .isLessThan(0.9);
    }
  }

  @Test
  void aSceneIsSeenWholeAndHasAMask() throws IOException {
    Path run = TestRuns.scenes(folder.resolve("scenes"), "dual");
    LoadedRun loaded = LoadedRun.of(Run.open(run), Run.Weights.LAST);
    try (Explorer server =
        new Explorer(
            List.of(loaded),
            DemoImages.of(loaded.folder()),
            new Listening("127.0.0.1", 0),
            null,
            PATIENT)) {
      JsonNode answer =
          json(
              send(
                  request(server, "/api/explain?layer=head.sa&point=0.9,0.5")
                      .POST(BodyPublishers.ofByteArray(IMAGE))));
      JsonNode scene = answer.path("scene");
      assertThat(scene.path("height").asInt()).isEqualTo(40);
      assertThat(scene.path("width").asInt()).isEqualTo(60);
      assertThat(scene.path("labels").binaryValue()).hasSize(40 * 60);
      assertThat(scene.path("colours").path(1).asText()).isEqualTo("#800000");
      assertThat(scene.path("uncertainty").path("maximum").asDouble()).isBetween(0.0, 1.0);
      JsonNode affinity = answer.path("modules").path(0).path("affinity");
      assertThat(affinity.path("width").asInt()).isEqualTo(8); // 60 pixels in steps of 8
      assertThat(affinity.path("rows").path(0).path("x").asInt()).isEqualTo(7);
      double share = 0;
      for (JsonNode one : answer.path("predictions")) {
        share += one.path("probability").asDouble();
      }
      assertThat(share).isCloseTo(1, within(1e-4));
    }
    Image large = loaded.decode(TestRuns.png(1200, 900), 2_000_000);
    assertThat(List.of(large.width(), large.height())).containsExactly(836, 627);
    Image small = loaded.decode(TestRuns.png(120, 90), 2_000_000);
    assertThat(List.of(small.width(), small.height())).containsExactly(120, 90);
  }

  @Test
  void tellsItsRuns() {
    JsonNode all = json(send(request(explorer, "/api/runs")));

    assertThat(all.path("runs").findValuesAsText("name")).containsExactly("cbam", "dual", "none");
    assertThat(all.path("runs").path(0).path("attention").asText()).isEqualTo("cbam:reduction=4");
    assertThat(all.path("samples")).hasSize(10);
    assertThat(all.path("limits").path("pixels").asLong()).isEqualTo(25_000_000);
    HttpResponse<String> sample = send(request(explorer, "/api/samples/9"));
    assertThat(sample.headers().firstValue("Content-Type")).hasValue("image/png");
    assertError(send(request(explorer, "/api/samples/10")), 404, "no_sample", "10 samples");
  }

  @Test
  void predictsAsTheCommandDoes() throws IOException {
    Path file = folder.resolve("image.png");
    Files.write(file, IMAGE);
    Outcome command =
        Outcome.of("predict", "--run", folder.resolve("cbam").toString(), "--top", "1", file + "");

    JsonNode answer = json(post("/api/predict", IMAGE));

    assertThat(answer.path("run").asText()).isEqualTo("cbam");
    assertThat(answer.path("predictions")).hasSize(10);
    JsonNode best = answer.path("predictions").path(0);
    assertThat(command.out())
        .contains(
            String.format(
                Locale.ROOT,
                "%.1f %%  %s",
                100 * best.path("probability").asDouble(),
                best.path("name").asText()));
  }

  @Test
  void explainsEveryModule() {
    JsonNode answer = json(post("/api/explain?run=cbam", IMAGE));

    assertThat(answer.path("modules").findValuesAsText("name"))
        .containsExactly("layer1.0.cbam", "layer2.0.cbam", "layer3.0.cbam");
    assertThat(answer.path("stages").findValuesAsText("name"))
        .containsExactly("layer1", "layer2", "layer3");
    JsonNode module = answer.path("modules").path(1);
    assertThat(module.path("channel").path("values")).hasSize(16);
    assertThat(module.path("channel").path("shown")).isEmpty();
    assertThat(module.path("spatial").path("values")).hasSize(14 * 14);
    assertThat(answer.path("grad_cam")).hasSize(1);
    assertThat(answer.path("grad_cam").path(0).path("layer").asText()).isEqualTo("layer3");

    JsonNode close = json(post("/api/explain?run=cbam&layer=layer2.0.cbam&target=7", IMAGE));
    assertThat(close.path("modules").path(1).path("channel").path("shown")).hasSize(8);
    assertThat(close.path("grad_cam").path(0).path("layer").asText()).isEqualTo("layer2");
    assertThat(close.path("grad_cam").path(0).path("label").asInt()).isEqualTo(7);
  }

  @Test
  void tellsWhatPointsAttendTo() {
    JsonNode answer =
        json(post("/api/explain?run=dual&layer=dual2&point=0.5,0.25&point=0,0.99", IMAGE));

    JsonNode affinity = answer.path("modules").path(0).path("affinity");
    assertThat(affinity.path("rows")).hasSize(2);
    assertThat(affinity.path("rows").path(0).path("x").asInt()).isEqualTo(7);
    assertThat(affinity.path("rows").path(0).path("y").asInt()).isEqualTo(3);
    JsonNode grid = affinity.path("grid");
    byte[] levels = Base64.getDecoder().decode(grid.path("levels").asText());
    assertThat(levels).hasSize(196 * 196);
    // The grid is the rows again, in bytes.
    JsonNode row = affinity.path("rows").path(0).path("values");
    int position = 3 * 14 + 7;
    double least = grid.path("minima").path(position).asDouble();
    double most = grid.path("maxima").path(position).asDouble();
    for (int i = 0; i < 196; i++) {
      double value = least + (most - least) * (levels[position * 196 + i] & 0xff) / 255;
      assertThat(value).isCloseTo(row.path(i).asDouble(), within((most - least) / 400));
    }
    assertThat(answer.path("modules").path(0).path("channel_affinity").path("block").asInt())
        .isEqualTo(1);
  }

  @Test
  void saysWhatIsWrong() {
    assertError(post("/api/predict", new byte[0]), 400, "no_image", "expected an image");
    assertError(post("/api/predict", "GIF89a...".getBytes(UTF_8)), 415, "no_image", "not a JPEG");
    assertError(post("/api/predict?run=cbm", IMAGE), 404, "no_run", "did you mean \"cbam\"?");
    assertError(
        post("/api/explain?layer=layer7", IMAGE),
        400,
        "bad_parameter",
        "unknown layer: \"layer7\"");
    assertError(
        post("/api/explain?target=Boot", IMAGE), 400, "bad_parameter", "unknown class: \"Boot\"");
    assertError(
        post("/api/explain?layer=layer1.0.cbam&point=2,3", IMAGE), 400, "bad_parameter", "point:");
    for (String name :
        List.of("sample", "frame")) { // wrong by the OpenAPI document, if of no use here
      assertError(
          post("/api/predict?" + name + "=-1", IMAGE),
          400,
          "bad_parameter",
          name + ": expected a whole number, got \"-1\"");
      assertThat(post("/api/predict?" + name + "=3", IMAGE).statusCode()).isEqualTo(200);
    }
    assertError(send(request(explorer, "/api/nothing")), 404, "not_found", "/api/openapi.json");
    HttpResponse<String> get = send(request(explorer, "/api/predict"));
    assertError(get, 405, "method", "GET /api/predict");
    assertThat(get.headers().firstValue("Allow")).hasValue("POST");
  }

  @Test
  void answersSayWhatBrowsersMayDo() {
    for (String path : List.of("/", "/api/runs", "/api/nothing", "/health")) {
      HttpResponse<String> response = send(request(explorer, path));
      assertThat(response.headers().map())
          .as(path)
          .containsEntry("x-content-type-options", List.of("nosniff"))
          .containsEntry("x-frame-options", List.of("DENY"))
          .containsEntry("cross-origin-opener-policy", List.of("same-origin"))
          .containsEntry("cross-origin-resource-policy", List.of("same-origin"))
          .containsEntry("cache-control", List.of("no-store"))
          .containsKeys("content-security-policy", "permissions-policy", "referrer-policy")
          .doesNotContainKeys("server", "strict-transport-security", "set-cookie");
    }
  }

  /** What the server answers to bytes, until it closes the connection. */
  private static String raw(Explorer server, String bytes) throws IOException {
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), server.port())) {
      socket.getOutputStream().write(bytes.getBytes(UTF_8));
      socket.setSoTimeout(3000);
      socket.shutdownOutput();
      return new String(socket.getInputStream().readAllBytes(), UTF_8);
    }
  }

  /** Requests of which two servers could see different ends are refused, and nothing behind them. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Content-Length: 4\r\nContent-Length: 5",
        "Content-Length: +4",
        "Content-Length: -1",
        "Content-Length: 4 4",
        "Content-Length : 4",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked, identity",
        "X: y\r\n Transfer-Encoding: chunked",
        "Transfer-Encoding: \u000bchunked",
        "Host: elsewhere.example",
      })
  void requestsWithTwoEndsAreRefused(String header) throws IOException {
    String answer =
        raw(
            explorer,
            "POST /api/predict HTTP/1.1\r\nHost: localhost\r\n"
                + header
                + "\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");

    assertThat(answer).startsWith("HTTP/1.1 4").doesNotContain("\"status\":\"ok\"");
    assertThat(answer.split("HTTP/1.1 ", -1)).hasSize(2); // one answer
  }

  @Test
  void headersAreBounded() throws IOException {
    String many = "X-Header: 0123456789\r\n".repeat(1000);
    assertThat(raw(explorer, "GET / HTTP/1.1\r\nHost: localhost\r\n" + many + "\r\n"))
        .startsWith("HTTP/1.1 431 ");
    String path = "/" + "x".repeat(20_000);
    assertThat(raw(explorer, "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        .startsWith("HTTP/1.1 414 ");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13",
        "Upgrade: WebSocket\r\nConnection: Upgrade",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
      })
  void websocketsAreRefused(String headers) throws IOException {
    String answer = raw(explorer, "GET / HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n\r\n");
    assertThat(answer)
        .startsWith("HTTP/1.1 400 ")
        .contains("{\"error\":{\"code\":\"no_upgrade\"")
        .contains("X-Content-Type-Options: nosniff")
        .doesNotContain("Set-Cookie");
  }

  @Test
  void tellsItsHealthAndItsNumbers() {
    try (Explorer server = explorer("a-long-token", PATIENT, "127.0.0.1")) {
      assertThat(json(send(request(server, "/health"))).path("status").asText()).isEqualTo("ok");
      assertError(send(request(server, "/metrics")), 401, "unauthorised", "Bearer");
      assertError(send(request(server, "/%61pi/runs")), 401, "unauthorised", "Bearer");
      HttpResponse<String> numbers =
          send(request(server, "/metrics").header("Authorization", "Bearer a-long-token"));
      assertThat(numbers.headers().firstValue("Content-Type").orElseThrow())
          .startsWith("text/plain; version=0.0.4");
      assertThat(numbers.body())
          .contains("\nfovea_requests_total{route=\"/health\",status=\"200\"} 1.0\n")
          .contains("\nfovea_requests_total{route=\"/metrics\",status=\"401\"} 1.0\n")
          .contains("\nfovea_request_seconds_bucket{route=\"/health\",le=\"+Inf\"} 1\n")
          .containsPattern("(?m)^process_resident_memory_bytes [1-9]")
          .containsPattern("(?m)^jvm_memory_used_bytes\\{.*\\} [1-9]")
          .contains("\nfovea_requests_computing 0.0\n");
    }
  }

  @Test
  void oneAddressGetsNoMoreThanItsShare() {
    Listening slow = new Listening("127.0.0.1", 0, "", null, null, false, 6, null);
    try (Explorer server = explorer(null, PATIENT, slow)) {
      assertThat(send(request(server, "/api/runs")).statusCode()).isEqualTo(200);
      HttpResponse<String> refused = send(request(server, "/api/runs"));
      assertError(refused, 429, "too_many_requests", "more than 6 requests in a minute");
      assertThat(send(request(server, "/health")).statusCode()).isEqualTo(200);
    }
  }

  @Test
  void tokensOfAClientComeBackWithTime() {
    AtomicLong now = new AtomicLong();
    ClientRates rates = new ClientRates(60, now::get);
    for (int i = 0; i < 10; i++) {
      assertThat(rates.allows("10.0.0.1")).isTrue();
    }
    assertThat(rates.allows("10.0.0.1")).isFalse();
    assertThat(rates.allows("10.0.0.2")).isTrue();
    now.addAndGet(1_000_000_000);
    assertThat(rates.allows("10.0.0.1")).isTrue();
    assertThat(rates.allows("10.0.0.1")).isFalse();
    for (int i = 0; i < 10; i++) {
      assertThat(rates.allows("2001:db8::" + i)).isTrue();
    }
    assertThat(rates.allows("2001:db8::99")).isFalse(); // one client has all of them
  }

  @Test
  void aProxyPublishesItUnderAPath() throws IOException {
    Path log = folder.resolve("access.log");
    Listening behind = new Listening("127.0.0.1", 0, "/fovea", null, null, true, 0, log);
    try (Explorer server = explorer("a-long-token", PATIENT, behind)) {
      HttpRequest.Builder request =
          request(server, "/fovea/api/runs")
              .header("Authorization", "Bearer a-long-token")
              .header("X-Forwarded-For", "203.0.113.9")
              .header("X-Forwarded-Host", "pictures.example")
              .header("Origin", "https://pictures.example");
      assertThat(send(request).statusCode()).isEqualTo(200);
      assertThat(send(request(server, "/fovea/")).body()).contains("ask('api/runs')");
      assertThat(send(request(server, "/fovea/api/openapi.json")).body())
          .contains("\"servers\": [{\"url\": \"/fovea\"}]");
      assertThat(send(request(server, "/api/runs")).statusCode()).isEqualTo(404);
      assertError(send(request(server, "/fovea/api/runs")), 401, "unauthorised", "Bearer");
    }
    assertThat(Files.readString(log))
        .startsWith("203.0.113.9 - - [")
        .contains("\"GET /fovea/api/runs HTTP/1.1\" 200 ");
  }

  @Test
  void listensOnIpv6() throws IOException {
    Explorer server;
    try {
      server = explorer(null, PATIENT, "::1");
    } catch (JavalinException e) {
      abort("this machine has no IPv6");
      return;
    }
    byte[] loopback = new byte[16];
    loopback[15] = 1;
    try (server;
        Socket socket = new Socket(InetAddress.getByAddress(loopback), server.port())) {
      socket.getOutputStream().write("GET /health HTTP/1.1\r\nHost: [::1]\r\n\r\n".getBytes(UTF_8));
      assertThat(head(socket)).startsWith("HTTP/1.1 200 ");
    }
  }

  /** A certificate by the JDK's keytool, as PEM. */
  private static KeyStore certificate(Path folder) throws Exception {
    Path file = folder.resolve("store.p12");
    List<String> command =
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
            "-genkeypair",
            "-keyalg",
            "EC",
            "-dname",
            "CN=localhost",
            "-ext",
            "san=ip:127.0.0.1",
            "-alias",
            "a",
            "-storetype",
            "PKCS12",
            "-storepass",
            "secret",
            "-keystore",
            file.toString());
    assertThat(new ProcessBuilder(command).redirectErrorStream(true).start().waitFor()).isZero();
    KeyStore store = KeyStore.getInstance(file.toFile(), "secret".toCharArray());
    Files.writeString(
        folder.resolve("cert.pem"), pem("CERTIFICATE", store.getCertificate("a").getEncoded()));
    Files.writeString(
        folder.resolve("key.pem"),
        pem("PRIVATE KEY", store.getKey("a", "secret".toCharArray()).getEncoded()));
    return store;
  }

  private static String pem(String what, byte[] content) {
    return "-----BEGIN "
        + what
        + "-----\n"
        + Base64.getMimeEncoder().encodeToString(content)
        + "\n-----END "
        + what
        + "-----\n";
  }

  @Test
  void speaksHttps(@TempDir Path first, @TempDir Path second) throws Exception {
    KeyStore store = certificate(first);
    certificate(second);
    Path certificate = first.resolve("cert.pem");
    Path foreign = second.resolve("key.pem");
    assertThatThrownBy(() -> Tls.of(certificate, foreign))
        .isInstanceOf(FoveaException.class)
        .hasMessage(foreign + ": is not the key of the certificate " + certificate);
    assertThatThrownBy(() -> Tls.of(certificate, certificate))
        .isInstanceOf(FoveaException.class)
        .hasMessageContaining("expected an unencrypted key in PEM");
    TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
    KeyStore trusted = KeyStore.getInstance("PKCS12");
    trusted.load(null, null);
    trusted.setCertificateEntry("a", store.getCertificate("a"));
    trust.init(trusted);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trust.getTrustManagers(), null);
    Listening listening =
        new Listening("127.0.0.1", 0, "", certificate, first.resolve("key.pem"), false, 0, null);
    try (Explorer server = explorer(null, PATIENT, listening)) {
      HttpResponse<String> answer =
          HttpClient.newBuilder()
              .sslContext(context)
              .build()
              .send(
                  HttpRequest.newBuilder(
                          URI.create("https://127.0.0.1:" + server.port() + "/api/runs"))
                      .build(),
                  BodyHandlers.ofString());
      assertThat(answer.statusCode()).isEqualTo(200);
    }
  }

  @Test
  void whatIsNoHttpIsAnsweredInJson() throws IOException {
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), explorer.port())) {
      socket
          .getOutputStream()
          .write("GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n".getBytes(UTF_8));
      assertThat(new String(socket.getInputStream().readAllBytes(), UTF_8))
          .startsWith("HTTP/1.1 400 ")
          .contains("Content-Type: application/json")
          .contains("{\"error\":{\"code\":\"bad_request\"");
    }
  }

  @Test
  void refusesTooManyPixelsByTheHeader() {
    assertError(
        post("/api/explain", hugePng()),
        413,
        "too_many_pixels",
        "50000 x 50000 pixels, more than 25 megapixels");
  }

  /** A file of 60 bytes that says it has 50,000 x 50,000 pixels. */
  static byte[] hugePng() {
    ByteBuffer file = ByteBuffer.allocate(8 + 25 + 12 + 12);
    file.put(new byte[] {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'});
    chunk(
        file,
        "IHDR",
        ByteBuffer.allocate(13)
            .putInt(50_000)
            .putInt(50_000)
            .put(new byte[] {8, 2, 0, 0, 0})
            .array());
    chunk(file, "IDAT", new byte[0]);
    chunk(file, "IEND", new byte[0]);
    return file.array();
  }

  private static void chunk(ByteBuffer file, String type, byte[] content) {
    byte[] name = type.getBytes(UTF_8);
    CRC32 crc = new CRC32();
    crc.update(name);
    crc.update(content);
    file.putInt(content.length).put(name).put(content).putInt((int) crc.getValue());
  }

  /** Wherever a file is damaged, the answer is a prediction or says that the file is at fault. */
  @Property(tries = 60)
  void damagedFilesAreTheFilesFault(
      @ForAll @IntRange(min = 0, max = 100_000) int at, @ForAll byte value, @ForAll boolean cut) {
    byte[] damaged = cut ? Arrays.copyOf(IMAGE, at % IMAGE.length) : IMAGE.clone();
    if (!cut) {
      damaged[at % IMAGE.length] = value;
    }

    HttpResponse<String> response = post("/api/predict", damaged);

    assertThat(response.statusCode()).isIn(200, 400, 413, 415, 422);
    assertThat(json(response).has(response.statusCode() == 200 ? "predictions" : "error")).isTrue();
  }

  @Test
  void refusesLargeUploadsWhetherTheySaySoOrNot() {
    Explorer.Limits small = new Explorer.Limits(1000, 1000, 2, PATIENT.time());
    try (Explorer server = explorer(null, small, "127.0.0.1")) {
      byte[] large = new byte[1001];
      assertError(
          send(request(server, "/api/predict").POST(BodyPublishers.ofByteArray(large))),
          413,
          "too_large",
          "an upload must not exceed");
      assertError(
          send(
              request(server, "/api/predict")
                  .POST(
                      BodyPublishers.ofInputStream( // in chunks, without a length
                          () -> new ByteArrayInputStream(large)))),
          413,
          "too_large",
          "an upload must not exceed");
    }
  }

  /** A request that is waited for: its body does not come. */
  private static Socket withoutItsBody(Explorer server) throws IOException {
    Socket slow = new Socket(InetAddress.getLoopbackAddress(), server.port());
    slow.getOutputStream()
        .write(
            ("POST /api/predict HTTP/1.1\r\nHost: localhost:"
                    + server.port()
                    + "\r\nExpect: 100-continue\r\nContent-Length: "
                    + IMAGE.length
                    + "\r\n\r\n")
                .getBytes(UTF_8));
    assertThat(head(slow)).startsWith("HTTP/1.1 100 "); // it waits for the body now
    return slow;
  }

  /** The head of an answer, up to the empty line. */
  static String head(Socket socket) throws IOException {
    ByteArrayOutputStream head = new ByteArrayOutputStream();
    while (!head.toString(UTF_8).endsWith("\r\n\r\n")) {
      int next = socket.getInputStream().read();
      assertThat(next).as("what comes after " + head).isNotNegative();
      head.write(next);
    }
    return head.toString(UTF_8);
  }

  /** A client that is not told would send its next request into a connection that is closed. */
  @ParameterizedTest
  @CsvSource({
    "/api/predict?run=nowhere, 404",
    "/api/predict?sample=x, 400",
    "/api/nothing, 404",
    "/api/runs, 405"
  })
  void anAnswerBeforeTheBodySaysThatTheConnectionEnds(String path, int status) throws IOException {
    String request =
        "POST "
            + path
            + " HTTP/1.1\r\nHost: localhost:"
            + explorer.port()
            + "\r\nContent-Length: 100\r\n\r\n";
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), explorer.port())) {
      socket.getOutputStream().write((request + "x").getBytes(UTF_8)); // a part of it
      assertThat(head(socket))
          .startsWith("HTTP/1.1 " + status + " ")
          .containsIgnoringCase("\r\nConnection: close\r\n");
    }
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), explorer.port())) {
      // no image, but read to its end
      String whole = request.replace(path, "/api/predict") + "x".repeat(100);
      socket.getOutputStream().write(whole.getBytes(UTF_8));
      assertThat(head(socket))
          .startsWith("HTTP/1.1 415 ")
          .doesNotContainIgnoringCase("Connection: close");
    }
  }

  /** Uploads that do not come hold no place: the next one is answered meanwhile. */
  @Test
  void slowUploadsKeepNobodyWaiting() throws IOException {
    Explorer.Limits one = new Explorer.Limits(1 << 20, 1_000_000, 1, PATIENT.time());
    try (Explorer server = explorer(null, one, "127.0.0.1");
        Socket slow = withoutItsBody(server);
        Socket other = withoutItsBody(server)) {
      assertThat(
              send(request(server, "/api/predict").POST(BodyPublishers.ofByteArray(IMAGE)))
                  .statusCode())
          .isEqualTo(200);
      for (Socket socket : List.of(other, slow)) {
        socket.getOutputStream().write(IMAGE);
        assertThat(head(socket)).startsWith("HTTP/1.1 200 ");
      }
    }
  }

  /** Sends a request that takes a place, and is computed when {@code done} is counted down. */
  static CompletableFuture<HttpResponse<String>> takePlace(Explorer server, CountDownLatch done) {
    for (int i = 0; i < server.compute.getCorePoolSize(); i++) {
      Future<Boolean> busy = server.compute.submit(() -> done.await(10, TimeUnit.MINUTES));
      assertThat(busy).isNotDone();
    }
    CompletableFuture<HttpResponse<String>> first =
        CLIENT.sendAsync(
            request(server, "/api/predict").POST(BodyPublishers.ofByteArray(IMAGE)).build(),
            BodyHandlers.ofString());
    while (server.compute.getQueue().isEmpty()) {
      Thread.onSpinWait(); // until it waits for its turn
    }
    return first;
  }

  /** A request that is computed holds the only place; the next is told to come back. */
  @Test
  void tellsThoseBeyondTheLimitToComeBack() throws Exception {
    Explorer.Limits one = new Explorer.Limits(1 << 20, 1_000_000, 1, PATIENT.time());
    CountDownLatch done = new CountDownLatch(1);
    try (Explorer server = explorer(null, one, "127.0.0.1")) {
      try {
        CompletableFuture<HttpResponse<String>> first = takePlace(server, done);
        HttpResponse<String> refused =
            send(request(server, "/api/predict").POST(BodyPublishers.ofByteArray(IMAGE)));
        assertError(refused, 429, "busy", "try again");
        assertThat(refused.headers().firstValue("Retry-After")).hasValue("1");
        done.countDown();
        assertThat(first.get().statusCode()).isEqualTo(200);
      } finally {
        done.countDown();
      }
      assertThat(
              send(request(server, "/api/predict").POST(BodyPublishers.ofByteArray(IMAGE)))
                  .statusCode())
          .isEqualTo(200); // the place is free again
    }
  }

  @Test
  void whatTakesTooLongIsNotWaitedFor() {
    CountDownLatch done = new CountDownLatch(1);
    List<Future<Boolean>> busy = new ArrayList<>();
    try (Explorer server = explorer(null, BRIEF, "127.0.0.1")) {
      try {
        for (int i = 0; i < server.compute.getCorePoolSize(); i++) {
          busy.add(server.compute.submit(() -> done.await(10, TimeUnit.MINUTES)));
        }
        HttpResponse<String> refused =
            send(request(server, "/api/explain").POST(BodyPublishers.ofByteArray(IMAGE)));
        assertError(refused, 503, "too_slow", "the request was not finished within 2 seconds");
        assertThat(refused.headers().firstValue("Retry-After")).hasValue("1");
        assertThat(busy).noneMatch(Future::isDone);
      } finally {
        done.countDown();
      }
    }
  }

  /** The head and the beginning of the image come at once, and then nothing. */
  @Test
  void anUploadThatDoesNotComeIsNotWaitedFor() throws IOException {
    try (Explorer server = explorer(null, BRIEF, "127.0.0.1");
        Socket slow = new Socket(InetAddress.getLoopbackAddress(), server.port())) {
      ByteArrayOutputStream begun = new ByteArrayOutputStream();
      begun.writeBytes(
          ("POST /api/predict HTTP/1.1\r\nHost: localhost:"
                  + server.port()
                  + "\r\nContent-Length: "
                  + IMAGE.length
                  + "\r\n\r\n")
              .getBytes(UTF_8));
      begun.write(IMAGE, 0, 10);
      slow.getOutputStream().write(begun.toByteArray());
      String answer = new String(slow.getInputStream().readAllBytes(), UTF_8);
      assertThat(answer).startsWith("HTTP/1.1 408 ").contains("was not complete within 2 seconds");
    }
  }

  @Test
  void severalAtOnceGetTheSameAsOneAlone() {
    String alone = post("/api/explain?run=dual&layer=dual2", IMAGE).body();
    List<CompletableFuture<HttpResponse<String>>> all = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      all.add(
          CLIENT.sendAsync(
              request(explorer, "/api/explain?run=dual&layer=dual2")
                  .POST(BodyPublishers.ofByteArray(IMAGE))
                  .build(),
              BodyHandlers.ofString()));
    }
    for (CompletableFuture<HttpResponse<String>> one : all) {
      assertThat(one.join().statusCode()).isEqualTo(200);
      assertThat(one.join().body()).isEqualTo(alone);
    }
  }

  @Test
  void wantsItsToken() {
    try (Explorer server = explorer("a-long-token", PATIENT, "127.0.0.1")) {
      assertThat(send(request(server, "/")).statusCode()).isEqualTo(200);
      assertError(send(request(server, "/api/runs")), 401, "unauthorised", "Bearer");
      assertError(
          send(request(server, "/api/runs").header("Authorization", "Bearer wrong")),
          401,
          "unauthorised",
          "Bearer");
      assertThat(
              send(request(server, "/api/runs").header("Authorization", "Bearer a-long-token"))
                  .statusCode())
          .isEqualTo(200);
    }
  }

  @Test
  void otherSitesGetNothing() throws IOException {
    assertError(
        send(request(explorer, "/api/runs").header("Origin", "http://elsewhere.example")),
        403,
        "wrong_origin",
        "other sites");
    try (Socket socket =
        new Socket(InetAddress.getLoopbackAddress(), explorer.port())) { // a name that points here
      socket
          .getOutputStream()
          .write("GET / HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n".getBytes(UTF_8));
      assertThat(new String(socket.getInputStream().readNBytes(12), UTF_8))
          .isEqualTo("HTTP/1.1 421");
    }
  }

  @Test
  void documentsWhatItHas() {
    JsonNode document = json(send(request(explorer, "/api/openapi.json")));

    assertThat(document.path("openapi").asText()).isEqualTo("3.1.0");
    List<String> paths = new ArrayList<>();
    document.path("paths").fieldNames().forEachRemaining(paths::add);
    assertThat(paths)
        .containsExactlyInAnyOrder(
            "/api/runs",
            "/api/samples/{number}",
            "/api/predict",
            "/api/explain",
            "/api/openapi.json",
            "/health",
            "/metrics");
    for (JsonNode reference : document.findValues("$ref")) {
      assertThat(document.at(reference.asText().substring(1)).isMissingNode())
          .as(reference.asText())
          .isFalse();
    }
    assertAnswers(document, "Explanation", post("/api/explain?run=dual&layer=dual2", IMAGE));
    assertAnswers(document, "Predicted", post("/api/predict", IMAGE));
    assertAnswers(document, "Runs", send(request(explorer, "/api/runs")));
  }

  /** What a schema requires is there, and what is there is in the schema. */
  private static void assertAnswers(JsonNode document, String schema, HttpResponse<String> answer) {
    JsonNode node = json(answer);
    assertFits(document, document.at("/components/schemas/" + schema), node, schema);
  }

  private static void assertFits(JsonNode document, JsonNode schema, JsonNode node, String where) {
    if (schema.has("$ref")) {
      assertFits(document, document.at(schema.path("$ref").asText().substring(1)), node, where);
    } else if (node.isArray()) {
      for (JsonNode element : node) {
        assertFits(document, schema.path("items"), element, where + "[]");
      }
    } else if (node.isObject()) {
      List<String> known = new ArrayList<>();
      collect(document, schema, known);
      node.fieldNames().forEachRemaining(name -> assertThat(known).as(where).contains(name));
      for (JsonNode required : schema.path("required")) {
        assertThat(node.has(required.asText())).as(where + "." + required.asText()).isTrue();
      }
      schema
          .path("properties")
          .fieldNames()
          .forEachRemaining(
              name -> {
                if (node.has(name)) {
                  assertFits(
                      document,
                      schema.path("properties").path(name),
                      node.path(name),
                      where + "." + name);
                }
              });
    }
  }

  private static void collect(JsonNode document, JsonNode schema, List<String> names) {
    if (schema.has("$ref")) {
      collect(document, document.at(schema.path("$ref").asText().substring(1)), names);
    }
    schema.path("properties").fieldNames().forEachRemaining(names::add);
    schema.path("allOf").forEach(part -> collect(document, part, names));
  }

  @Test
  void theCommandChecksWhatItIsGiven(@TempDir Path empty) {
    assertMistake("--port must be from 0 to 65535", "--port", "70000");
    assertMistake("--token must have at least 8", "--token", "short");
    assertMistake("--max-pixels must be at most 100", "--max-pixels", "1000");
    assertMistake("--max-requests must be at least 1", "--max-requests", "0");
    assertMistake("--certificate and --key must be given together", "--certificate", "x");
    assertMistake("--path-prefix: expected a path such as /fovea", "--path-prefix", "fovea/");
    assertMistake("--rate must be at least 1", "--rate", "0");
    assertMistake(": there is no folder ", "--access-log", empty.resolve("no/access.log") + "");
    assertMistake(": no file can be written there", "--access-log", empty.toString());
    assertMistake("not a run folder", empty.toString());
    String run = folder.resolve("cbam").toString();
    assertMistake("another run has the name cbam; names of runs must differ", run, run);
    assertMistake(
        "cannot listen on port " + explorer.port() + " of 127.0.0.1",
        "--port",
        "" + explorer.port(),
        run);
  }

  private static void assertMistake(String message, String... arguments) {
    List<String> all = new ArrayList<>(List.of("serve", "--threads", "1"));
    all.addAll(List.of(arguments));
    Outcome outcome = Outcome.of(all.toArray(String[]::new));
    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.err()).contains("fovea: ").contains(message);
  }

  /** A video network: an uploaded video, a sample, and what is wrong with either. */
  @Test
  void videosHaveATimelineAndAttentionInSpaceAndTime() throws IOException {
    Path path = folder.resolve("clips");
    LoadedRun run =
        LoadedRun.of(
            Run.open(TestRuns.video(path, "nonlocal:subsample=false@stage:2")), Run.Weights.LAST);
    Path frames = Files.createDirectories(folder.resolve("frames"));
    for (int t = 0; t < 40; t++) {
      Files.write(frames.resolve(t + ".png"), TestRuns.png(48, 32 + t % 2));
    }
    List<DemoImages.Sample> samples =
        List.of(
            new DemoImages.Sample("wild", "image/png", IMAGE, frames),
            new DemoImages.Sample("boot", "image/png", IMAGE));
    try (Explorer server =
        new Explorer(List.of(run), samples, new Listening("127.0.0.1", 0), null, PATIENT)) {
      server.warmUp();
      JsonNode runs = json(send(request(server, "/api/runs")));
      assertThat(runs.at("/runs/0/video").asBoolean()).isTrue();

      JsonNode line = json(asked(server, "/api/predict?sample=0", new byte[0]));
      assertThat(line.path("length").asInt()).isEqualTo(40);
      assertThat(line.path("clips")).hasSize(3); // of 8 frames, every second one
      assertThat(line.at("/clips/1/first").asInt()).isEqualTo(15);
      assertThat(line.at("/clips/2/last").asInt()).isEqualTo(39);
      assertThat(line.at("/clips/0/from").isNull()).isTrue(); // frames of a folder have no times
      double sum = 0;
      for (JsonNode one : line.at("/clips/2/predictions")) {
        sum += one.path("probability").asDouble();
      }
      assertThat(sum).isCloseTo(1, within(1e-4));

      JsonNode clip =
          json(asked(server, "/api/explain?sample=0&frame=20&point=0.5,0.25", new byte[0]));
      assertThat(clip.path("frames")).hasSize(8);
      assertThat(clip.at("/frames/4/label").asText()).isEqualTo("frame 20");
      JsonNode module = clip.at("/modules/0");
      assertThat(module.path("attention").asText()).startsWith("nonlocal");
      assertThat(module.at("/rows/0/frame").asInt()).isEqualTo(4);
      assertThat(module.at("/from/times").asInt()).isPositive();

      assertError(
          asked(server, "/api/explain?sample=0&frame=40", new byte[0]),
          400,
          "bad_parameter",
          "0 to 39");
      assertError(
          asked(server, "/api/explain?sample=0&frame=x", new byte[0]),
          400,
          "bad_parameter",
          "frame");
      assertError(asked(server, "/api/predict?sample=1", new byte[0]), 404, "no_sample", "1");
      assertError(asked(server, "/api/predict", new byte[0]), 400, "no_image", "a video");
      HttpResponse<String> damaged = asked(server, "/api/predict", IMAGE.clone());
      assertThat(damaged.body()).doesNotContain(".video").doesNotContain("/tmp");
      assertError(asked(server, "/api/predict", new byte[] {1, 2, 3}), 422, "damaged", "");
    }
  }

  private static HttpResponse<String> asked(Explorer server, String path, byte[] body) {
    return send(request(server, path).POST(BodyPublishers.ofByteArray(body)));
  }
}
