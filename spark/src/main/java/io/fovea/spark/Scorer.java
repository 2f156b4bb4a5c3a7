package io.fovea.spark;

import io.fovea.errors.FoveaException;
import io.fovea.training.Predictor;
import io.fovea.training.run.Run;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.SerializableConfiguration;

/**
 * Predicts the classes of the images in a data set, with the numbers of {@code fovea predict}.
 *
 * <pre>{@code
 * Scorer scorer = Scorer.ofRun(spark, "runs/shoes").top(3);
 * Dataset<Row> images = spark.read().format("binaryFile").load("s3a://photographs/2026");
 * images.transform(scorer::score).write().parquet("s3a://photographs/classes");
 * }</pre>
 *
 * <p>The data set has the column {@link #PATH} and may have {@link #CONTENT}; Spark's source {@code
 * binaryFile} gives both. Without the content, each task opens the files itself, by the file system
 * of their paths. The result has all columns but the content, and:
 *
 * <ul>
 *   <li>{@link #CLASS} (string) and {@link #PROBABILITY} (double): the most probable class
 *   <li>{@link #TOP} (array of {@code class, probability}): the {@link #top} most probable classes
 *   <li>{@link #EMBEDDING} (array of float): what the classifier takes, if {@link #embedding} is on
 *   <li>{@link #ERROR} (string): why an image cannot be read; then the other columns are null. An
 *       image that can be read has null here.
 * </ul>
 *
 * <p>The network travels with the job, and each executor loads it once, whatever number of tasks it
 * runs. A task decodes its images and computes with as many threads as it has cores ({@code
 * spark.task.cpus}). Nothing but one batch is in memory at a time.
 *
 * <p>A scorer is immutable and thread-safe. It belongs to its session.
 */
public final class Scorer {
  /** The column with the path or URI of an image. */
  public static final String PATH = "path";

  /** The column with the content of an image's file; it may be missing. */
  public static final String CONTENT = "content";

  /** The column with the name of the most probable class. */
  public static final String CLASS = "class";

  /** The column with the probability of that class, from 0 to 1. */
  public static final String PROBABILITY = "probability";

  /** The column with the most probable classes. */
  public static final String TOP = "top";

  /** The column with the embedding. */
  public static final String EMBEDDING = "embedding";

  /** The column with the reason why an image cannot be read. */
  public static final String ERROR = "error";

  private static final int USUAL_TOP = 3;

  private static final StructType ONE_OF_TOP =
      new StructType(
          new StructField[] {
            DataTypes.createStructField(CLASS, DataTypes.StringType, false),
            DataTypes.createStructField(PROBABILITY, DataTypes.DoubleType, false)
          });

  private final SparkSession spark;
  private final ShippedModel model;
  private final int top;
  private final int batch;
  private final boolean embedding;

  private Scorer(SparkSession spark, ShippedModel model, int top, int batch, boolean embedding) {
    this.spark = spark;
    this.model = model;
    this.top = top;
    this.batch = batch;
    this.embedding = embedding;
  }

  private Scorer(SparkSession spark, ShippedModel model) {
    this(spark, model, USUAL_TOP, Predictor.BATCH, false);
  }

  /**
   * Creates a scorer with the weights of a run's best epoch.
   *
   * @param run the folder of a training or an import: of this machine, one that {@code spark-submit
   *     --archives} unpacked, or a URI of any file system that Spark knows
   * @throws io.fovea.data.DataException if it is no such folder, is damaged, or has another task
   *     than classification
   */
  public static Scorer ofRun(SparkSession spark, String run) {
    return ofRun(spark, run, null);
  }

  /**
   * Creates a scorer.
   *
   * @param weights {@code best}, {@code last} or {@code ema}, or null for the best
   * @throws io.fovea.data.DataException as {@link #ofRun(SparkSession, String)}
   * @throws FoveaException if there are no such weights
   */
  public static Scorer ofRun(SparkSession spark, String run, String weights) {
    return new Scorer(spark, ShippedModel.ofRun(spark.sparkContext(), run, parsed(weights)));
  }

  /**
   * Creates a scorer with a file that {@code fovea export} wrote, which runs in ONNX Runtime.
   *
   * @param file the file: of this machine, of {@code spark-submit --files}, or a URI of any file
   *     system that Spark knows
   * @throws io.fovea.data.DataException if it is no such file, or has another task than
   *     classification
   */
  public static Scorer ofOnnx(SparkSession spark, String file) {
    return new Scorer(spark, ShippedModel.ofOnnx(spark.sparkContext(), file));
  }

  private static Run.Weights parsed(String weights) {
    if (weights == null) {
      return null;
    }
    try {
      return Run.Weights.valueOf(weights.toUpperCase(Locale.ROOT));
    } catch (IllegalArgumentException e) {
      throw new FoveaException("weights must be best, last or ema, got \"" + weights + "\"", e);
    }
  }

  /**
   * Returns a scorer with another number of classes in {@link #TOP}; default 3. Networks with fewer
   * classes give all of them.
   *
   * @throws FoveaException if it is less than 1
   */
  public Scorer top(int classes) {
    return new Scorer(spark, model, positive("top", classes), batch, embedding);
  }

  /**
   * Returns a scorer that predicts another number of images together; default 32. More images need
   * more memory, fewer more time.
   *
   * @throws FoveaException if it is less than 1
   */
  public Scorer batch(int images) {
    return new Scorer(spark, model, top, positive("batch", images), embedding);
  }

  /**
   * Returns a scorer that also gives the embedding of each image: what the network's classifier
   * takes, the mean of the last feature map over all positions.
   *
   * @throws FoveaException if the network is an ONNX file, which returns scores only
   */
  public Scorer embedding() {
    if (model.weights() == null) {
      throw new FoveaException("an ONNX file gives no embedding; use the run that it was made of");
    }
    return new Scorer(spark, model, top, batch, true);
  }

  private static int positive(String what, int value) {
    if (value < 1) {
      throw new FoveaException(what + " must be at least 1, got " + value);
    }
    return value;
  }

  /**
   * Predicts the classes of images. As all transformations, it computes when the result is used.
   *
   * @param images a data set with {@link #PATH} (string), and with {@link #CONTENT} (binary) unless
   *     the paths can be opened
   * @throws FoveaException if a column is missing, or has the name of a column of the result
   */
  public Dataset<Row> score(Dataset<Row> images) {
    StructType columns = images.schema();
    List<String> names = Arrays.asList(columns.fieldNames());
    if (!names.contains(PATH)) {
      throw new FoveaException("the images have the columns " + names + ", expected " + PATH);
    }
    List<StructField> result = new ArrayList<>();
    List<Integer> kept = new ArrayList<>();
    for (int i = 0; i < names.size(); i++) {
      if (!names.get(i).equals(CONTENT)) {
        result.add(columns.fields()[i]);
        kept.add(i);
      }
    }
    List<StructField> added = added();
    for (StructField field : added) {
      if (names.contains(field.name())) {
        throw new FoveaException(
            "the images have a column " + field.name() + " already; rename or drop it");
      }
    }
    result.addAll(added);
    ScoreRows rows =
        new ScoreRows(
            model,
            new SerializableConfiguration(spark.sessionState().newHadoopConf()),
            names.indexOf(PATH),
            names.indexOf(CONTENT),
            kept.stream().mapToInt(Integer::intValue).toArray(),
            top,
            batch,
            embedding);
    return images.mapPartitions(
        rows, Encoders.row(new StructType(result.toArray(new StructField[0]))));
  }

  private List<StructField> added() {
    List<StructField> added = new ArrayList<>();
    added.add(DataTypes.createStructField(CLASS, DataTypes.StringType, true));
    added.add(DataTypes.createStructField(PROBABILITY, DataTypes.DoubleType, true));
    added.add(DataTypes.createStructField(TOP, DataTypes.createArrayType(ONE_OF_TOP, false), true));
    if (embedding) {
      added.add(
          DataTypes.createStructField(
              EMBEDDING, DataTypes.createArrayType(DataTypes.FloatType, false), true));
    }
    added.add(DataTypes.createStructField(ERROR, DataTypes.StringType, true));
    return added;
  }
}
