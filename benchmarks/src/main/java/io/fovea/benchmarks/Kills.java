package io.fovea.benchmarks;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.fovea.data.Progress;
import io.fovea.data.bundled.Downloader;
import io.fovea.errors.FoveaException;
import io.fovea.models.weights.Safetensors;
import io.fovea.training.run.BuildInfo;
import io.fovea.training.run.Json;
import java.awt.image.BufferedImage;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.imageio.ImageIO;

/**
 * Kills commands at random moments (SIGKILL), and checks that no finished file is damaged, that the
 * same command goes on, that its results are those of a command that was not killed, and that no
 * temporary file stays. Prints a table, and adds its counts to those of earlier runs in a file.
 *
 * <pre>
 * java -cp ... io.fovea.benchmarks.Kills ./fovea 30 RESULT.json [COMMAND...]
 * </pre>
 */
public final class Kills {

  /** The commands that are killed. */
  enum Operation {
    TRAIN("last.safetensors", "train --limit 100 --width 0.25 --epochs 4 --threads 1 --out OUT"),
    COMPARE(
        "",
        "compare --modules none,eca --seeds 1 --limit 100 --width 0.25 --epochs 2 --threads 1 --out"
            + " OUT"),
    IMPORT(
        "last.safetensors",
        "import RUN/last.safetensors --backbone resnet8 --width 0.25 --attention none --mean 0.3"
            + " --std 0.3 --threads 1 --out OUT"),
    EXPORT("m.onnx", "export RUN --threads 1 --overwrite --out OUT/m.onnx"),
    EVALUATE(
        "e.json",
        "evaluate RUN --threads 1 --overwrite --json OUT/e.json --csv OUT/e.csv --report OUT/e.html"),
    EXPLAIN("explain.html", "explain RUN RUN/../image.png --threads 1 --overwrite --out OUT"),
    ABLATE("", "ablate se --table squeeze --seeds 1 --limit 100 --epochs 1 --threads 1 --out OUT"),
    SEARCH(
        "",
        "search --modules eca,simam --budget 16epochs --epochs 2 --eta 2 --finalists 1 --limit 60"
            + " --width 0.25 --threads 1 --out OUT"),
    /** A file of a data set, from a server in this process. */
    DOWNLOAD(DOWNLOADED, "");

    private final String result;
    private final String line;

    Operation(String result, String line) {
      this.result = result;
      this.line = line;
    }

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }

    private List<String> arguments(Path run, Path out) {
      return Stream.of(line.split(" "))
          .map(word -> word.replace("RUN", run.toString()).replace("OUT", out.toString()))
          .toList();
    }
  }

  /**
   * The findings for one command.
   *
   * @param kills how often it was started and killed, unless it had ended before
   * @param ended how often it had ended before it was killed
   * @param damaged how many files with their final name could not be read after a kill
   * @param failed how often the same command failed afterwards
   * @param different how often its result differed afterwards from that of a command that was not
   *     killed
   * @param left how many temporary files were left afterwards
   */
  record Row(
      Operation operation, int kills, int ended, int damaged, int failed, int different, int left) {
    void addTo(ObjectNode counts) {
      ObjectNode own = counts.withObject("/commands").withObject("/" + operation);
      add(own, "kills", kills);
      add(own, "ended_before", ended);
      add(own, "damaged", damaged);
      add(own, "failed", failed);
      add(own, "different", different);
      add(own, "left", left);
      add(counts, "kills", kills);
    }

    private static void add(ObjectNode counts, String name, int more) {
      counts.put(name, counts.path(name).asInt() + more);
    }

    boolean isClean() {
      return damaged + failed + different + left == 0;
    }
  }

  private static final String DOWNLOADED = "data.bin";
  private static final int DOWNLOADED_BYTES = 20_000_000;
  private static final int PIECE = 1 << 16;
  private static final long PIECE_MILLIS = 5;

  private final List<String> fovea;
  private final Path folder;
  private final Random random;
  private long duration; // of a command that nobody kills, in milliseconds
  private HttpServer server; // null until something is downloaded

  /**
   * Creates a killer.
   *
   * @param fovea the words with which a command begins
   * @param folder an empty folder
   * @param seed of the moments
   */
  Kills(List<String> fovea, Path folder, long seed) {
    random = new Random(seed);
    this.fovea = List.copyOf(fovea);
    this.folder = folder;
  }

  /** Prints the table: the launcher, the number of kills of each command, and a file for the counts. */
  public static void main(String[] arguments) throws IOException, InterruptedException {
    if (arguments[0].equals("--download")) {
      Path target = Path.of(arguments[2]);
      Files.createDirectories(target.getParent());
      new Downloader().download(URI.create(arguments[1]), target, arguments[3], Progress.NONE);
      return;
    }
    Path folder = Files.createTempDirectory("fovea-kills");
    Path result = Path.of(arguments[2]);
    ObjectNode counts =
        Files.exists(result) ? Json.read(result, ObjectNode.class) : Json.MAPPER.createObjectNode();
    Kills kills = new Kills(List.of(arguments[0]), folder, 1 + counts.path("kills").asLong());
    System.out.println("command    kills  ended before  damaged  failed  different  left");
    boolean clean;
    List<String> chosen = List.of(arguments).subList(3, arguments.length);
    try {
      clean = kills.table(chosen, Integer.parseInt(arguments[1]), result, counts);
    } finally {
      if (kills.server != null) {
        kills.server.stop(0); // its thread does not end by itself
      }
    }
    delete(folder);
    System.exit(clean ? 0 : 1);
  }

  /** Prints the rows; whether all are clean. */
  private boolean table(List<String> chosen, int times, Path result, ObjectNode counts)
      throws IOException, InterruptedException {
    boolean clean = true;
    for (Operation operation : Operation.values()) {
      if (!chosen.isEmpty() && !chosen.contains(operation.toString())) {
        continue;
      }
      Row row = kill(operation, times);
      clean &= row.isClean();
      row.addTo(counts);
      counts.put("date", LocalDate.now(ZoneOffset.UTC).toString());
      counts.put("fovea", BuildInfo.version());
      Json.write(result, counts);
      System.out.printf(
          Locale.ROOT,
          "%-9s %6d %13d %8d %7d %10d %5d%n",
          operation,
          row.kills,
          row.ended,
          row.damaged,
          row.failed,
          row.different,
          row.left);
    }
    return clean;
  }

  /** Starts a command several times, kills it at a random moment, and starts it again. */
  Row kill(Operation operation, int times) throws IOException, InterruptedException {
    Path run = folder.resolve("run");
    if (!Files.exists(run)) {
      ImageIO.write(
          new BufferedImage(28, 28, BufferedImage.TYPE_BYTE_GRAY),
          "png",
          folder.resolve("image.png").toFile());
      duration = finished(command(Operation.TRAIN, run, run));
    }
    Path whole = operation == Operation.TRAIN ? run : folder.resolve(operation + "-whole");
    if (operation == Operation.DOWNLOAD && server == null) {
      server = serve();
    }
    if (operation != Operation.TRAIN) {
      duration = finished(command(operation, run, whole));
    }
    int ended = 0;
    int damaged = 0;
    int failed = 0;
    int different = 0;
    int left = 0;
    for (int i = 0; i < times; i++) {
      Path out = folder.resolve(operation + "-" + i);
      List<String> command = command(operation, run, out);
      Process process = start(command);
      boolean over =
          process.waitFor((long) (random.nextDouble() * duration), TimeUnit.MILLISECONDS);
      process.destroyForcibly().waitFor();
      damaged += damaged(out);
      age(out); // temporary files that are being written are left alone for a minute
      if (over) {
        ended++;
      } else {
        int status = start(command).waitFor();
        // an import that ended at the moment of the kill has its folder
        failed += status == 0 || (operation == Operation.IMPORT && status == 2) ? 0 : 1;
      }
      different += sameResult(operation, whole, out) ? 0 : 1;
      left += temporary(out).size();
      delete(out);
    }
    return new Row(operation, times, ended, damaged, failed, different, left);
  }

  private List<String> command(Operation operation, Path run, Path out) {
    if (operation == Operation.DOWNLOAD) {
      return List.of(
          Path.of(System.getProperty("java.home"), "bin", "java").toString(),
          "-cp",
          classPath(),
          Kills.class.getName(),
          "--download",
          "http://127.0.0.1:" + server.getAddress().getPort() + "/" + DOWNLOADED,
          out.resolve(DOWNLOADED).toString(),
          sha256(download()));
    }
    List<String> command = new ArrayList<>(fovea);
    command.addAll(operation.arguments(run, out));
    return command;
  }

  /** The class path of this process, for one in another folder. */
  private static String classPath() {
    return Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
        .map(entry -> Path.of(entry).toAbsolutePath().toString())
        .collect(Collectors.joining(File.pathSeparator));
  }

  private static byte[] download() {
    byte[] content = new byte[DOWNLOADED_BYTES];
    new Random(1).nextBytes(content);
    return content;
  }

  private static String sha256(byte[] content) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java has it
    }
  }

  /** Starts a server of one file, which takes about two seconds and can be had in parts. */
  private static HttpServer serve() throws IOException {
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    byte[] content = download();
    server.createContext("/", exchange -> answer(exchange, content));
    server.setExecutor(
        Executors.newCachedThreadPool(
            task -> {
              Thread thread = new Thread(task);
              thread.setDaemon(true);
              return thread;
            }));
    server.start();
    return server;
  }

  private static void answer(HttpExchange exchange, byte[] content) throws IOException {
    String range = exchange.getRequestHeaders().getFirst("Range");
    int from = range == null ? 0 : Integer.parseInt(range.replaceAll("[^0-9]", ""));
    if (from == content.length) { // killed between the last byte and the check of the whole
      exchange.sendResponseHeaders(416, -1);
      return;
    }
    exchange.sendResponseHeaders(range == null ? 200 : 206, content.length - from);
    try (OutputStream out = exchange.getResponseBody()) {
      for (int at = from; at < content.length; at += PIECE) {
        out.write(content, at, Math.min(PIECE, content.length - at));
        out.flush();
        Thread.sleep(PIECE_MILLIS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Runs a command that nobody kills. */
  private long finished(List<String> command) throws IOException, InterruptedException {
    long begin = System.nanoTime();
    if (start(command).waitFor() != 0) {
      throw new IllegalStateException(command + " fails even if nobody kills it");
    }
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begin);
  }

  private Process start(List<String> command) throws IOException {
    return new ProcessBuilder(command)
        .directory(folder.toFile())
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
        .start();
  }

  /** The number of files with their final name that cannot be read. */
  private static int damaged(Path out) throws IOException {
    int damaged = 0;
    for (Path file : files(out)) {
      String name = file.getFileName().toString();
      // TensorBoard reads the files of events as they grow, up to the last whole record
      boolean grows = name.contains("tfevents");
      if (!name.startsWith(".") && !grows && !isWhole(file, name)) {
        damaged++;
      }
    }
    return damaged;
  }

  private static boolean isWhole(Path file, String name) {
    try {
      if (name.endsWith(".json")) {
        Json.read(file, JsonNode.class);
      } else if (name.endsWith(".jsonl")) {
        for (String line : Files.readAllLines(file)) {
          Json.MAPPER.readTree(line);
        }
      } else if (name.endsWith(".safetensors")) {
        Safetensors.metadata(file);
      } else if (name.endsWith(".png")) {
        return ImageIO.read(file.toFile()) != null;
      } else if (name.endsWith(".html")) {
        return Files.readString(file).stripTrailing().endsWith("</html>");
      } else if (name.equals(DOWNLOADED)) {
        return Files.size(file) == DOWNLOADED_BYTES;
      }
      return Files.size(file) > 0;
    } catch (IOException | FoveaException e) {
      return false;
    }
  }

  private static boolean sameResult(Operation operation, Path whole, Path out) throws IOException {
    if (operation.result.isEmpty()) {
      return scores(whole).equals(scores(out));
    }
    Path expected = whole.resolve(operation.result);
    Path actual = out.resolve(operation.result);
    return Files.exists(actual) && Files.mismatch(expected, actual) < 0;
  }

  private static String scores(Path study) {
    return Json.read(study.resolve("results.json"), JsonNode.class).findValues("top1").toString();
  }

  private static List<Path> temporary(Path out) throws IOException {
    return files(out).stream()
        .filter(file -> file.toString().matches(".*(\\.part|\\.lock|state\\.safetensors)"))
        .toList();
  }

  private static void age(Path out) throws IOException {
    for (Path file : temporary(out)) {
      Files.setLastModifiedTime(file, FileTime.from(Instant.now().minus(Duration.ofHours(1))));
    }
  }

  private static List<Path> files(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      return List.of();
    }
    try (Stream<Path> all = Files.walk(folder)) {
      return all.filter(Files::isRegularFile).toList();
    }
  }

  private static void delete(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      return;
    }
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path file : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}
