package io.fovea.benchmarks;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.attention.AttentionSpec;
import io.fovea.attention.fast.KernelsInUse;
import io.fovea.reference.Comparison;
import io.fovea.tensor.Threads;
import io.fovea.training.run.Json;
import io.fovea.training.run.Machine;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.hipparchus.stat.regression.SimpleRegression;

/**
 * Measures the time and memory of attention between all positions as their number grows, for Fovea
 * and for the reference implementation. Each point is one image in a process of its own. The
 * reference is measured until it no longer fits into 4 GiB.
 *
 * <pre>
 *   Growth FILE SPEC...       measures into a JSON file; what it holds of other specs stays
 *   Growth FILE --plot SVG    draws what it holds
 *   Growth FILE --exponents   prints with which power of N the time and the memory grow</pre>
 */
public final class Growth {
  private static final int CHANNELS = 64;
  private static final int[] SIDES = {16, 24, 32, 48, 64, 96, 128};
  private static final long FITS = 4L << 30;
  private static final String CHILD = "--child";
  private static final int LARGE = 1024; // positions from which the time is that of the products
  private static final int WARM_UP_SIDE = 28;
  private static final int FEWEST = 3;
  private static final int MOST = 30;
  private static final long WARM_UP_NANOS = 500_000_000;
  private static final long BUDGET_NANOS = 500_000_000;

  /**
   * A point of a curve.
   *
   * @param module the spec of the module
   * @param code {@code fovea} or {@code reference}
   * @param mode {@code inference} or {@code training}
   * @param positions the number of positions N
   * @param millis the median time in milliseconds, or null if the process does not fit
   * @param mib the increase of the process's peak memory in MiB
   */
  record Point(String module, String code, String mode, int positions, Double millis, double mib) {
    String curve() {
      return module + "|" + code + "|" + mode;
    }
  }

  /** The file. */
  record Growths(
      String date,
      int threads,
      String kernels,
      int channels,
      Machine machine,
      String command,
      List<Point> points) {}

  private Growth() {}

  /** See above. */
  public static void main(String[] arguments) throws IOException, InterruptedException {
    if (arguments[0].equals(CHILD)) {
      child(arguments[1], arguments[2], arguments[3], shape(arguments[4]));
      return;
    }
    Path file = Path.of(arguments[0]);
    if (arguments[1].equals("--plot")) {
      Json.writeText(Path.of(arguments[2]), GrowthPlot.svg(Json.read(file, Growths.class).points));
      return;
    }
    if (arguments[1].equals("--exponents")) {
      Json.read(file, Growths.class).points.stream()
          .collect(Collectors.groupingBy(Point::curve, LinkedHashMap::new, Collectors.toList()))
          .values()
          .forEach(Growth::printExponents);
      return;
    }
    List<String> specs = List.of(arguments).subList(1, arguments.length);
    List<Point> points = new ArrayList<>();
    if (Files.exists(file)) {
      Json.read(file, Growths.class).points.stream()
          .filter(point -> !specs.contains(point.module))
          .forEach(points::add);
    }
    for (String spec : specs) {
      for (String mode : List.of("inference", "training")) {
        for (String code : List.of("fovea", "reference")) {
          measure(spec, code, mode, points);
        }
      }
    }
    Threads.set(Runtime.getRuntime().availableProcessors());
    Json.write(
        file,
        new Growths(
            LocalDate.now(ZoneOffset.UTC).toString(),
            Threads.count(),
            KernelsInUse.description().orElse("none"),
            CHANNELS,
            Machine.current(),
            "io.fovea.benchmarks.Growth FILE "
                + String.join(" ", points.stream().map(Point::module).distinct().toList()),
            points));
  }

  private static void measure(String spec, String code, String mode, List<Point> points)
      throws IOException, InterruptedException {
    List<Point> curve = new ArrayList<>();
    for (int side : SIDES) {
      Point point = point(spec, code, mode, side);
      points.add(point);
      curve.add(point);
      System.out.printf(
          Locale.ROOT,
          "%-26s %-9s %-9s %6d  %10s ms %9.1f MiB%n",
          spec,
          code,
          mode,
          point.positions,
          point.millis == null ? "-" : String.format(Locale.ROOT, "%.2f", point.millis),
          point.mib);
      if (point.millis == null) {
        break;
      }
    }
    printExponents(curve);
  }

  private static void printExponents(List<Point> curve) {
    Point first = curve.get(0);
    System.out.printf(
        Locale.ROOT,
        "%-26s %-9s %-9s from N = %d: time ~ N^%.2f, memory ~ N^%.2f%n",
        first.module,
        first.code,
        first.mode,
        LARGE,
        exponent(curve, Point::millis),
        exponent(curve, Point::mib));
  }

  /** The slope of the logarithm of a quantity against that of N, for large N. */
  static double exponent(List<Point> curve, Function<Point, Double> quantity) {
    SimpleRegression line = new SimpleRegression();
    for (Point point : curve) {
      Double value = quantity.apply(point);
      if (point.positions >= LARGE && value != null && value > 0) {
        line.addData(Math.log(point.positions), Math.log(value));
      }
    }
    return line.getSlope();
  }

  private static Point point(String spec, String code, String mode, int side)
      throws IOException, InterruptedException {
    String shape = "1x" + CHANNELS + "x" + side + "x" + side;
    ObjectNode numbers = inAnotherProcess(spec, code, mode, shape, List.of(), Map.of());
    double mib = numbers.get("bytes").asLong() / 1048576.0;
    boolean fits = numbers.get("peak").asLong() <= FITS;
    return new Point(
        spec, code, mode, side * side, fits ? numbers.get("millis").asDouble() : null, mib);
  }

  /**
   * The {@code millis} of a call, the {@code bytes} by which the first call increases the peak
   * memory, and the {@code peak}.
   */
  static ObjectNode inAnotherProcess(
      String spec,
      String code,
      String mode,
      String shape,
      List<String> options,
      Map<String, String> environment)
      throws IOException, InterruptedException {
    List<String> command =
        new ArrayList<>(List.of(ProcessHandle.current().info().command().orElse("java")));
    if (ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent()) {
      command.addAll(List.of("--add-modules", "jdk.incubator.vector"));
    }
    command.addAll(options);
    command.addAll(
        List.of(
            "-cp",
            System.getProperty("java.class.path"),
            Growth.class.getName(),
            CHILD,
            spec,
            code,
            mode,
            shape));
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD);
    builder.environment().putAll(environment);
    Process process = builder.start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (process.waitFor() != 0) {
      throw new IllegalStateException(String.join(" ", command) + " failed");
    }
    return (ObjectNode) Json.MAPPER.readTree(said.strip());
  }

  private static long[] shape(String text) {
    return Arrays.stream(text.split("x")).mapToLong(Long::parseLong).toArray();
  }

  /** Measures in this process and prints the result. */
  private static void child(String spec, String code, String mode, long... shape)
      throws IOException {
    Threads.set(Runtime.getRuntime().availableProcessors());
    try (PointerScope scope = new PointerScope()) {
      boolean training = mode.equals("training");
      // Small feature maps come first, so that libraries, threads and Java's memory exist already
      // and do not count.
      long side = Math.min(shape[2], WARM_UP_SIDE);
      Comparison small =
          new Comparison(AttentionSpec.parse(spec), false, shape[0], shape[1], side, side);
      run(small, code, training);
      Comparison comparison = new Comparison(AttentionSpec.parse(spec), false, shape);
      comparison.train(training);
      resetPeak();
      long before = status("VmRSS");
      run(comparison, code, training);
      long peak = status("VmHWM");
      for (long spent = 0; spent < WARM_UP_NANOS; ) { // Java compiles during this time
        spent += run(comparison, code, training);
      }
      long[] nanos = new long[MOST];
      int times = 0;
      for (long spent = 0; times < MOST && (times < FEWEST || spent < BUDGET_NANOS); times++) {
        nanos[times] = run(comparison, code, training);
        spent += nanos[times];
      }
      Arrays.sort(nanos, 0, times);
      ObjectNode numbers = Json.MAPPER.createObjectNode();
      numbers.put("millis", nanos[times / 2] / 1e6);
      numbers.put("bytes", Math.max(0, peak - before));
      numbers.put("peak", peak);
      System.out.println(Json.line(numbers));
    }
  }

  private static long run(Comparison comparison, String code, boolean training) {
    Comparison.Contender contender =
        code.equals("fovea") ? comparison.fovea() : comparison.reference();
    try (PointerScope scope = new PointerScope()) {
      long start = System.nanoTime();
      if (training) {
        contender.step();
      } else {
        contender.infer();
      }
      return System.nanoTime() - start;
    }
  }

  private static void resetPeak() throws IOException {
    Files.writeString(Path.of("/proc/self/clear_refs"), "5");
  }

  /** A value from Linux's status of this process, in bytes. */
  static long status(String name) throws IOException {
    try (Stream<String> lines = Files.lines(Path.of("/proc/self/status"))) {
      return lines
          .filter(line -> line.startsWith(name + ":"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) << 10)
          .findFirst()
          .orElseThrow();
    }
  }
}
