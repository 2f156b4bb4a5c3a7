package io.fovea.data.bundled;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import io.fovea.data.RecordedProgress;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DownloaderTest {

  private static final byte[] CONTENT = new byte[300_000];

  static {
    new Random(1).nextBytes(CONTENT);
  }

  @TempDir Path folder;
  private HttpServer server;
  private final List<String> ranges = new CopyOnWriteArrayList<>();
  private final RecordedProgress progress = new RecordedProgress();

  @BeforeEach
  void start() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.start();
  }

  @AfterEach
  void stop() {
    server.stop(0);
  }

  private void serve(HttpHandler handler) {
    server.createContext(
        "/file",
        exchange -> {
          ranges.add(String.valueOf(exchange.getRequestHeaders().getFirst("Range")));
          try (exchange) {
            handler.handle(exchange);
          }
        });
  }

  private static void answer(HttpExchange exchange, int status, byte[] body) throws IOException {
    exchange.sendResponseHeaders(status, body.length);
    exchange.getResponseBody().write(body);
  }

  /** Answers a request for a range with that range. */
  private static void answerRange(HttpExchange exchange) throws IOException {
    String range = exchange.getRequestHeaders().getFirst("Range");
    int from = Integer.parseInt(range.replaceAll("bytes=(\\d+)-", "$1"));
    exchange
        .getResponseHeaders()
        .add("Content-Range", "bytes " + from + "-" + (CONTENT.length - 1) + "/" + CONTENT.length);
    answer(exchange, 206, Arrays.copyOfRange(CONTENT, from, CONTENT.length));
  }

  private Path download() throws Exception {
    return download(new Downloader());
  }

  private Path download(Downloader downloader) throws Exception {
    Path target = folder.resolve("file.gz");
    byte[] digest = MessageDigest.getInstance("SHA-256").digest(CONTENT);
    downloader.download(
        source(), target, CONTENT.length, HexFormat.of().formatHex(digest), progress);
    return target;
  }

  private URI source() {
    return URI.create("http://localhost:" + server.getAddress().getPort() + "/file");
  }

  private Path part() {
    return folder.resolve("file.gz.part");
  }

  @Test
  void downloadsAFile() throws Exception {
    serve(exchange -> answer(exchange, 200, CONTENT));

    assertThat(download()).hasBinaryContent(CONTENT);
    assertThat(part()).doesNotExist();
    assertThat(ranges).containsExactly("null");
    assertThat(progress.tasks()).containsExactly("Downloading file.gz: 300000 of 300000, ended");
  }

  @Test
  void doesNotWaitForEverForAServerThatStalls() throws Exception {
    CountDownLatch done = new CountDownLatch(1);
    serve(
        exchange -> {
          exchange.sendResponseHeaders(200, CONTENT.length);
          exchange.getResponseBody().write(CONTENT, 0, 100_000);
          exchange.getResponseBody().flush();
          try {
            done.await();
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        });
    try {
      // On a busy machine the time may also be over before all that was sent is read.
      assertThatThrownBy(() -> download(new Downloader(Duration.ofSeconds(1))))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("stopped after " + Files.size(part()) + " of 300000 bytes")
          .hasMessageContaining("(nothing arrived for 1.0 s)");
      assertThat(Files.size(part())).isBetween(0L, 100_000L);
    } finally {
      done.countDown();
    }
  }

  @Test
  void resumesAfterACut() throws Exception {
    serve(
        exchange -> {
          if (ranges.size() == 1) {
            exchange.sendResponseHeaders(200, CONTENT.length);
            exchange.getResponseBody().write(CONTENT, 0, 100_000);
            exchange.getResponseBody().flush();
          } else {
            answerRange(exchange);
          }
        });

    assertThatThrownBy(this::download)
        .isInstanceOf(IOException.class)
        .hasMessageContaining("stopped after")
        .hasMessageContaining("of 300000 bytes");
    long arrived = Files.size(part());
    assertThat(arrived).isBetween(1L, 100_000L);

    assertThat(download()).hasBinaryContent(CONTENT);
    assertThat(ranges).containsExactly("null", "bytes=" + arrived + "-");
    assertThat(progress.tasks().get(1)).isEqualTo("Downloading file.gz: 300000 of 300000, ended");
  }

  @Test
  void resumesAfterAnEarlyEndThatLooksRegular() throws Exception {
    serve(
        exchange -> {
          if (ranges.size() == 1) {
            exchange.sendResponseHeaders(200, 0);
            exchange.getResponseBody().write(CONTENT, 0, 100_000);
          } else {
            answerRange(exchange);
          }
        });

    assertThatThrownBy(this::download)
        .isInstanceOf(IOException.class)
        .hasMessageContaining(
            "stopped after 100000 of 300000 bytes (the server ended the response)");
    assertThat(download()).hasBinaryContent(CONTENT);
    assertThat(ranges).containsExactly("null", "bytes=100000-");
  }

  @Test
  void beginsAgainIfTheServerIgnoresTheRange() throws Exception {
    serve(exchange -> answer(exchange, 200, CONTENT));
    Files.write(part(), new byte[1234]);

    assertThat(download()).hasBinaryContent(CONTENT);
    assertThat(ranges).containsExactly("bytes=1234-");
    assertThat(progress.tasks()).containsExactly("Downloading file.gz: 300000 of 300000, ended");
  }

  @Test
  void takesAPartThatIsComplete() throws Exception {
    Files.write(part(), CONTENT);

    assertThat(download()).hasBinaryContent(CONTENT);
    assertThat(ranges).isEmpty();
  }

  @Test
  void deletesAFileWithAnotherChecksum() throws Exception {
    serve(exchange -> answer(exchange, 200, new byte[CONTENT.length]));

    assertThatThrownBy(this::download)
        .isInstanceOf(IOException.class)
        .hasMessageContaining("expected SHA-256")
        .hasMessageContaining("deleted");
    assertThat(folder).isEmptyDirectory();
  }

  @Test
  void readsNoMoreThanTheFileHas() throws Exception {
    serve(exchange -> answer(exchange, 200, Arrays.copyOf(CONTENT, CONTENT.length + 1000)));

    assertThat(download()).hasBinaryContent(CONTENT);
  }

  @Test
  void namesWhatIsNotThere() {
    serve(exchange -> answer(exchange, 404, new byte[10]));

    assertThatThrownBy(this::download)
        .isInstanceOf(IOException.class)
        .hasMessage(source() + ": HTTP status 404");
    assertThat(folder).isEmptyDirectory();
    assertThat(progress.tasks()).containsExactly("Downloading file.gz: 0 of 300000, ended");
  }

  @Test
  void namesAServerThatIsNotThere() {
    server.stop(0);

    assertThatThrownBy(this::download)
        .isInstanceOf(IOException.class)
        .hasMessageStartingWith(source() + ": cannot be reached: ");
  }
}
