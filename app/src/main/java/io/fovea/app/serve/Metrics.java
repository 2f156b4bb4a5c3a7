package io.fovea.app.serve;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * Counts requests and their times, in the <a
 * href="https://prometheus.io/docs/instrumenting/exposition_formats/">text format of Prometheus</a>.
 * Thread-safe.
 */
final class Metrics {
  static final String TYPE = "text/plain; version=0.0.4; charset=utf-8";
  private static final double[] BOUNDS = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
  private static final int PAGE_BYTES = 4096;

  private static final class Times {
    private final long[] within = new long[BOUNDS.length];
    private long count;
    private double seconds;
  }

  private final Map<String, Map<Integer, Long>> statuses = new TreeMap<>();
  private final Map<String, Times> times = new TreeMap<>();

  /** Counts an answered request. */
  synchronized void answered(String route, int status, double seconds) {
    statuses.computeIfAbsent(route, any -> new TreeMap<>()).merge(status, 1L, Long::sum);
    Times all = times.computeIfAbsent(route, any -> new Times());
    all.count++;
    all.seconds += seconds;
    for (int i = 0; i < BOUNDS.length; i++) {
      all.within[i] += seconds <= BOUNDS[i] ? 1 : 0;
    }
  }

  /**
   * Returns all numbers as text.
   *
   * @param computing the number of requests that compute or wait
   * @param uploading the number of uploads that are being received
   */
  synchronized String text(int computing, int uploading) {
    StringBuilder out = new StringBuilder();
    head(out, "fovea_requests_total", "counter", "Answered requests.");
    statuses.forEach(
        (route, all) ->
            all.forEach(
                (status, count) ->
                    line(
                        out,
                        "fovea_requests_total{route=\"" + route + "\",status=\"" + status + "\"}",
                        count)));
    head(out, "fovea_request_seconds", "histogram", "Times until the answers were complete.");
    times.forEach(
        (route, all) -> {
          String label = "{route=\"" + route + "\"";
          for (int i = 0; i < BOUNDS.length; i++) {
            line(
                out,
                "fovea_request_seconds_bucket" + label + ",le=\"" + BOUNDS[i] + "\"}",
                all.within[i]);
          }
          line(out, "fovea_request_seconds_bucket" + label + ",le=\"+Inf\"}", all.count);
          line(out, "fovea_request_seconds_sum" + label + "}", all.seconds);
          line(out, "fovea_request_seconds_count" + label + "}", all.count);
        });
    head(out, "fovea_requests_computing", "gauge", "Requests that compute or wait.");
    line(out, "fovea_requests_computing", computing);
    head(out, "fovea_uploads", "gauge", "Uploads that are being received.");
    line(out, "fovea_uploads", uploading);
    head(out, "jvm_memory_used_bytes", "gauge", "Memory that Java uses.");
    var memory = ManagementFactory.getMemoryMXBean();
    line(out, "jvm_memory_used_bytes{area=\"heap\"}", memory.getHeapMemoryUsage().getUsed());
    line(out, "jvm_memory_used_bytes{area=\"nonheap\"}", memory.getNonHeapMemoryUsage().getUsed());
    long resident = resident();
    if (resident > 0) {
      head(out, "process_resident_memory_bytes", "gauge", "Memory of the process.");
      line(out, "process_resident_memory_bytes", resident);
    }
    return out.toString();
  }

  private static void head(StringBuilder out, String name, String type, String help) {
    out.append("# HELP ").append(name).append(' ').append(help).append('\n');
    out.append("# TYPE ").append(name).append(' ').append(type).append('\n');
  }

  private static void line(StringBuilder out, String name, long value) {
    out.append(name).append(' ').append(value).append('\n');
  }

  private static void line(StringBuilder out, String name, double value) {
    out.append(name).append(' ').append(String.format(Locale.ROOT, "%.6f", value)).append('\n');
  }

  /** The resident memory on Linux; 0 elsewhere. */
  private static long resident() {
    try {
      String[] pages = Files.readString(Path.of("/proc/self/statm")).split(" ");
      return Long.parseLong(pages[1]) * PAGE_BYTES;
    } catch (IOException e) {
      return 0;
    }
  }
}
