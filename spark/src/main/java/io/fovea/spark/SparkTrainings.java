package io.fovea.spark;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.app.study.SearchJob;
import io.fovea.app.study.Study;
import io.fovea.app.study.TrainingJob;
import io.fovea.app.study.Trainings;
import io.fovea.data.DataException;
import io.fovea.errors.FoveaException;
import io.fovea.training.run.Json;
import io.fovea.training.search.Lap;
import io.fovea.training.search.LapEngine;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.lang.management.ManagementFactory;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URISyntaxException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.SparkException;
import org.apache.spark.api.java.JavaFutureAction;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.SparkSession;

/**
 * Trains networks on Apache Spark. Each training is a job of one task, so that Spark repeats it if
 * its machine fails, and a result comes as soon as it is there.
 */
final class SparkTrainings implements Trainings.Engine {
  private static final int CONNECT_MS = 10_000;
  private static final String INTERRUPT = "spark.job.interruptOnCancel";
  private static final String STANDALONE = "spark://";

  private final JavaSparkContext context;
  private final boolean own;
  private final int threads;
  private final TrainTask task;
  private final List<JavaFutureAction<List<String>>> started = new ArrayList<>();
  private final ExecutorService waiting =
      Executors.newCachedThreadPool(
          body -> {
            Thread thread = new Thread(body, "fovea-waits-for-spark");
            thread.setDaemon(true);
            return thread;
          });

  private SparkTrainings(SparkContext context, boolean own, int threads) {
    this.context = new JavaSparkContext(context);
    this.own = own;
    this.threads = threads;
    int cores =
        context.isLocal()
            ? context.defaultParallelism()
            : context.getConf().getInt("spark.executor.cores", 0);
    task = new TrainTask(cores);
    context.setLocalProperty(INTERRUPT, "true");
  }

  /**
   * Connects to a cluster, or to the session that this process has already.
   *
   * @param master as {@code spark-submit --master}
   * @param threads the number of threads of each training
   * @throws FoveaException if the address is none of Spark, or cannot be reached
   */
  static SparkTrainings connect(String master, int threads) {
    boolean own = SparkSession.getDefaultSession().isEmpty();
    SparkConf conf = new SparkConf();
    defaults(conf);
    conf.setMaster(master);
    conf.setIfMissing("spark.app.name", "fovea study");
    conf.set("spark.task.cpus", Integer.toString(threads));
    conf.setIfMissing("spark.ui.showConsoleProgress", "false");
    conf.setIfMissing("spark.executorEnv.GOMP_SPINCOUNT", "50000"); // as the launcher does
    if (master.startsWith("local") && !master.startsWith("local-cluster")) {
      conf.setIfMissing("spark.ui.enabled", "false");
    } else {
      requireReachable(master);
      ship(conf);
    }
    try {
      return new SparkTrainings(SparkContext.getOrCreate(conf), own, threads);
    } catch (Exception e) { // Scala does not declare the exceptions that it throws
      if (e instanceof SparkException || e instanceof IllegalArgumentException) {
        throw new FoveaException("--on " + master + ": " + firstLine(e), e);
      }
      throw e;
    }
  }

  /** Reads {@code spark-defaults.conf}, as {@code spark-submit} does. */
  private static void defaults(SparkConf conf) {
    String home = System.getenv("SPARK_HOME");
    String folder = System.getenv("SPARK_CONF_DIR");
    if (folder == null && home == null) {
      return;
    }
    Path file =
        (folder != null ? Path.of(folder) : Path.of(home, "conf")).resolve("spark-defaults.conf");
    if (!Files.isRegularFile(file)) {
      return;
    }
    Properties properties = new Properties();
    try (InputStream in = Files.newInputStream(file)) {
      properties.load(in);
    } catch (IOException e) {
      throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
    }
    for (String name : properties.stringPropertyNames()) {
      if (name.startsWith("spark.")) {
        conf.setIfMissing(name, properties.getProperty(name).strip());
      }
    }
  }

  /** Spark itself would try for a minute, and then end without saying why. */
  private static void requireReachable(String master) {
    if (!master.startsWith(STANDALONE)) {
      return;
    }
    List<String> reasons = new ArrayList<>();
    for (String one : master.substring(STANDALONE.length()).split(",")) {
      int colon = one.lastIndexOf(':');
      try (Socket socket = new Socket()) {
        socket.connect(
            new InetSocketAddress(
                one.substring(0, Math.max(0, colon)), Integer.parseInt(one.substring(colon + 1))),
            CONNECT_MS);
        return;
      } catch (NumberFormatException e) {
        throw new FoveaException("--on " + master + ": expected spark://HOST:PORT", e);
      } catch (IOException | IllegalArgumentException e) {
        reasons.add(e.getMessage());
      }
    }
    throw new FoveaException(
        "--on " + master + ": cannot be reached: " + String.join("; ", reasons));
  }

  /**
   * Lets the executors have the jars of this process that are not Spark's own, the plugins among
   * them. Folders of classes are there in a build only, whose executors are on the same machine.
   */
  private static void ship(SparkConf conf) {
    Set<Path> jars = new LinkedHashSet<>();
    List<String> folders = new ArrayList<>();
    Path ofSpark = location().getParent();
    for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
      Path path = Path.of(entry).toAbsolutePath();
      if (Files.isDirectory(path)) {
        folders.add(path.toString());
      } else if (entry.endsWith(".jar") && !path.startsWith(ofSpark)) {
        jars.add(path);
      }
    }
    if (Thread.currentThread().getContextClassLoader() instanceof URLClassLoader plugins) {
      for (URL url : plugins.getURLs()) {
        jars.add(path(url));
      }
    }
    conf.setIfMissing(
        "spark.jars",
        jars.stream().map(jar -> jar.toUri().toString()).collect(Collectors.joining(",")));
    if (!folders.isEmpty()) {
      conf.setIfMissing("spark.executor.extraClassPath", String.join(File.pathSeparator, folders));
    }
    String options =
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
            .filter(
                argument ->
                    argument.startsWith("--enable-native-access")
                        || argument.startsWith("--sun-misc-unsafe-memory-access"))
            .collect(Collectors.joining(" "));
    if (!options.isEmpty()) {
      conf.setIfMissing("spark.executor.extraJavaOptions", options);
    }
  }

  private static Path location() {
    return path(SparkContext.class.getProtectionDomain().getCodeSource().getLocation());
  }

  private static Path path(URL url) {
    try {
      return Path.of(url.toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public int atOnce() {
    return Math.max(1, context.defaultParallelism() / threads);
  }

  @Override
  public CompletableFuture<Study.Run> train(TrainingJob job) {
    String name = job.variant() + ", seed " + job.seed();
    context.sc().setJobDescription(name);
    JavaFutureAction<List<String>> action =
        context.parallelize(List.of(job.text()), 1).map(task).collectAsync();
    started.add(action);
    return CompletableFuture.supplyAsync(() -> result(name, action), waiting);
  }

  private static Study.Run result(String name, JavaFutureAction<List<String>> action) {
    try {
      JsonNode result = Json.MAPPER.readTree(action.get().get(0));
      if (result.has(TrainTask.ERROR)) {
        throw new DataException(result.get(TrainTask.ERROR).asText());
      }
      return Json.MAPPER.treeToValue(result.get(TrainTask.RUN), Study.Run.class);
    } catch (ExecutionException e) {
      throw givenUp(name, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(name + ": interrupted", e);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(name + ": no result of a training", e);
    }
  }

  @Override
  public LapEngine.Outcome train(SearchJob job, byte[] state) throws InterruptedException {
    String name = job.lap().module() + ", seed " + job.lap().seed();
    context.setLocalProperty(INTERRUPT, "true"); // of this thread
    context.sc().setJobDescription(name);
    Broadcast<byte[]> shipped = state == null ? null : context.broadcast(state);
    JavaFutureAction<List<LapTask.Result>> action =
        context.parallelize(List.of(job.text()), 1).map(new LapTask(shipped)).collectAsync();
    try {
      LapTask.Result result = action.get().get(0);
      if (result.error() != null) {
        throw new DataException(result.error());
      }
      return new LapEngine.Outcome(
          result.lap() == null ? null : Json.MAPPER.readValue(result.lap(), Lap.class),
          result.state());
    } catch (ExecutionException e) {
      throw givenUp(name, e);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(name + ": no result of a training", e);
    } finally {
      action.cancel(true); // if this thread was interrupted
      if (shipped != null) {
        shipped.destroy();
      }
    }
  }

  private static IllegalStateException givenUp(String name, ExecutionException e) {
    return new IllegalStateException(
        name + ": Spark gave this training up: " + firstLine(e.getCause()), e);
  }

  private static String firstLine(Throwable failure) {
    String message = failure.getMessage();
    return message == null ? failure.toString() : message.lines().findFirst().orElse("");
  }

  @Override
  public void close() {
    started.forEach(action -> action.cancel(true));
    waiting.shutdownNow();
    if (own) {
      context.stop();
    }
  }
}
