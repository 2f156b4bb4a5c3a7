package io.fovea.app.serve;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.data.DataException;
import io.fovea.data.Image;
import io.fovea.data.TooManyPixelsException;
import io.fovea.data.image.Images;
import io.fovea.data.video.VideoSource;
import io.fovea.errors.FoveaException;
import io.fovea.errors.SpecException;
import io.fovea.explain.Affinity;
import io.fovea.explain.ExplainPage;
import io.fovea.explain.Explanation;
import io.fovea.explain.ExplanationJson;
import io.fovea.explain.LoadedRun;
import io.fovea.explain.VideoClip;
import io.fovea.tensor.Threads;
import io.fovea.tensor.internal.DidYouMean;
import io.fovea.training.run.BuildInfo;
import io.fovea.training.run.Json;
import io.javalin.Javalin;
import io.javalin.compression.CompressionStrategy;
import io.javalin.config.JavalinConfig;
import io.javalin.config.RoutesConfig;
import io.javalin.http.Context;
import io.javalin.http.HttpResponseException;
import io.javalin.util.JavalinException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.eclipse.jetty.http.HttpFields;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.server.CustomRequestLog;
import org.eclipse.jetty.server.ForwardedRequestCustomizer;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.RequestLog;
import org.eclipse.jetty.server.RequestLogWriter;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.SecureRequestCustomizer;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.handler.ErrorHandler;
import org.eclipse.jetty.server.handler.GracefulHandler;
import org.eclipse.jetty.util.Callback;
import org.eclipse.jetty.util.ssl.SslContextFactory;
import org.eclipse.jetty.util.thread.QueuedThreadPool;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The server of the explorer, with a page and a JSON API.
 *
 * <p>The server computes as many requests at once as there are cores, up to four, and they share
 * the cores evenly. With two cores, two requests with one thread each have 1.5 times the throughput
 * of one request after the other with two threads. Images are decoded one at a time by one thread,
 * because decoding takes memory, which the C library keeps for each thread. A limited number of
 * requests may wait; further ones get status 429. An upload takes none of these places before it is
 * complete, so that slow ones keep nobody from computing. Images are never stored; a video is a temporary
 * file while it is decoded.
 */
public final class Explorer implements AutoCloseable {
  /**
   * A connection without traffic is kept for longer than a request may take, or it would be closed
   * when the answer is that it took too long.
   */
  private static final Duration ANSWERING = Duration.ofSeconds(5);

  private static final Logger LOGGER = LoggerFactory.getLogger(Explorer.class);
  private static final String OPEN_API = "/api/openapi.json";
  private static final String HEALTH = "/health";
  private static final String METRICS = "/metrics";
  private static final String FORWARDED_HOST = "X-Forwarded-Host";
  private static final int HTTP_THREADS = 128;

  /** The number of uploads that may be received at once; the other threads answer meanwhile. */
  private static final int UPLOADS = 96;

  /** The memory of all uploads is counted in parts. */
  private static final int PART = 1 << 16;

  private static final int MOST_CALLERS = 4;

  /** What needs no token. */
  private static final Set<String> OPEN = Set.of("", "/", OPEN_API, HEALTH);

  private static final Set<String> KNOWN =
      Set.of("/", "/api/runs", OPEN_API, "/api/predict", "/api/explain", HEALTH, METRICS);

  private static final Duration WARM_UP = Duration.ofMillis(700);
  private static final int GRID_VALUES = 2_500_000;
  private static final int HEAD_BYTES = 8 << 10;
  private static final String POLICY =
      "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:;"
          + " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

  /** The headers of every response, as OWASP's Secure Headers Project has them. */
  private static final Map<String, String> HEADERS =
      Map.ofEntries(
          Map.entry("Content-Security-Policy", POLICY),
          Map.entry("X-Content-Type-Options", "nosniff"),
          Map.entry("X-Frame-Options", "DENY"),
          Map.entry("Referrer-Policy", "no-referrer"),
          Map.entry("Cache-Control", "no-store"),
          Map.entry("Cross-Origin-Opener-Policy", "same-origin"),
          Map.entry("Cross-Origin-Resource-Policy", "same-origin"),
          Map.entry("Cross-Origin-Embedder-Policy", "require-corp"),
          Map.entry("X-Permitted-Cross-Domain-Policies", "none"),
          Map.entry("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()"));

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
  private final Listening listening;
  private final boolean local; // each request asks for it, and a name would be looked up
  private final String page = ExplainPage.assembled(resource("serve.html"));
  private final Metrics metrics;
  private final ClientRates rates;
  private final Semaphore uploads = new Semaphore(UPLOADS);
  private final Semaphore memory;
  private final Semaphore places;
  private final ExecutorService decoder =
      Executors.newSingleThreadExecutor(task -> daemon(task, "fovea-decoder"));
  final ThreadPoolExecutor compute; // not private: a test keeps it busy
  private final Javalin server;

  /**
   * Starts a server.
   *
   * @param listening where and how it listens
   * @param token the token that requests to the API must send, or null for none
   * @throws FoveaException if the certificate cannot be read or the address does not exist
   */
  public Explorer(
      List<LoadedRun> runs,
      List<DemoImages.Sample> samples,
      Listening listening,
      String token,
      Limits limits) {
    local = listening.isLocal();
    if (token == null && !local) {
      throw new IllegalArgumentException("a server that others can reach needs a token");
    }
    this.runs = List.copyOf(runs);
    this.samples = List.copyOf(samples);
    this.limits = limits;
    this.token = token;
    this.listening = listening;
    rates = new ClientRates(listening.perMinute(), System::nanoTime);
    places = new Semaphore(limits.inFlight());
    metrics =
        new Metrics(
            () -> limits.inFlight() - places.availablePermits(),
            () -> UPLOADS - uploads.availablePermits());
    memory = new Semaphore((int) (limits.inFlight() * (limits.uploadBytes() / PART + 1)));
    int callers = Math.min(MOST_CALLERS, Threads.count());
    int each = Threads.count() / callers;
    compute =
        new ThreadPoolExecutor(
            callers,
            callers,
            0,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(limits.inFlight()),
            task ->
                daemon(
                    () -> {
                      Threads.set(each);
                      task.run();
                    },
                    "fovea-compute"));
    SslContextFactory.Server tls =
        listening.isEncrypted() ? Tls.of(listening.certificate(), listening.key()) : null;
    server =
        Javalin.create(
            config -> {
              configure(config, tls);
              route(config.routes);
            });
    server.start();
    // of a server that did start
    server.jettyServer().server().setStopTimeout(patience().toMillis());
  }

  private static Thread daemon(Runnable task, String name) {
    Thread thread = new Thread(task, name);
    thread.setDaemon(true);
    return thread;
  }

  private void route(RoutesConfig routes) {
    routes.before(this::guard);
    routes.get("/", this::page);
    routes.get("/api/runs", this::runs);
    routes.get(OPEN_API, this::openApi);
    routes.get("/api/samples/{number}", this::sample);
    routes.post("/api/predict", context -> answer(context, false));
    routes.post("/api/explain", context -> answer(context, true));
    routes.get(HEALTH, this::health);
    routes.get(METRICS, this::metrics);
    routes.exception(Refused.class, (refused, context) -> refused.to(context));
    routes.exception(
        Exception.class,
        (exception, context) -> {
          LOGGER.error("{} {} failed", context.method(), context.path(), exception);
          new Refused(500, "internal", "internal error; see the log of the server").to(context);
        });
    routes.exception(HttpResponseException.class, Explorer::unknown);
  }

  private void configure(JavalinConfig config, SslContextFactory.Server tls) {
    config.startup.showJavalinBanner = false;
    config.startup.startupWatcherEnabled = false;
    config.concurrency.useVirtualThreads = false;
    config.router.contextPath = contextPath();
    config.requestLogger.http(this::count);
    config.http.maxRequestSize = limits.uploadBytes();
    config.http.prefer405over404 = true;
    // on the same machine, compression takes longer than it saves
    config.http.compressionStrategy = CompressionStrategy.NONE;
    config.jetty.modifyServer(
        jetty -> {
          jetty.setErrorHandler(new JettysErrors());
          // the outer one lets the server wait for open requests when it stops
          jetty.setHandler(new GracefulHandler(new NoWebsockets()));
          if (listening.accessLog() != null) {
            jetty.setRequestLog(accessLog(listening.accessLog()));
          }
        });
    config.jetty.threadPool = new QueuedThreadPool(HTTP_THREADS, 4, 60_000);
    config.jetty.addConnector(
        (jetty, http) -> {
          http.setSendServerVersion(false);
          http.setRequestHeaderSize(HEAD_BYTES);
          if (listening.trustProxy()) {
            http.addCustomizer(new ForwardedRequestCustomizer());
          }
          if (tls != null) { // by address, a certificate has no name to be checked
            http.addCustomizer(new SecureRequestCustomizer(false));
          }
          HttpConnectionFactory plain = new HttpConnectionFactory(http);
          ServerConnector connector =
              tls == null
                  ? new ServerConnector(jetty, plain)
                  : new ServerConnector(jetty, tls, plain);
          connector.setHost(listening.host());
          connector.setPort(listening.port());
          connector.setIdleTimeout(patience().plus(ANSWERING).toMillis());
          connector.setShutdownIdleTimeout(100); // for idle connections
          return connector;
        });
  }

  private static RequestLog accessLog(Path file) {
    if (file.toString().equals("-")) {
      return new CustomRequestLog(System.err::println, CustomRequestLog.EXTENDED_NCSA_FORMAT);
    }
    RequestLogWriter writer = new RequestLogWriter(file.toString());
    writer.setAppend(true);
    return new CustomRequestLog(writer, CustomRequestLog.EXTENDED_NCSA_FORMAT);
  }

  /** Counts a request for the metrics; what is not known is one address. */
  private void count(Context context, Float milliseconds) {
    String path = path(context);
    String route =
        path.startsWith("/api/samples/")
            ? "/api/samples/{number}"
            : KNOWN.contains(path) ? path : "other";
    metrics.answered(route, context.statusCode(), milliseconds / 1e3);
  }

  private String contextPath() {
    return listening.prefix().isEmpty() ? "/" : listening.prefix();
  }

  /** The path of a request after the prefix. */
  private String path(Context context) {
    String path = context.path();
    return path.startsWith(listening.prefix()) ? path.substring(listening.prefix().length()) : path;
  }

  /** How long a client gets for its request: the time-out, but at least a short time. */
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
      if (isUnread(context)) {
        // Jetty ends the connection then. A client that is not told sends its next request into it.
        context.header("Connection", "close");
      }
      context
          .status(status)
          .contentType("application/json")
          .result(Json.line(error(code, getMessage())));
    }
  }

  /** Whether a request has a body of which something was not read. */
  private static boolean isUnread(Context context) {
    boolean hasBody =
        context.req().getContentLengthLong() > 0 || context.header("Transfer-Encoding") != null;
    try {
      return hasBody && !context.req().getInputStream().isFinished();
    } catch (IOException e) {
      return true;
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
    public boolean errorPageForMethod(String method) {
      return true;
    }

    @Override
    protected void generateResponse(
        Request request,
        Response response,
        int status,
        String message,
        Throwable cause,
        Callback callback) {
      String reason = message == null ? "the request is not valid HTTP" : message;
      write(response, "bad_request", reason, callback);
    }

    static void write(Response response, String code, String message, Callback callback) {
      HttpFields.Mutable fields = response.getHeaders();
      HEADERS.forEach(fields::put);
      fields.put(HttpHeader.CONTENT_TYPE, "application/json");
      byte[] body = Json.line(error(code, message)).getBytes(StandardCharsets.UTF_8);
      response.write(true, ByteBuffer.wrap(body), callback);
    }
  }

  /**
   * Refuses websockets before Javalin, which would look for their handlers past the guard, and begin
   * a session. Other upgrades are ignored: clients that know HTTP/2 ask for h2c.
   */
  private static final class NoWebsockets extends Handler.Wrapper {
    @Override
    public boolean handle(Request request, Response response, Callback callback) throws Exception {
      HttpFields headers = request.getHeaders();
      if (!headers.contains("Sec-WebSocket-Key")
          && !headers.contains(HttpHeader.UPGRADE, "websocket")) {
        return super.handle(request, response, callback);
      }
      response.setStatus(HttpStatus.BAD_REQUEST_400);
      JettysErrors.write(response, "no_upgrade", "websockets are not supported", callback);
      return true;
    }
  }

  /** Sets the headers of every response, and checks the sender of the request. */
  private void guard(Context context) {
    HEADERS.forEach(context::header);
    if (listening.isEncrypted() && !local) {
      context.header("Strict-Transport-Security", "max-age=31536000");
    }
    String host = context.host();
    if (listening.trustProxy() && context.header(FORWARDED_HOST) != null) {
      host = context.header(FORWARDED_HOST);
    }
    if (local && !isLocalName(host)) {
      // prevents DNS rebinding: a foreign page whose host name resolves to this machine must not
      // read from it
      throw new Refused(421, "wrong_host", "unexpected Host header; use localhost");
    }
    String origin = context.header("Origin");
    if (origin != null && !origin.replaceFirst("^https?://", "").equals(host)) {
      throw new Refused(403, "wrong_origin", "requests from pages of other sites are refused");
    }
    String path = path(context);
    if (!path.equals(HEALTH) && !rates.allows(context.ip())) {
      throw new Refused(
          429,
          "too_many_requests",
          "more than " + listening.perMinute() + " requests in a minute from one address");
    }
    boolean open = OPEN.contains(path);
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

  private void health(Context context) {
    ObjectNode health = Json.MAPPER.createObjectNode();
    health.put("status", "ok");
    health.put("version", BuildInfo.version());
    json(context, health);
  }

  private void metrics(Context context) {
    context.contentType(Metrics.TYPE).result(metrics.text());
  }

  private void openApi(Context context) {
    context
        .contentType("application/json")
        .result(
            resource("openapi.json")
                .replace("FOVEA-VERSION", BuildInfo.version())
                .replace("FOVEA-PREFIX", contextPath()));
  }

  private void runs(Context context) {
    ObjectNode all = Json.MAPPER.createObjectNode();
    ArrayNode list = all.putArray("runs");
    runs.forEach(run -> list.add(ExplanationJson.of(run.facts()).put("video", run.isVideo())));
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
    LoadedRun run = run(context.queryParam("run"));
    requireWholeNumber(context, "sample");
    requireWholeNumber(context, "frame");
    int[] parts = {0}; // of the memory of all uploads
    try {
      Path sample = run.isVideo() ? videoSample(context.queryParam("sample")) : null;
      byte[] content = sample == null ? upload(context, parts, run.isVideo()) : null;
      if (!places.tryAcquire()) {
        throw busy();
      }
      try {
        long until = System.nanoTime() + limits.time().toNanos();
        ObjectNode all =
            run.isVideo()
                ? video(run, sample, content, explain ? context : null, until)
                : explain ? explain(run, content, context, until) : predict(run, content, until);
        all.put("run", run.name());
        json(context, all);
      } finally {
        places.release();
      }
    } finally {
      memory.release(parts[0]);
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

  /** Refuses a parameter that is given and no number from 0, also where the network has no use for it. */
  private static void requireWholeNumber(Context context, String name) {
    String text = context.queryParam(name);
    if (text != null && !text.matches("[0-9]+")) {
      throw new Refused(
          400, "bad_parameter", name + ": expected a whole number, got \"" + text + "\"");
    }
  }

  private Path videoSample(String number) {
    if (number == null) {
      return null;
    }
    if (!number.matches("[0-9]{1,4}")
        || Integer.parseInt(number) >= samples.size()
        || samples.get(Integer.parseInt(number)).video() == null) {
      throw new Refused(404, "no_sample", "there is no sample video " + number);
    }
    return samples.get(Integer.parseInt(number)).video();
  }

  private byte[] upload(Context context, int[] parts, boolean video) {
    String tooLarge = "an upload must not exceed " + (limits.uploadBytes() >> 20) + " MiB";
    if (context.req().getContentLengthLong() > limits.uploadBytes()) {
      context.header("Connection", "close"); // the rest of the upload is not read
      throw new Refused(413, "too_large", tooLarge);
    }
    if (!uploads.tryAcquire()) {
      context.header("Connection", "close");
      throw busy();
    }
    byte[] content;
    try {
      content = body(context, parts);
    } finally {
      uploads.release();
    }
    if (content.length > limits.uploadBytes()) {
      context.header("Connection", "close");
      throw new Refused(413, "too_large", tooLarge);
    }
    if (content.length == 0) {
      throw new Refused(
          400,
          "no_image",
          "expected " + (video ? "a video" : "an image") + " as the body of the request");
    }
    if (!video && !Images.isKnown(content)) {
      throw new Refused(415, "no_image", "not a JPEG, PNG, BMP or WebP image");
    }
    return content;
  }

  /**
   * Reads the body, up to one byte more than the limit, within the time limit of a request.
   *
   * @param parts counts the parts of the memory that the body takes, which the caller releases
   */
  private byte[] body(Context context, int[] parts) {
    long until = System.nanoTime() + patience().toNanos();
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    byte[] part = new byte[PART];
    long room = limits.uploadBytes() + 1;
    try (InputStream in = context.req().getInputStream()) {
      while (room > 0 && System.nanoTime() < until) {
        int read = in.read(part, 0, (int) Math.min(part.length, room));
        if (read < 0) {
          return body.toByteArray();
        }
        if ((body.size() + read + PART - 1) / PART > parts[0]) {
          if (!memory.tryAcquire()) {
            context.header("Connection", "close");
            throw busy();
          }
          parts[0]++;
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

  /**
   * Decodes an image. Each takes at most a few seconds, because the number of pixels and of scans is
   * checked before; who has waited too long is told so, and does not wait for that.
   */
  private Image decoded(LoadedRun run, byte[] content, long until) {
    try {
      return waited(decoder.submit(() -> run.decode(content, limits.pixels())), until);
    } catch (RejectedExecutionException e) {
      throw stopping();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof TooManyPixelsException) {
        throw new Refused(413, "too_many_pixels", e.getCause().getMessage());
      }
      if (e.getCause() instanceof DataException) {
        throw new Refused(422, "damaged", e.getCause().getMessage());
      }
      throw new IllegalStateException(e.getCause());
    }
  }

  private <T> T waited(Future<T> future, long until) throws ExecutionException {
    try {
      return future.get(until - System.nanoTime(), TimeUnit.NANOSECONDS);
    } catch (TimeoutException e) {
      // what runs cannot be stopped, but what waits need not start
      future.cancel(false);
      throw tooSlow();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw stopping();
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

  /**
   * Predicts a video part by part, or explains one clip of it. FFmpeg reads files, so an upload is a
   * temporary file of its own while it is decoded.
   *
   * @param sample the sample video, or null for the upload
   * @param context the request for an explanation, or null for the predictions
   */
  private ObjectNode video(
      LoadedRun run, Path sample, byte[] content, Context context, long until) {
    String frame = context == null ? null : context.queryParam("frame");
    if (frame != null && !frame.matches("[0-9]{1,8}")) {
      throw new Refused(
          400, "bad_parameter", "frame: expected a whole number, got \"" + frame + "\"");
    }
    Integer at = frame == null ? null : Integer.valueOf(frame);
    List<double[]> points =
        context == null
            ? List.of()
            : context.queryParams("point").stream().map(Explorer::point).toList();
    Future<ObjectNode> future;
    try {
      future =
          compute.submit(
              () -> {
                Path file = sample == null ? temporary(content) : sample;
                try {
                  return video(run, file, context != null, at, points);
                } finally {
                  if (sample == null) {
                    Files.deleteIfExists(file);
                  }
                }
              });
    } catch (RejectedExecutionException e) {
      throw compute.isShutdown() ? stopping() : busy();
    }
    try {
      return waited(future, until);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof Refused refused) {
        throw refused;
      }
      if (e.getCause()
          instanceof DataException) { // the name of the file says nothing to the client
        throw new Refused(
            422, "damaged", e.getCause().getMessage().replaceFirst("^.*?\\.video: ", ""));
      }
      throw new IllegalStateException(e.getCause());
    } finally {
      future.cancel(true); // decoding and predicting end at the next frame or clip
    }
  }

  private static Path temporary(byte[] content) throws IOException {
    Path file = Files.createTempFile("fovea-", ".video"); // only its owner may read it
    return Files.write(file, content);
  }

  private ObjectNode video(
      LoadedRun run, Path file, boolean explain, Integer frame, List<double[]> points) {
    VideoSource source = VideoSource.open(file);
    if ((long) source.width() * source.height() > limits.pixels()) {
      throw new Refused(
          413,
          "too_many_pixels",
          "frames of " + source.width() + " x " + source.height() + " pixels are too large");
    }
    if (!explain) {
      return ExplanationJson.of(source, run.clips(source), run.classes());
    }
    if (frame != null && frame >= source.length()) {
      throw new Refused(
          400, "bad_parameter", "frame: the video has frames 0 to " + (source.length() - 1));
    }
    VideoClip clip =
        VideoClip.around(source, "video", run.folder().preprocessing().sampling(), frame);
    int place = frame == null ? clip.frames().length / 2 : clip.place(frame);
    return ExplanationJson.of(
        run.explain(
            clip,
            points.stream().map(point -> new Affinity.Point(place, point[0], point[1])).toList()));
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
      return waited(future, until);
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
    if (run.isVideo()) {
      return; // its first request takes a moment longer
    }
    Image black = run.black();
    long until = System.nanoTime() + WARM_UP.toNanos();
    do {
      computed(
          () -> {
            run.predict(black);
            return explained(run, black, null, null, List.of());
          },
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
    decoder.shutdown();
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
