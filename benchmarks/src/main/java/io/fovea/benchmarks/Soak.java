package io.fovea.benchmarks;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.training.run.BuildInfo;
import io.fovea.training.run.Json;
import io.fovea.training.run.Machine;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import org.hipparchus.stat.regression.SimpleRegression;

/**
 * Lets the server answer many requests of all kinds, or a training take many steps, and says whether
 * its memory grows: the slope of the resident memory with its 95% interval, and the time of answers by
 * quarters. On Linux.
 *
 * <pre>
 * java -cp ... io.fovea.benchmarks.Soak serve ./fovea RUN 100000 RESULT.json
 * java -cp ... io.fovea.benchmarks.Soak train ./fovea 50000 RESULT.json
 * </pre>
 *
 * <p>Memory is sampled all the time and averaged in {@value #BINS} parts of equal length. The slope is
 * that of the second half, because a server fills its pools first. Of the server also {@value
 * #COLLECTIONS} times after a garbage collection, together with what Java's heap holds then, so that
 * growth can be told apart: of the heap, or of native memory.
 */
public final class Soak {
  private static final int BINS = 80;
  private static final int COLLECTIONS = 8;
  private static final Pattern USED = Pattern.compile("used (\\d+)K");
  private static final int QUARTERS = 4;
  private static final int CLIENTS = 4;
  private static final int IMAGES = 600;
  private static final int BATCH = 32;
  private static final double MEGA = 1e6;
  private static final long SAMPLE_MILLIS = 100;

  private Soak() {}

  /** See the description of the class. */
  public static void main(String[] arguments) throws Exception {
    ObjectNode result;
    Path file;
    if (arguments[0].equals("serve")) {
      result = serve(arguments[1], arguments[2], Integer.parseInt(arguments[3]));
      file = Path.of(arguments[4]);
    } else {
      result = train(arguments[1], Integer.parseInt(arguments[2]));
      file = Path.of(arguments[3]);
    }
    ObjectNode all =
        Files.exists(file) ? Json.read(file, ObjectNode.class) : Json.MAPPER.createObjectNode();
    result.put("date", LocalDate.now(ZoneOffset.UTC).toString());
    result.put("fovea", BuildInfo.version());
    result.set("machine", Json.MAPPER.valueToTree(Machine.current()));
    all.set(arguments[0], result);
    Json.write(file, all);
    System.out.println(Json.MAPPER.writeValueAsString(result));
  }

  /** The resident memory of a process over its work. */
  private static final class Memory {
    private final List<double[]> samples = Collections.synchronizedList(new ArrayList<>());

    /** Notes the memory at a point of the work, such as the number of answers. */
    void sample(long process, double at) throws IOException {
      samples.add(new double[] {at, resident(process)});
    }

    /** The resident memory of a process in MB. */
    static double resident(long process) throws IOException {
      for (String line : Files.readAllLines(Path.of("/proc/" + process + "/status"))) {
        if (line.startsWith("VmRSS:")) {
          return kibibytes(line.replaceAll("[^0-9]", ""));
        }
      }
      throw new IOException("process " + process + " has ended");
    }

    static double kibibytes(String number) {
      return Double.parseDouble(number) * 1024 / MEGA;
    }

    /** The averages of the parts of the work from 0 to {@code end}; a part may have no sample. */
    List<double[]> bins(double end) {
      double[] sums = new double[BINS];
      int[] counts = new int[BINS];
      for (double[] sample : samples) {
        int bin = (int) Math.min(BINS - 1, sample[0] / end * BINS);
        sums[bin] += sample[1];
        counts[bin]++;
      }
      List<double[]> means = new ArrayList<>();
      for (int i = 0; i < BINS; i++) {
        if (counts[i] > 0) {
          means.add(new double[] {(i + 0.5) * end / BINS, sums[i] / counts[i]});
        }
      }
      return means;
    }

    void write(ObjectNode result, double end, String unit) {
      List<double[]> means = bins(end);
      SimpleRegression line = new SimpleRegression();
      means.stream()
          .filter(mean -> mean[0] > end / 2)
          .forEach(mean -> line.addData(mean[0] / 1000, mean[1]));
      ArrayNode memory = result.putArray("resident_mb");
      means.forEach(mean -> memory.add(Math.round(10 * mean[1]) / 10.0));
      ObjectNode slope = result.putObject("slope");
      slope.put("mb_per_1000_" + unit, line.getSlope());
      slope.put("half_of_95_interval", line.getSlopeConfidenceInterval());
      slope.put("of", "the second half");
    }
  }

  /** Collects garbage in a Java process, and notes what is left. */
  private static void collect(long process, ArrayNode collections, long at)
      throws IOException, InterruptedException {
    jcmd(process, "GC.run");
    ObjectNode left = collections.addObject();
    left.put("answers", at);
    left.put("resident_mb", Math.round(10 * Memory.resident(process)) / 10.0);
    Matcher used = USED.matcher(jcmd(process, "GC.heap_info"));
    if (used.find()) { // the first is the heap, the second the classes
      left.put("heap_mb", Math.round(10 * Memory.kibibytes(used.group(1))) / 10.0);
    }
    if (used.find()) {
      left.put("classes_mb", Math.round(10 * Memory.kibibytes(used.group(1))) / 10.0);
    }
  }

  private static String jcmd(long process, String command)
      throws IOException, InterruptedException {
    Process jcmd =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "jcmd").toString(),
                Long.toString(process),
                command)
            .redirectErrorStream(true)
            .start();
    String said = new String(jcmd.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (jcmd.waitFor() != 0) {
      throw new IOException("jcmd " + command + ": " + said);
    }
    return said;
  }

  private static ObjectNode serve(String fovea, String run, int requests) throws Exception {
    Process process =
        new ProcessBuilder(fovea, "serve", run, "--port", "0").redirectErrorStream(true).start();
    try {
      BufferedReader output =
          new BufferedReader(
              new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
      String address = address(output);
      drain(output);
      AtomicLong answered = new AtomicLong();
      AtomicLongArray nanos = new AtomicLongArray(requests);
      Memory memory = new Memory();
      long begin = System.nanoTime();
      Map<String, Integer> statuses = new TreeMap<>();
      ExecutorService clients = Executors.newFixedThreadPool(CLIENTS);
      List<Future<Map<String, Integer>>> running = new ArrayList<>();
      for (int client = 0; client < CLIENTS; client++) {
        Random random = new Random(client);
        running.add(clients.submit(client(address, random, answered, nanos, requests)));
      }
      clients.shutdown();
      ArrayNode collections = Json.MAPPER.createArrayNode();
      while (running.stream().anyMatch(future -> !future.isDone())) {
        long at = answered.get();
        memory.sample(process.pid(), (double) at);
        if (at >= (collections.size() + 1L) * requests / COLLECTIONS) {
          collect(process.pid(), collections, at);
        }
        Thread.sleep(SAMPLE_MILLIS);
      }
      if (collections.size() < COLLECTIONS) {
        collect(process.pid(), collections, answered.get());
      }
      for (Future<Map<String, Integer>> future : running) {
        future.get().forEach((status, count) -> statuses.merge(status, count, Integer::sum));
      }
      ObjectNode result = Json.MAPPER.createObjectNode();
      result.put("requests", requests);
      result.put("clients", CLIENTS);
      result.put("seconds", Math.round((System.nanoTime() - begin) / 1e9));
      result.set("answers", Json.MAPPER.valueToTree(statuses));
      memory.write(result, requests, "requests");
      result.set("after_collections", collections);
      ArrayNode quarters = result.putArray("milliseconds_by_quarter");
      for (int i = 0; i < QUARTERS; i++) {
        int from = i * (requests / QUARTERS);
        double[] own = new double[requests / QUARTERS];
        for (int k = 0; k < own.length; k++) {
          own[k] = nanos.get(from + k) / 1e6;
        }
        Arrays.sort(own);
        ObjectNode quarter = quarters.addObject();
        quarter.put("p50", own[own.length / 2]);
        quarter.put("p99", own[(int) (own.length * 0.99)]);
      }
      return result;
    } finally {
      process.destroy();
      process.waitFor();
    }
  }

  /** Reads what the server says until it names its address. */
  private static String address(BufferedReader output) throws IOException {
    Pattern pattern = Pattern.compile("http://[^\\s/]+:[0-9]+");
    StringBuilder said = new StringBuilder();
    for (String line = output.readLine(); line != null; line = output.readLine()) {
      said.append(line).append('\n');
      Matcher matcher = pattern.matcher(line);
      if (matcher.find()) {
        return matcher.group();
      }
    }
    throw new IllegalStateException("the server does not start: " + said);
  }

  private static void drain(BufferedReader output) {
    Thread thread =
        new Thread(
            () -> {
              try {
                while (output.readLine() != null) {
                  // its pipe must not become full
                }
              } catch (IOException e) {
                // the server has ended
              }
            });
    thread.setDaemon(true);
    thread.start();
  }

  private static Callable<Map<String, Integer>> client(
      String address, Random random, AtomicLong answered, AtomicLongArray nanos, int requests)
      throws IOException {
    List<byte[]> images =
        List.of(
            picture(28, 28, "png", random),
            picture(300, 200, "jpg", random),
            picture(1000, 700, "jpg", random),
            picture(64, 64, "bmp", random));
    return () -> {
      HttpClient http = HttpClient.newHttpClient();
      JsonNode module = firstModule(http, address, images.get(0));
      Map<String, Integer> statuses = new TreeMap<>();
      while (true) {
        long number = answered.getAndIncrement();
        if (number >= requests) {
          answered.decrementAndGet();
          return statuses;
        }
        byte[] image = images.get(random.nextInt(images.size()));
        HttpRequest request = request(address, random.nextInt(20), image, module, random);
        long begin = System.nanoTime();
        String status;
        try {
          status =
              Integer.toString(
                  http.send(request, HttpResponse.BodyHandlers.discarding()).statusCode());
        } catch (IOException e) {
          status = "none: " + e.getMessage();
        }
        nanos.set((int) number, System.nanoTime() - begin);
        statuses.merge(status, 1, Integer::sum);
      }
    };
  }

  private static JsonNode firstModule(HttpClient http, String address, byte[] image)
      throws IOException, InterruptedException {
    HttpResponse<byte[]> explained =
        http.send(post(address + "/api/explain", image), HttpResponse.BodyHandlers.ofByteArray());
    return Json.MAPPER.readTree(explained.body()).path("modules").path(0).path("name");
  }

  /** One of all kinds of requests; some of them are wrong. */
  private static HttpRequest request(
      String address, int kind, byte[] image, JsonNode module, Random random) {
    return switch (kind) {
      case 0 -> get(address + "/");
      case 1 -> get(address + "/api/runs");
      case 2 -> get(address + "/api/openapi.json");
      case 3 -> get(address + "/health");
      case 4 -> get(address + "/metrics");
      case 5 -> get(address + "/api/samples/" + random.nextInt(12));
      case 6 -> get(address + "/nothing/" + random.nextInt());
      case 7 -> post(address + "/api/predict", Arrays.copyOf(image, image.length / 2)); // damaged
      case 8 -> post(address + "/api/predict?run=none", image);
      case 9, 10, 11 -> post(address + "/api/explain", image);
      case 12, 13 ->
          post(
              address + "/api/explain" + (module.isTextual() ? "?layer=" + module.asText() : ""),
              image);
      default -> post(address + "/api/predict", image);
    };
  }

  private static HttpRequest get(String address) {
    return HttpRequest.newBuilder(URI.create(address)).timeout(Duration.ofMinutes(2)).build();
  }

  private static HttpRequest post(String address, byte[] body) {
    return HttpRequest.newBuilder(URI.create(address))
        .timeout(Duration.ofMinutes(2))
        .POST(HttpRequest.BodyPublishers.ofByteArray(body))
        .build();
  }

  private static byte[] picture(int width, int height, String format, Random random)
      throws IOException {
    BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    Graphics2D g = image.createGraphics();
    for (int i = 0; i < 40; i++) {
      g.setColor(new Color(random.nextInt(1 << 24)));
      g.fillRect(random.nextInt(width), random.nextInt(height), width / 3, height / 3);
    }
    g.dispose();
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ImageIO.write(image, format, out);
    return out.toByteArray();
  }

  private static ObjectNode train(String fovea, int steps) throws Exception {
    int perEpoch = (IMAGES + BATCH - 1) / BATCH;
    int epochs = Math.max(1, steps / perEpoch);
    Path folder = Files.createTempDirectory("fovea-soak");
    Path log = folder.resolve("log.txt");
    long begin = System.nanoTime();
    Process process =
        new ProcessBuilder(
                fovea,
                "train",
                "--attention",
                "cbam@standard; nonlocal@after:2.1",
                "--limit",
                Integer.toString(IMAGES),
                "--batch-size",
                Integer.toString(BATCH),
                "--epochs",
                Integer.toString(epochs),
                "--threads",
                "1",
                "--out",
                folder.resolve("run").toString())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    Memory memory = new Memory();
    try {
      while (process.isAlive()) {
        try {
          memory.sample(process.pid(), (System.nanoTime() - begin) / 1e9);
        } catch (IOException e) {
          // it has just ended
        }
        Thread.sleep(SAMPLE_MILLIS);
      }
    } finally {
      process.destroy();
    }
    if (process.waitFor() != 0) {
      throw new IllegalStateException(Files.readString(log));
    }
    double seconds = (System.nanoTime() - begin) / 1e9;
    ObjectNode result = Json.MAPPER.createObjectNode();
    int done = epochs * perEpoch;
    result.put("steps", done);
    result.put("epochs", epochs);
    result.put("seconds", Math.round(seconds));
    Memory bySteps = new Memory();
    memory.samples.forEach(
        sample -> bySteps.samples.add(new double[] {sample[0] / seconds * done, sample[1]}));
    bySteps.write(result, done, "steps");
    JsonNode metrics =
        Json.MAPPER.readTree(
            Files.readAllLines(folder.resolve("run/metrics.jsonl")).get(epochs - 1));
    result.set("last_epoch", metrics);
    System.out.printf(Locale.ROOT, "%d steps in %.0f s%n", done, seconds);
    return result;
  }
}
