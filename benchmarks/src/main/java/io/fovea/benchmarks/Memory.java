package io.fovea.benchmarks;

import io.fovea.training.run.Json;
import io.fovea.training.run.Machine;
import java.io.IOException;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Measures by how much one call of attention between all positions increases the peak memory of its
 * own process, for Fovea and for the reference implementation, and writes a JSON file: {@code
 * Memory FILE}.
 */
public final class Memory {
  /** Options for a heap of fixed size, and for a C library that returns freed memory at once. */
  private static final List<String> OPTIONS =
      List.of(
          "-Xms256m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:+AlwaysPreTouch", "-Dfovea.kernels=off");

  private static final Map<String, String> ENVIRONMENT =
      Map.of("MALLOC_MMAP_THRESHOLD_", "65536", "MALLOC_TRIM_THRESHOLD_", "0");

  private record Plan(String module, String shape) {}

  private static final List<Plan> PLANS =
      List.of(
          new Plan("pam", "1x512x64x64"),
          new Plan("nonlocal:subsample=false", "1x256x56x56"),
          new Plan("nonlocal", "1x256x56x56"),
          new Plan("cam", "1x512x64x64"));

  /** A row: the increase in MiB. */
  record Row(String module, String shape, String mode, double foveaMib, double referenceMib) {}

  /** The file. */
  record Rows(String date, String command, Machine machine, List<Row> rows) {}

  private Memory() {}

  /** See above. */
  public static void main(String[] arguments) throws IOException, InterruptedException {
    List<Row> rows = new ArrayList<>();
    for (Plan plan : PLANS) {
      for (String mode : List.of("inference", "training")) {
        Row row =
            new Row(
                plan.module,
                plan.shape,
                mode,
                mib(plan, "fovea", mode),
                mib(plan, "reference", mode));
        rows.add(row);
        System.out.printf(
            Locale.ROOT,
            "%-26s %-12s %-9s %6.1f of %6.1f MiB: %.2f%n",
            row.module,
            row.shape,
            row.mode,
            row.foveaMib,
            row.referenceMib,
            row.foveaMib / row.referenceMib);
      }
    }
    String date = LocalDate.now(ZoneOffset.UTC).toString();
    Json.write(
        Path.of(arguments[0]),
        new Rows(date, "io.fovea.benchmarks.Memory FILE", Machine.current(), rows));
  }

  private static double mib(Plan plan, String code, String mode)
      throws IOException, InterruptedException {
    return Growth.inAnotherProcess(plan.module, code, mode, plan.shape, OPTIONS, ENVIRONMENT)
            .get("bytes")
            .asLong()
        / 1048576.0;
  }
}
