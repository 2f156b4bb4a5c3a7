package io.fovea.spark;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.format_string;
import static org.apache.spark.sql.functions.lit;

import io.fovea.data.folder.FileKinds;
import io.fovea.errors.FoveaException;
import io.fovea.training.run.BuildInfo;
import java.io.IOException;
import java.net.URI;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.apache.hadoop.fs.Path;
import org.apache.spark.SparkException;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.AnalysisException;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Observation;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.SparkSession;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Predicts the classes of all images below a URI, for {@code spark-submit}. {@link Scorer} is the
 * same for Java and Scala programs.
 */
@Command(
    name = "spark-submit ... --class io.fovea.spark.Score fovea-spark.jar",
    description =
        "Predict the classes of all images in a folder of any file system that Spark knows, with"
            + " the numbers of fovea predict. A file that cannot be read becomes a row with its"
            + " error.",
    mixinStandardHelpOptions = true,
    versionProvider = Score.Version.class,
    abbreviateSynopsis = true,
    usageHelpAutoWidth = true,
    footer = {
      "",
      "Example:",
      "  spark-submit --master spark://host:7077 --class io.fovea.spark.Score fovea-spark.jar \\",
      "    --run runs/shoes --images s3a://photographs/2026 --out s3a://photographs/classes",
      "",
      "Exit status: 0 success (damaged files among the images are no failure), 1 failure,",
      "2 invalid input."
    })
public final class Score implements Callable<Integer> {
  private static final int MISTAKE = 2;

  /**
   * How many bytes the opening of a file is worth when Spark divides files among tasks. With Spark's
   * 4 MiB, a task would get 32 files, and small images would take less time than their tasks.
   */
  private static final String OPEN_COST = "spark.sql.files.openCostInBytes";

  private static final String LOWER_COST = "262144";

  /** The formats of the result. */
  enum Format {
    /** One column for each value; lists stay lists. */
    PARQUET,
    /** With a header; the classes after the first one have columns of their own. */
    CSV
  }

  @ArgGroup(multiplicity = "1")
  private Network network;

  /** The network, in one of two forms. */
  private static final class Network {
    @Option(
        names = "--run",
        paramLabel = "RUN",
        description =
            "Folder of a run, here or as a URI (s3a://, hdfs://, ...). It travels with the job.")
    private String run;

    @Option(
        names = "--onnx",
        paramLabel = "FILE",
        description =
            "ONNX file written by fovea export, here or as a URI, instead of a run. It runs in"
                + " ONNX Runtime.")
    private String onnx;
  }

  @Option(
      names = "--weights",
      paramLabel = "WHICH",
      description = "Weights of the run to use: best, last or ema. Default: best.")
  private String weights;

  @Option(
      names = "--images",
      paramLabel = "URI",
      required = true,
      description =
          "Folder with JPEG, PNG, BMP or WebP files, at any depth, or a pattern such as"
              + " 's3a://photographs/2026-*'. May be given several times.")
  private List<String> images;

  @Option(
      names = "--out",
      paramLabel = "URI",
      required = true,
      description = "Folder for the result, which must not exist.")
  private String out;

  @Option(names = "--overwrite", description = "Replace the folder of --out if it exists.")
  private boolean overwrite;

  @Option(
      names = "--format",
      paramLabel = "FORMAT",
      defaultValue = "parquet",
      description =
          "Write parquet (path, class, probability, top, error) or csv (path, class_1,"
              + " probability_1, ..., error). Default: ${DEFAULT-VALUE}.")
  private Format format;

  @Option(
      names = "--top",
      paramLabel = "K",
      defaultValue = "3",
      description = "Write the K most probable classes. Default: ${DEFAULT-VALUE}.")
  private int top;

  @Option(
      names = "--batch",
      paramLabel = "N",
      defaultValue = "32",
      description = "Predict N images together. Default: ${DEFAULT-VALUE}.")
  private int batch;

  @Option(
      names = "--embedding",
      description =
          "Also write what the classifier of the network takes: the mean of the last feature map"
              + " over all positions (column embedding; parquet only, with --run).")
  private boolean embedding;

  private final SparkSession spark;

  private Score(SparkSession spark) {
    this.spark = spark;
  }

  /** Runs with the session that {@code spark-submit} describes, and ends the process on failure. */
  public static void main(String[] arguments) {
    CommandLine command = commandLine(null);
    if (helped(command, arguments)) {
      return;
    }
    int status;
    SparkSession spark = SparkSession.builder().appName("fovea score").getOrCreate();
    try {
      status = run(spark, arguments);
    } finally {
      spark.stop();
    }
    if (status != 0) { // without a failure, Spark's own threads may end first
      System.exit(status);
    }
  }

  /** Prints help, the version, or what is wrong with the arguments, without starting Spark. */
  private static boolean helped(CommandLine command, String... arguments) {
    try {
      return CommandLine.executeHelpRequest(command.parseArgs(arguments)) != null;
    } catch (CommandLine.ParameterException e) {
      System.err.println("fovea: " + e.getMessage());
      System.err.println("Try --help.");
      System.exit(MISTAKE);
      return true;
    }
  }

  /**
   * Runs in a session.
   *
   * @param arguments as {@code --help} describes them
   * @return the exit status: 0 success, 1 failure, 2 invalid input
   */
  static int run(SparkSession spark, String... arguments) {
    return commandLine(spark).execute(arguments);
  }

  private static CommandLine commandLine(SparkSession spark) {
    CommandLine command = new CommandLine(new Score(spark));
    command.setCaseInsensitiveEnumValuesAllowed(true);
    command.setParameterExceptionHandler(
        (e, arguments) -> {
          command.getErr().println("fovea: " + e.getMessage());
          return MISTAKE;
        });
    command.setExecutionExceptionHandler((e, line, parsed) -> failed(e, line));
    return command;
  }

  private static int failed(Exception failure, CommandLine line) {
    boolean mistake =
        failure instanceof FoveaException
            || failure instanceof AnalysisException
            || failure instanceof IOException;
    if (mistake || failure instanceof SparkException) { // Spark has logged the rest
      line.getErr().println("fovea: " + firstLine(failure));
      return mistake ? MISTAKE : 1;
    }
    failure.printStackTrace(line.getErr());
    return 1;
  }

  private static String firstLine(Exception failure) {
    String message = failure.getMessage();
    return message == null ? failure.toString() : message.lines().findFirst().orElse("");
  }

  @Override
  public Integer call() throws IOException, InterruptedException {
    if (embedding && format == Format.CSV) {
      throw new FoveaException("--embedding needs --format parquet, because CSV has no lists");
    }
    if (network.onnx != null && weights != null) {
      throw new FoveaException("--weights is for --run; an ONNX file has one set of weights");
    }
    requireFree();
    Scorer scorer =
        network.run != null
            ? Scorer.ofRun(spark, network.run, weights)
            : Scorer.ofOnnx(spark, network.onnx);
    scorer = scorer.top(top).batch(batch);
    if (embedding) {
      scorer = scorer.embedding();
    }
    Dataset<Row> files = files();
    long start = System.nanoTime();
    Observation counted = new Observation("fovea");
    Dataset<Row> scored =
        scorer
            .score(files)
            .observe(
                counted, count(lit(1)).alias("images"), count(col(Scorer.ERROR)).alias("failures"));
    write(scored);
    report(counted.getAsJava(), (System.nanoTime() - start) / 1e9);
    return 0;
  }

  private void requireFree() throws IOException {
    Path folder = new Path(out);
    if (!overwrite && folder.getFileSystem(spark.sessionState().newHadoopConf()).exists(folder)) {
      throw new FoveaException(out + ": exists already; choose another --out, or give --overwrite");
    }
  }

  /**
   * The paths of the images; the tasks open the files. Spark lists them, and says how many tasks their bytes are worth.
   * The tasks get nothing but paths, because Spark's own scan of small files took a sixth of the processor time.
   */
  private Dataset<Row> files() {
    if (!spark.sparkContext().getConf().contains(OPEN_COST)) {
      spark.conf().set(OPEN_COST, LOWER_COST);
    }
    Dataset<Row> files =
        spark
            .read()
            .format("binaryFile")
            .option("recursiveFileLookup", "true")
            .option("pathGlobFilter", imageNames())
            .load(images.toArray(new String[0]))
            .select(Scorer.PATH);
    List<Row> paths =
        Arrays.stream(files.inputFiles())
            .map(uri -> RowFactory.create(new Path(URI.create(uri)).toString()))
            .toList();
    if (paths.isEmpty()) {
      throw new FoveaException(String.join(", ", images) + ": contains no image files");
    }
    JavaRDD<Row> rows =
        JavaSparkContext.fromSparkContext(spark.sparkContext())
            .parallelize(paths, files.rdd().getNumPartitions());
    return spark.createDataFrame(rows, files.schema());
  }

  /** A pattern for all extensions of images, in lower and upper case. */
  private static String imageNames() {
    return FileKinds.images().stream()
        .sorted()
        .map(
            extension ->
                extension
                    .chars()
                    .mapToObj(c -> eitherCase((char) c))
                    .collect(Collectors.joining("", "*.", "")))
        .collect(Collectors.joining(",", "{", "}"));
  }

  private static String eitherCase(char c) {
    return Character.isLetter(c) ? "[" + c + Character.toUpperCase(c) + "]" : String.valueOf(c);
  }

  private void write(Dataset<Row> scored) {
    SaveMode mode = overwrite ? SaveMode.Overwrite : SaveMode.ErrorIfExists;
    if (format == Format.PARQUET) {
      scored.write().mode(mode).parquet(out);
      return;
    }
    scored.select(flat()).write().mode(mode).option("header", "true").csv(out);
  }

  /** The columns of {@code fovea predict --format csv}, with its number of decimals. */
  private Column[] flat() {
    List<Column> columns = new ArrayList<>(List.of(col(Scorer.PATH)));
    for (int i = 0; i < top; i++) {
      Column one = col(Scorer.TOP).getItem(i);
      columns.add(one.getField(Scorer.CLASS).alias("class_" + (i + 1)));
      columns.add(
          format_string("%.6f", one.getField(Scorer.PROBABILITY)).alias("probability_" + (i + 1)));
    }
    columns.add(col(Scorer.ERROR));
    return columns.toArray(new Column[0]);
  }

  private void report(Map<String, Object> counted, double seconds) {
    long all = (Long) counted.get("images");
    long failures = (Long) counted.get("failures");
    System.out.printf(
        Locale.ROOT,
        "%,d %s in %.0f s (%.0f a second), %s, into %s%n",
        all,
        all == 1 ? "image" : "images",
        seconds,
        all / seconds,
        failures == 0
            ? "all of them readable"
            : String.format(Locale.ROOT, "%,d of them cannot be read (column error)", failures),
        out);
  }

  static final class Version implements CommandLine.IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {"fovea-spark " + BuildInfo.version()};
    }
  }
}
