package io.fovea.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpServer;
import io.fovea.data.Normalization;
import io.fovea.data.Progress;
import io.fovea.errors.FoveaException;
import io.fovea.models.Classifier;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Against a server on this machine; nothing is downloaded. */
class PublishedWeightsTest {
  private static final byte[] CONTENT = new byte[200_000];

  static {
    new Random(1).nextBytes(CONTENT);
  }

  @TempDir Path folder;
  private HttpServer server;
  private final List<String> ranges = new CopyOnWriteArrayList<>();

  @BeforeEach
  void start() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext(
        "/",
        exchange -> {
          String range = exchange.getRequestHeaders().getFirst("Range");
          ranges.add(String.valueOf(range));
          int from = range == null ? 0 : Integer.parseInt(range.replaceAll("\\D", ""));
          try (exchange) {
            if (from == CONTENT.length) {
              exchange.sendResponseHeaders(416, -1);
              return;
            }
            byte[] rest = Arrays.copyOfRange(CONTENT, from, CONTENT.length);
            exchange.sendResponseHeaders(range == null ? 200 : 206, rest.length);
            exchange.getResponseBody().write(rest);
          }
        });
    server.start();
  }

  @AfterEach
  void stop() {
    server.stop(0);
  }

  private PublishedWeights weights(String hash) {
    URI url =
        URI.create("http://localhost:" + server.getAddress().getPort() + "/net-" + hash + ".pth");
    return new PublishedWeights("net", "v1", "nobody", url, Normalization.IMAGENET, 224, 256);
  }

  private static String hash() throws Exception {
    byte[] digest = MessageDigest.getInstance("SHA-256").digest(CONTENT);
    return HexFormat.of().formatHex(digest).substring(0, 8);
  }

  @Test
  void downloadsOnce() throws Exception {
    Path cache = folder.resolve("cache");
    Path file = weights(hash()).file(cache, Progress.NONE);

    assertThat(file).isEqualTo(cache.resolve("net-" + hash() + ".pth")).hasBinaryContent(CONTENT);
    assertThat(weights(hash()).file(cache, Progress.NONE)).isEqualTo(file);
    assertThat(ranges).containsExactly("null");
  }

  @ParameterizedTest
  @CsvSource({"1", "150000", "200000"})
  void resumesAnInterruptedDownload(int there) throws Exception {
    Path part = folder.resolve("net-" + hash() + ".pth.part");
    Files.write(part, Arrays.copyOf(CONTENT, there));

    assertThat(weights(hash()).file(folder, Progress.NONE)).hasBinaryContent(CONTENT);
    assertThat(ranges).containsExactly("bytes=" + there + "-");
    assertThat(part).doesNotExist();
  }

  @Test
  void anotherFileThanThePublishedOneIsRefused() {
    assertThatThrownBy(() -> weights("0badc0de").file(folder, Progress.NONE))
        .isInstanceOf(FoveaException.class)
        .hasMessageContaining("expected SHA-256 0badc0de, got ");
    assertThat(folder.resolve("net-0badc0de.pth")).doesNotExist();
    assertThat(folder.resolve("net-0badc0de.pth.part")).doesNotExist();
  }

  @Test
  void withoutANetworkItSaysHowToGetTheFileByHand() throws Exception {
    PublishedWeights weights = weights(hash());
    server.stop(0);

    assertThatThrownBy(() -> weights.file(folder, Progress.NONE))
        .isInstanceOf(FoveaException.class)
        .hasMessageContaining("cannot be reached")
        .hasMessageEndingWith(
            "; without a network, download "
                + weights.url()
                + " elsewhere, and put it into "
                + folder
                + ", or name the file with --init");
  }

  /** The golden file has what torchvision says of its own weights. */
  @Test
  void imagesAreCroppedAndNormalisedAsThePublisherDoes() throws Exception {
    JsonNode golden =
        new ObjectMapper()
            .readTree(PublishedWeightsTest.class.getResourceAsStream("/golden/published.json"));
    List<PublishedWeights> torchvisions =
        PublishedWeights.all().stream()
            .filter(weights -> weights.origin().equals("torchvision"))
            .toList();
    assertThat(torchvisions).hasSize(33);
    for (PublishedWeights weights : torchvisions) {
      JsonNode theirs = golden.path(weights.backbone() + " " + weights.version());
      assertThat(weights.url()).hasToString(theirs.path("url").asText());
      assertThat(weights.crop()).isEqualTo(theirs.path("size").asInt());
      assertThat(weights.resize(weights.crop()))
          .as(weights.title())
          .isEqualTo(theirs.path("resize").asInt());
      assertThat(theirs.path("interpolation").asText())
          .as(weights.title())
          .isEqualTo(weights.url().toString().contains("rwightman") ? "bicubic" : "bilinear");
      if (!weights.backbone().equals("googlenet")) { // it converts its images itself
        assertThat(weights.normalization().mean())
            .hasToString(theirs.path("mean").toString().replace(",", ", "));
        assertThat(weights.normalization().std())
            .hasToString(theirs.path("std").toString().replace(",", ", "));
      }
    }
    assertThat(PublishedWeights.of("resnet50", "v2").resize(160)).isEqualTo(166);
    assertThat(PublishedWeights.of("resnet20", null).resize(32)).isZero();
  }

  @Test
  void theNewestIsTakenUnlessAVersionIsGiven() {
    assertThat(PublishedWeights.of("resnet50", null).url().toString())
        .isEqualTo("https://download.pytorch.org/models/resnet50-11ad3fa6.pth");
    assertThat(PublishedWeights.of("resnet50", "v1").url().toString())
        .isEqualTo("https://download.pytorch.org/models/resnet50-0676ba61.pth");
    assertThat(PublishedWeights.of("i3d-resnet18", null).title())
        .isEqualTo("resnet18-f37072fd.pth (torchvision, v1)");
    assertThat(PublishedWeights.of("googlenet", null).normalization().mean())
        .containsExactly(0.5, 0.5, 0.5);
    assertThatThrownBy(() -> PublishedWeights.of("resnet18", "v2"))
        .isInstanceOf(FoveaException.class)
        .hasMessage("of resnet18 only the weights v1 are published, not v2");
    assertThatThrownBy(() -> PublishedWeights.of("resnet8", null))
        .isInstanceOf(FoveaException.class)
        .hasMessageStartingWith("there are no published weights of resnet8; there are some of ");
  }

  @Test
  void allAreOfBackbonesThatFoveaHas() {
    for (PublishedWeights weights : PublishedWeights.all()) {
      assertThat(Classifier.builder(weights.backbone()).backbone()).isEqualTo(weights.backbone());
      assertThat(weights.url().getPath()).matches(".*-[0-9a-f]{8}\\.p?th");
    }
  }
}
