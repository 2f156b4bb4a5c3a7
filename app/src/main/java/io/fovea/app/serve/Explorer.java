package io.fovea.app.serve;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.data.DataException;
import io.fovea.data.Image;
import io.fovea.data.TooManyPixelsException;
import io.fovea.data.image.Images;
import io.fovea.errors.FoveaException;
import io.fovea.errors.SpecException;
import io.fovea.explain.ExplainPage;
import io.fovea.explain.Explanation;
import io.fovea.explain.ExplanationJson;
import io.fovea.explain.LoadedRun;
import io.fovea.tensor.Threads;
import io.fovea.tensor.internal.DidYouMean;
import io.fovea.training.run.BuildInfo;
import io.fovea.training.run.Json;
import io.javalin.Javalin;
import io.javalin.config.JavalinConfig;
import io.javalin.http.Context;
import io.javalin.http.HttpResponseException;
import io.javalin.util.JavalinException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.eclipse.jetty.http.HttpFields;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.handler.ErrorHandler;
import org.eclipse.jetty.server.handler.StatisticsHandler;
import org.eclipse.jetty.util.thread.QueuedThreadPool;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The server of the explorer, with a page and a JSON API.
 *
 * <p>The server computes as many requests at once as there are cores, up to four, and they share
 * the cores evenly. With two cores, two requests with one thread each have 1.5 times the throughput
 * of one request after the other with two threads. Images are decoded one at a time, because
 * decoding takes memory. A limited number of requests may wait; further ones get status 429.
 * Uploads are never stored.
 */
public final class Explorer implements AutoCloseable {
  private static final Logger LOGGER = LoggerFactory.getLogger(Explorer.class);
  private static final String OPEN_API = "/api/openapi.json";
  private static final int HTTP_THREADS = 32;
  private static final int MOST_CALLERS = 4;
  private static final Duration WARM_UP = Duration.ofMillis(700);
  private static final int GRID_VALUES = 2_500_000;
  private static final String POLICY =
      "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:;"
          + " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

  /**
   * The limits of a server.
   *
   * @param uploadBytes the largest size of an upload in bytes
   * @param pixels the largest number of pixels of an image
   * @param inFlight the largest number of requests that compute or wait
   * @param time the longest time for a request
   */
  public record Limits(long uploadBytes, long pixels, int inFlight, Duration time) {
    static final Limits DEFAULT = new Limits(16L << 20, 25_000_000, 8, Duration.ofSeconds(10));
  }

  private final List<LoadedRun> runs;
  private final List<DemoImages.Sample> samples;
  private final Limits limits;
  private final String token;
  private final boolean local;
  private final String page = ExplainPage.assembled(resource("serve.html"));
  private final Semaphore places;
  private final Semaphore decoder = new Semaphore(1);
  final ThreadPoolExecutor compute; // not private: a test keeps it busy
  private final Javalin server;

  /**
   * Starts a server.
   *
   * @param host the address to listen on
   * @param port the port, or 0 for any free port
   * @param token the token that requests to the API must send, or null for none
   */
  public Explorer(
      List<LoadedRun> runs,
      List<DemoImages.Sample> samples,
      String host,
      int port,
      String token,
      Limits limits) {
    this.runs = List.copyOf(runs);
    this.samples = List.copyOf(samples);
    this.limits = limits;
    this.token = token;
    local = isLocal(host);
    places = new Semaphore(limits.inFlight());
    int callers = Math.min(MOST_CALLERS, Threads.count());
    int each = Threads.count() / callers;
    compute =
        new ThreadPoolExecutor(
            callers,
            callers,
            0,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(limits.inFlight()),
            task -> {
              Thread thread =
                  new Thread(
                      () -> {
                        Threads.set(each);
                        task.run();
                      },
                      "fovea-compute");
              thread.setDaemon(true);
              return thread;
            });
    server = Javalin.create(config -> configure(config, host, port));
    server.get("/", this::page);
    server.get("/api/runs", this::runs);
    server.get(OPEN_API, this::openApi);
    server.get("/api/samples/{number}", this::sample);
    server.post("/api/predict", context -> answer(context, false));
    server.post("/api/explain", context -> answer(context, true));
    server.before(this::guard);
    server.exception(Refused.class, (refused, context) -> refused.to(context));
    server.exception(
        Exception.class,
        (exception, context) -> {
          LOGGER.error("{} {} failed", context.method(), context.path(), exception);
          new Refused(500, "internal", "internal error; see the log of the server").to(context);
        });
    server.exception(HttpResponseException.class, Explorer::unknown);
    server.start();
    // of a server that did start
    server.jettyServer().server().setStopTimeout(patience().toMillis());
  }

  /** Whether an address can be reached from this machine only. */
  public static boolean isLocal(String host) {
    try {
      return InetAddress.getByName(host).isLoopbackAddress();
    } catch (UnknownHostException e) {
      throw new FoveaException("--host " + host + ": no such address", e);
    }
  }

  private void configure(JavalinConfig config, String host, int port) {
    config.showJavalinBanner = false;
    config.startupWatcherEnabled = false;
    config.useVirtualThreads = false;
    config.http.maxRequestSize = limits.uploadBytes();
    config.http.prefer405over404 = true;
    config.http.disableCompression(); // on the same machine, compression takes longer than it saves
    config.jetty.modifyServer(
        jetty -> {
          jetty.setErrorHandler(new JettysErrors());
          // lets the server wait for open requests when it stops
          jetty.setHandler(new StatisticsHandler());
        });
    config.jetty.threadPool = new QueuedThreadPool(HTTP_THREADS, 4, 60_000);
    config.jetty.addConnector(
        (jetty, http) -> {
          http.setSendServerVersion(false);
          ServerConnector connector = new ServerConnector(jetty, new HttpConnectionFactory(http));
          connector.setHost(host);
          connector.setPort(port);
          connector.setIdleTimeout(patience().toMillis());
          connector.setShutdownIdleTimeout(100); // for idle connections
          return connector;
        });
  }

  /** The time-out of a connection: that of a request, but at least a short time. */
  private Duration patience() {
    return limits.time().toMillis() > 1000 ? limits.time() : Duration.ofSeconds(1);
  }

  /** The port on which the server listens. */
  public int port() {
    return server.port();
  }

  /** An error response. */
  static final class Refused extends RuntimeException {
    private static final long serialVersionUID = 1L;
    private final int status;
    private final String code;

    Refused(int status, String code, String message) {
      super(message);
      this.status = status;
      this.code = code;
    }

    void to(Context context) {
      if (status == 429 || status == 503) {
        context.header("Retry-After", "1");
      }
      context
          .status(status)
          .contentType("application/json")
          .result(Json.line(error(code, getMessage())));
    }
  }

  private static ObjectNode error(String code, String message) {
    ObjectNode error = Json.MAPPER.createObjectNode();
    error.putObject("error").put("code", code).put("message", message);
    return error;
  }

  /** Handles requests that Javalin refuses, because the address or the method does not exist. */
  private static void unknown(HttpResponseException exception, Context context) {
    int status = exception.getStatus();
    String code = status == 404 ? "not_found" : status == 405 ? "method" : "bad_request";
    if (status == 405) {
      context.header("Allow", exception.getDetails().getOrDefault("availableMethods", ""));
    }
    new Refused(
            status,
            code,
            context.method()
                + " "
                + context.path()
                + ": see /api/openapi.json for the available addresses")
        .to(context);
  }

  /**
   * Jetty refuses invalid HTTP before this class sees it. This handler makes that response JSON,
   * too.
   */
  private static final class JettysErrors extends ErrorHandler {
    @Override
    public ByteBuffer badMessageError(int status, String reason, HttpFields.Mutable fields) {
      fields.put(HttpHeader.CONTENT_TYPE, "application/json");
      return ByteBuffer.wrap(
          Json.line(error("bad_request", reason == null ? "the request is not valid HTTP" : reason))
              .getBytes(StandardCharsets.UTF_8));
    }

    @Override
    protected void generateAcceptableResponse(
        Request base,
        HttpServletRequest request,
        HttpServletResponse response,
        int status,
        String message)
        throws IOException {
      response.setContentType("application/json");
      response.getWriter().write(Json.line(error("bad_request", message)));
      base.setHandled(true);
    }
  }

  /** Sets the headers of every response, and checks the sender of the request. */
  private void guard(Context context) {
    context.header("Content-Security-Policy", POLICY);
    context.header("X-Content-Type-Options", "nosniff");
    context.header("Referrer-Policy", "no-referrer");
    context.header("Cache-Control", "no-store");
    if (local && !isLocalName(context.host())) {
      // prevents DNS rebinding: a foreign page whose host name resolves to this machine must not
      // read from it
      throw new Refused(421, "wrong_host", "unexpected Host header; use localhost");
    }
    String origin = context.header("Origin");
    if (origin != null && !origin.replaceFirst("^https?://", "").equals(context.host())) {
      throw new Refused(403, "wrong_origin", "requests from pages of other sites are refused");
    }
    boolean open = !context.path().startsWith("/api/") || context.path().equals(OPEN_API);
    if (token != null && !open && !isAuthorised(context)) {
      context.header("WWW-Authenticate", "Bearer");
      throw new Refused(
          401,
          "unauthorised",
          "expected the header Authorization: Bearer TOKEN with the token that"
              + " fovea serve printed");
    }
  }

  private static boolean isLocalName(String host) {
    if (host == null) {
      return false;
    }
    String name = host.replaceFirst(":[0-9]+$", "").toLowerCase(Locale.ROOT);
    return name.equals("localhost") || name.equals("[::1]") || name.matches("127(\\.[0-9]+){3}");
  }

  private boolean isAuthorised(Context context) {
    String header = context.header("Authorization");
    return header != null
        && MessageDigest.isEqual(
            header.getBytes(StandardCharsets.UTF_8),
            ("Bearer " + token).getBytes(StandardCharsets.UTF_8));
  }

  private void page(Context context) {
    context.html(page);
  }

  private void openApi(Context context) {
    context
        .contentType("application/json")
        .result(resource("openapi.json").replace("FOVEA-VERSION", BuildInfo.version()));
  }

  private void runs(Context context) {
    ObjectNode all = Json.MAPPER.createObjectNode();
    ArrayNode list = all.putArray("runs");
    runs.forEach(run -> list.add(ExplanationJson.of(run.facts())));
    ArrayNode pictures = all.putArray("samples");
    samples.forEach(sample -> pictures.add(sample.name()));
    ObjectNode most = all.putObject("limits");
    most.put("upload_bytes", limits.uploadBytes());
    most.put("pixels", limits.pixels());
    json(context, all);
  }

  private void sample(Context context) {
    String number = context.pathParam("number");
    if (!number.matches("[0-9]{1,4}") || Integer.parseInt(number) >= samples.size()) {
      throw new Refused(404, "no_sample", "there are " + samples.size() + " samples, from 0");
    }
    DemoImages.Sample sample = samples.get(Integer.parseInt(number));
    context.contentType(sample.type()).result(sample.content());
  }

  private static void json(Context context, ObjectNode body) {
    try {
      context.contentType("application/json").result(Json.MAPPER.writeValueAsBytes(body));
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void answer(Context context, boolean explain) {
    if (!places.tryAcquire()) {
      throw busy();
    }
    try {
      LoadedRun run = run(context.queryParam("run"));
      byte[] content = upload(context);
      long until = System.nanoTime() + limits.time().toNanos();
      ObjectNode all =
          explain ? explain(run, content, context, until) : predict(run, content, until);
      all.put("run", run.name());
      json(context, all);
    } finally {
      places.release();
    }
  }

  private Refused busy() {
    return new Refused(
        429, "busy", limits.inFlight() + " requests are in progress; try again in a second");
  }

  private LoadedRun run(String name) {
    if (name == null) {
      return runs.get(0);
    }
    return runs.stream()
        .filter(run -> run.name().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new Refused(
                    404,
                    "no_run",
                    DidYouMean.unknown("run", name, runs.stream().map(LoadedRun::name).toList())
                        .getMessage()));
  }

  private byte[] upload(Context context) {
    String tooLarge = "an upload must not exceed " + (limits.uploadBytes() >> 20) + " MiB";
    if (context.req().getContentLengthLong() > limits.uploadBytes()) {
      context.header("Connection", "close"); // the rest of the upload is not read
      throw new Refused(413, "too_large", tooLarge);
    }
    byte[] content = body(context);
    if (content.length > limits.uploadBytes()) {
      context.header("Connection", "close");
      throw new Refused(413, "too_large", tooLarge);
    }
    if (content.length == 0) {
      throw new Refused(400, "no_image", "expected an image as the body of the request");
    }
    if (!Images.isKnown(content)) {
      throw new Refused(415, "no_image", "not a JPEG, PNG, BMP or WebP image");
    }
    return content;
  }

  /** Reads the body, up to one byte more than the limit, within the time limit of a request. */
  private byte[] body(Context context) {
    long until = System.nanoTime() + patience().toNanos();
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    byte[] part = new byte[1 << 16];
    long room = limits.uploadBytes() + 1;
    try (InputStream in = context.req().getInputStream()) {
      while (room > 0 && System.nanoTime() < until) {
        int read = in.read(part, 0, (int) Math.min(part.length, room));
        if (read < 0) {
          return body.toByteArray();
        }
        body.write(part, 0, read);
        room -= read;
      }
    } catch (IOException e) {
      LOGGER.debug("the upload broke off", e); // the upload stalled, or the client has disconnected
    }
    if (room > 0) {
      context.header("Connection", "close");
      throw new Refused(
          408,
          "upload_too_slow",
          "the upload was not complete within " + patience().toSeconds() + " seconds");
    }
    return body.toByteArray();
  }

  private Image decoded(LoadedRun run, byte[] content, long until) {
    try {
      if (!decoder.tryAcquire(until - System.nanoTime(), TimeUnit.NANOSECONDS)) {
        throw tooSlow();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw stopping();
    }
    try {
      return run.decode(content, limits.pixels());
    } catch (TooManyPixelsException e) {
      throw new Refused(413, "too_many_pixels", e.getMessage());
    } catch (DataException e) {
      throw new Refused(422, "damaged", e.getMessage());
    } finally {
      decoder.release();
    }
  }

  private ObjectNode predict(LoadedRun run, byte[] content, long until) {
    Image pixels = decoded(run, content, until);
    ObjectNode all = Json.MAPPER.createObjectNode();
    all.set(
        "predictions",
        ExplanationJson.predictions(computed(() -> run.predict(pixels).ranked(), until)));
    return all;
  }

  private ObjectNode explain(LoadedRun run, byte[] content, Context context, long until) {
    String target = context.queryParam("target");
    String layer = context.queryParam("layer");
    List<double[]> points = context.queryParams("point").stream().map(Explorer::point).toList();
    Image pixels = decoded(run, content, until);
    return ExplanationJson.of(
        computed(() -> explained(run, pixels, target, layer, points), until), run.classes());
  }

  private static Explanation explained(
      LoadedRun run, Image pixels, String target, String layer, List<double[]> points) {
    try {
      return run.explain(
          pixels,
          target,
          layer,
          LoadedRun.Stages.LAST,
          builder -> {
            if (run.isModule(layer)) {
              builder.grid(GRID_VALUES);
            } else {
              builder.detail(Set.of());
            }
            points.forEach(point -> builder.point(point[0], point[1]));
          });
    } catch (SpecException e) { // the layer or class is unknown
      throw new Refused(400, "bad_parameter", e.getMessage());
    }
  }

  private static double[] point(String text) {
    String[] parts = text.split(",", -1);
    try {
      double x = Double.parseDouble(parts[0]);
      double y = parts.length == 2 ? Double.parseDouble(parts[1]) : Double.NaN;
      if (x >= 0 && x < 1 && y >= 0 && y < 1) {
        return new double[] {x, y};
      }
    } catch (NumberFormatException e) { // reported below
    }
    throw new Refused(
        400,
        "bad_parameter",
        "point: expected two numbers from 0 to below 1, such as 0.5,0.25, got \"" + text + "\"");
  }

  /** Waits for the computation, up to the time limit of a request. */
  private <T> T computed(Callable<T> work, long until) {
    Future<T> future;
    try {
      future = compute.submit(work);
    } catch (RejectedExecutionException e) {
      throw compute.isShutdown() ? stopping() : busy(); // by requests whose clients have left
    }
    try {
      return future.get(until - System.nanoTime(), TimeUnit.NANOSECONDS);
    } catch (TimeoutException e) {
      // a running computation cannot be stopped, but a waiting one need not start
      future.cancel(false);
      throw tooSlow();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw stopping();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof Refused refused) {
        throw refused;
      }
      throw new IllegalStateException(e.getCause());
    }
  }

  private Refused tooSlow() {
    return new Refused(
        503,
        "too_slow",
        "the request was not finished within " + limits.time().toSeconds() + " seconds");
  }

  /** The error for a thread that was interrupted, or whose server is stopping. */
  private static Refused stopping() {
    return new Refused(503, "stopping", "the server is stopping");
  }

  /** Warms up every run, so that the first request is not slow. */
  public void warmUp() {
    for (LoadedRun run : runs) {
      try {
        warmUp(run);
        // it was too slow, which requests will report, or the server was stopped
      } catch (Refused e) {
        LOGGER.warn("{}: {}", run.name(), e.getMessage());
      }
    }
  }

  private void warmUp(LoadedRun run) {
    Image black = run.black();
    long until = System.nanoTime() + WARM_UP.toNanos();
    do {
      computed(
          () -> explained(run, black, null, null, List.of()),
          System.nanoTime() + limits.time().toNanos());
    } while (System.nanoTime() < until);
  }

  /** Stops the server. New requests are refused; running ones get a short time to finish. */
  @Override
  public void close() {
    try { // no new requests are accepted
      if (!places.tryAcquire(limits.inFlight(), patience().toMillis(), TimeUnit.MILLISECONDS)) {
        LOGGER.warn("a response was not finished in time");
      }
      server.stop();
    } catch (JavalinException e) {
      LOGGER.warn("a response was not finished in time");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    compute.shutdown();
    try {
      if (!compute.awaitTermination(limits.time().toMillis(), TimeUnit.MILLISECONDS)) {
        LOGGER.warn("a computation was not finished in time");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static String resource(String name) {
    try (InputStream in = Explorer.class.getResourceAsStream(name)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
