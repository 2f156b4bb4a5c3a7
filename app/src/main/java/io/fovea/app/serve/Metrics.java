package io.fovea.app.serve;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.binder.jvm.JvmMemoryMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmThreadMetrics;
import io.micrometer.core.instrument.binder.system.ProcessorMetrics;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.stream.LongStream;

/** Counts requests and their times, for Prometheus. Thread-safe. */
final class Metrics {
  static final String TYPE = "text/plain; version=0.0.4; charset=utf-8";
  private static final Duration[] BOUNDS =
      LongStream.of(10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000)
          .mapToObj(Duration::ofMillis)
          .toArray(Duration[]::new);
  private static final int PAGE_BYTES = 4096;

  private final PrometheusMeterRegistry registry =
      new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);

  /**
   * Creates the meters.
   *
   * @param computing the number of requests that compute or wait
   * @param uploading the number of uploads that are being received
   */
  Metrics(Supplier<Number> computing, Supplier<Number> uploading) {
    Gauge.builder("fovea.requests.computing", computing)
        .description("Requests that compute or wait.")
        .register(registry);
    Gauge.builder("fovea.uploads", uploading)
        .description("Uploads that are being received.")
        .register(registry);
    Gauge.builder("process.resident.memory", Metrics::resident)
        .description("Memory of the process; libtorch's is not in Java's.")
        .baseUnit("bytes")
        .register(registry);
    new JvmMemoryMetrics().bindTo(registry);
    new JvmThreadMetrics().bindTo(registry);
    new ProcessorMetrics().bindTo(registry);
  }

  /** Counts an answered request. */
  void answered(String route, int status, double seconds) {
    registry
        .counter("fovea.requests", "route", route, "status", Integer.toString(status))
        .increment();
    Timer.builder("fovea.request")
        .description("Times until the answers were complete.")
        .tag("route", route)
        .serviceLevelObjectives(BOUNDS)
        .register(registry)
        .record(Math.round(seconds * 1e9), TimeUnit.NANOSECONDS);
  }

  /** Returns all numbers in Prometheus's text format. */
  String text() {
    return registry.scrape(TYPE);
  }

  /** The resident memory on Linux; NaN elsewhere. */
  private static double resident() {
    try {
      String[] pages = Files.readString(Path.of("/proc/self/statm")).split(" ");
      return Double.parseDouble(pages[1]) * PAGE_BYTES;
    } catch (IOException e) {
      return Double.NaN;
    }
  }
}
