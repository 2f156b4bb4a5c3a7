package io.fovea.data.bundled;

import io.fovea.data.Progress;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.HexFormat;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Downloads files whose SHA-256, or its beginning, is known. An incomplete download is kept beside the
 * target as {@code .part}, and the next attempt resumes it. Only a file with the right checksum
 * gets its final name.
 */
public final class Downloader {

  /** How long a server may take to answer. */
  private static final Duration ANSWER = Duration.ofSeconds(30);

  private static final int RANGE_NOT_SATISFIABLE = 416;
  private static final long UNKNOWN = -1;

  /** The largest file whose size only the server knows. */
  private static final long LARGEST = 1L << 31;

  private final Duration patience;
  private final HttpClient client =
      HttpClient.newBuilder()
          .followRedirects(HttpClient.Redirect.NORMAL)
          .connectTimeout(ANSWER)
          .build();

  /** Creates a downloader that waits half a minute for a server. */
  public Downloader() {
    this(ANSWER);
  }

  /** With the time in which more must arrive, once the server has answered. */
  Downloader(Duration patience) {
    this.patience = patience;
  }

  /**
   * Downloads one file.
   *
   * @param source the address of the file
   * @param target the file to write; its folder must exist
   * @param bytes the size of the file
   * @param sha256 the checksum of the file, in lower-case hexadecimal
   * @param progress receives the progress in bytes
   * @throws IOException if the download fails or the file differs from the expected one; the
   *     message names the source
   */
  void download(URI source, Path target, long bytes, String sha256, Progress progress)
      throws IOException {
    Path part = target.resolveSibling(target.getFileName() + ".part");
    long present = Files.exists(part) ? Files.size(part) : 0;
    if (bytes != UNKNOWN) {
      progress.begin("Downloading " + target.getFileName(), bytes);
    }
    try {
      if (bytes == UNKNOWN || present < bytes) {
        fetch(source, part, present, bytes, progress);
      } else {
        progress.step(bytes);
      }
    } finally {
      progress.end();
    }
    String found = sha256(part);
    if (!found.startsWith(sha256)) {
      Files.delete(part);
      throw new IOException(
          source + ": expected SHA-256 " + sha256 + ", got " + found + "; the file was deleted");
    }
    Files.move(part, target, StandardCopyOption.REPLACE_EXISTING);
  }

  /**
   * Downloads one file whose size the server tells.
   *
   * @param source the address of the file
   * @param target the file to write; its folder must exist
   * @param sha256 the beginning of the checksum of the file, in lower-case hexadecimal
   * @param progress receives the progress in bytes
   * @throws IOException as for the other method
   */
  public void download(URI source, Path target, String sha256, Progress progress)
      throws IOException {
    download(source, target, UNKNOWN, sha256, progress);
  }

  private void fetch(URI source, Path part, long present, long bytes, Progress progress)
      throws IOException {
    HttpRequest.Builder request = HttpRequest.newBuilder(source).timeout(ANSWER);
    if (present > 0) {
      request.header("Range", "bytes=" + present + "-");
    }
    HttpResponse<InputStream> response = send(request.build());
    try (InputStream body = response.body()) {
      if (bytes == UNKNOWN && present > 0 && response.statusCode() == RANGE_NOT_SATISFIABLE) {
        return; // the whole file is there; the checksum decides
      }
      boolean resumes = response.statusCode() == 206;
      if (response.statusCode() != 200 && !resumes) {
        throw new IOException(source + ": HTTP status " + response.statusCode());
      }
      long arrived = resumes ? present : 0;
      long total = bytes == UNKNOWN ? announced(source, response, arrived) : bytes;
      if (bytes == UNKNOWN) {
        progress.begin("Downloading " + name(part), total);
      }
      progress.step(arrived);
      try (OutputStream out =
          Files.newOutputStream(
              part,
              StandardOpenOption.CREATE,
              resumes ? StandardOpenOption.APPEND : StandardOpenOption.TRUNCATE_EXISTING,
              StandardOpenOption.WRITE)) {
        copy(source, body, out, arrived, total, progress);
      }
    }
  }

  private static String name(Path part) {
    return part.getFileName().toString().replaceAll("\\.part$", "");
  }

  /** The size of the whole file, of which the server sends the rest. */
  private static long announced(URI source, HttpResponse<InputStream> response, long arrived)
      throws IOException {
    long rest = response.headers().firstValueAsLong("Content-Length").orElse(UNKNOWN);
    if (rest < 0 || arrived + rest > LARGEST) {
      throw new IOException(
          source
              + (rest < 0
                  ? ": the server does not tell the size of the file"
                  : ": " + (arrived + rest) + " bytes are more than expected"));
    }
    return arrived + rest;
  }

  private HttpResponse<InputStream> send(HttpRequest request) throws IOException {
    try {
      return client.send(request, HttpResponse.BodyHandlers.ofInputStream());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException(request.uri() + ": interrupted");
    } catch (IOException e) {
      throw new IOException(request.uri() + ": cannot be reached: " + reason(e), e);
    }
  }

  // Reading stops at the expected size, so that a server with an endless response cannot fill the
  // disk.
  private void copy(
      URI source, InputStream body, OutputStream out, long arrived, long bytes, Progress progress)
      throws IOException {
    byte[] buffer = new byte[1 << 16];
    while (arrived < bytes) {
      int count;
      int wanted = (int) Math.min(buffer.length, bytes - arrived);
      try {
        count = read(body, buffer, wanted);
      } catch (IOException e) {
        throw stopped(source, arrived, bytes, reason(e), e);
      }
      if (count < 0) {
        throw stopped(source, arrived, bytes, "the server ended the response", null);
      }
      out.write(buffer, 0, count);
      arrived += count;
      progress.step(count);
    }
  }

  /** Reads with a time-out, because that of the client covers the headers only. */
  private int read(InputStream body, byte[] buffer, int wanted) throws IOException {
    CompletableFuture<Integer> read =
        CompletableFuture.supplyAsync(
            () -> {
              try {
                return body.read(buffer, 0, wanted);
              } catch (IOException e) {
                throw new UncheckedIOException(e);
              }
            });
    try {
      return read.get(patience.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      throw new IOException("nothing arrived for " + patience.toMillis() / 1e3 + " s", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted");
    } catch (ExecutionException e) {
      throw e.getCause() instanceof UncheckedIOException wrapped
          ? wrapped.getCause()
          : new IOException(e);
    }
  }

  private static IOException stopped(
      URI source, long arrived, long bytes, String reason, IOException cause) {
    return new IOException(
        String.format(
            "%s: stopped after %d of %d bytes (%s); the next attempt resumes the download",
            source, arrived, bytes, reason),
        cause);
  }

  // ConnectException and similar exceptions often have no message.
  private static String reason(IOException e) {
    return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
  }

  private static String sha256(Path file) throws IOException {
    MessageDigest digest;
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
    try (InputStream in = Files.newInputStream(file)) {
      byte[] buffer = new byte[1 << 16];
      for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
        digest.update(buffer, 0, count);
      }
    }
    return HexFormat.of().formatHex(digest.digest());
  }
}
