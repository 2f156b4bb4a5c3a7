package io.fovea.benchmarks;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.data.Image;
import io.fovea.data.Normalization;
import io.fovea.data.source.Preprocessing;
import io.fovea.models.FusedNetwork;
import io.fovea.models.Segmenter;
import io.fovea.models.SegmenterSpec;
import io.fovea.tensor.Threads;
import io.fovea.training.Tasks;
import io.fovea.training.evaluate.TestTimeAugmentation;
import io.fovea.training.run.Json;
import io.fovea.training.run.Machine;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;

/**
 * Measures time and peak memory of DANet on large images, as a whole and in windows, each in a process of
 * its own (on Linux), and writes a JSON file: {@code LargeImages FILE BACKBONE SIDE:WINDOW,...}, where a
 * window of 0 is the whole image.
 */
public final class LargeImages {
  private static final String CHILD = "--child";
  private static final int CLASSES = 19;
  private static final int OUTPUT_STRIDE = 8;
  private static final int WARM_UP = 256;
  private static final List<String> OPTIONS = List.of("-Xmx1g", "-XX:+UseSerialGC");

  /**
   * A measurement.
   *
   * @param side the side of the image in pixels
   * @param window the side of the window, or 0 for the whole image
   * @param positions the positions of the whole image's feature map
   * @param seconds the time of the prediction
   * @param peakMib the largest memory of the process
   */
  record Row(int side, int window, long positions, double seconds, double peakMib) {}

  /** The file. */
  record Rows(String date, String command, Machine machine, String network, List<Row> rows) {}

  private LargeImages() {}

  /** See above. */
  public static void main(String[] arguments) throws IOException, InterruptedException {
    if (arguments[0].equals(CHILD)) {
      measure(arguments[1], Integer.parseInt(arguments[2]), Integer.parseInt(arguments[3]));
      return;
    }
    String backbone = arguments[1];
    List<Row> rows = new ArrayList<>();
    for (String plan : arguments[2].split(",", -1)) {
      String[] sides = plan.split(":", -1);
      ObjectNode numbers = inAnotherProcess(backbone, sides[0], sides[1]);
      long positions = Long.parseLong(sides[0]) / OUTPUT_STRIDE;
      Row row =
          new Row(
              Integer.parseInt(sides[0]),
              Integer.parseInt(sides[1]),
              positions * positions,
              numbers.get("seconds").asDouble(),
              numbers.get("peak").asLong() / 1048576.0);
      rows.add(row);
      System.out.printf(
          Locale.ROOT,
          "%5d x %-5d window %4d  %7d positions  %7.1f s  %6.0f MiB%n",
          row.side,
          row.side,
          row.window,
          row.positions,
          row.seconds,
          row.peakMib);
    }
    Json.write(
        Path.of(arguments[0]),
        new Rows(
            LocalDate.now(ZoneOffset.UTC).toString(),
            "io.fovea.benchmarks.LargeImages FILE "
                + String.join(" ", arguments).substring(arguments[0].length() + 1),
            Machine.current(),
            "DANet, " + backbone + ", " + CLASSES + " classes, random weights",
            rows));
  }

  private static ObjectNode inAnotherProcess(String backbone, String side, String window)
      throws IOException, InterruptedException {
    List<String> command =
        new ArrayList<>(List.of(ProcessHandle.current().info().command().orElse("java")));
    if (ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent()) {
      command.addAll(List.of("--add-modules", "jdk.incubator.vector"));
    }
    command.addAll(OPTIONS);
    command.addAll(
        List.of(
            "-cp",
            System.getProperty("java.class.path"),
            LargeImages.class.getName(),
            CHILD,
            backbone,
            side,
            window));
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (process.waitFor() != 0) {
      throw new IllegalStateException(String.join(" ", command) + " failed");
    }
    return (ObjectNode) Json.MAPPER.readTree(said.strip());
  }

  private static void measure(String backbone, int side, int window) throws IOException {
    Threads.set(Runtime.getRuntime().availableProcessors());
    try (PointerScope scope = new PointerScope()) {
      Segmenter network =
          new SegmenterSpec(backbone, CLASSES, 3, "dual", OUTPUT_STRIDE, false).create(1);
      network.eval();
      predict(network, WARM_UP, 0);
      long start = System.nanoTime();
      predict(network, side, window);
      double seconds = (System.nanoTime() - start) / 1e9;
      ObjectNode numbers = Json.MAPPER.createObjectNode();
      numbers.put("seconds", seconds);
      numbers.put("peak", Growth.status("VmHWM"));
      System.out.println(Json.line(numbers));
    }
  }

  private static void predict(Segmenter network, int side, int window) {
    byte[] pixels = new byte[3 * side * side];
    new Random(side).nextBytes(pixels);
    Preprocessing preprocessing =
        new Preprocessing(
            IntStream.range(0, CLASSES).mapToObj(i -> "class " + i).toList(),
            3,
            0,
            Normalization.IMAGENET);
    TestTimeAugmentation view = new TestTimeAugmentation(List.of(1.0), false, window);
    try (FusedNetwork fused = network.fuse()) {
      fused.infer(
          () ->
              Tasks.SEGMENTATION.predict(
                  network, new Image(3, side, side, pixels), preprocessing, view));
    }
  }
}
