package io.fovea.app.study;

import static java.util.stream.Collectors.groupingBy;
import static java.util.stream.Collectors.joining;
import static java.util.stream.Collectors.mapping;
import static java.util.stream.Collectors.toList;

import com.fasterxml.jackson.annotation.JsonAnyGetter;
import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.app.console.TextTable;
import io.fovea.data.Image;
import io.fovea.data.SkippedImage;
import io.fovea.data.TrainingData;
import io.fovea.data.source.DataIdentity;
import io.fovea.models.Precision;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.training.EpochResult;
import io.fovea.training.Task;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.evaluate.Metric;
import io.fovea.training.run.BuildInfo;
import io.fovea.training.run.Json;
import io.fovea.training.run.Machine;
import io.fovea.training.search.Holm;
import io.fovea.training.search.SearchResult;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.hipparchus.distribution.continuous.TDistribution;

/**
 * The results of a study: {@code results.json}, described in docs/compare.md; those of a search in
 * docs/search.md.
 *
 * @param format the name of this file format
 * @param created the time in UTC
 * @param task the task of the networks
 * @param score the key of the metric that ranks the rows
 * @param study {@code compare}, {@code ablate} and a mechanism, or {@code search}
 * @param command the command line
 * @param fovea the version of Fovea
 * @param complete whether all runs are finished
 * @param missing the names of the runs that are not finished
 * @param diverged the runs whose loss became infinite or NaN; the rows are about the others
 * @param data the training and test data
 * @param backbone the name of the backbone
 * @param width the width multiplier
 * @param epochs the number of epochs of each run
 * @param batchSize the batch size of the training
 * @param seeds the seeds of the runs
 * @param training all other settings of network and training
 * @param precision the precision of convolutions
 * @param sideBySide the number of runs that were trained in parallel, each with its share of the
 *     threads
 * @param machine the machine of the study
 * @param rows a row for each module
 * @param tables the tables of the mechanism's paper with the results of this study; empty for a
 *     comparison
 * @param search the search whose final the rows are; null for a study
 * @param trainCommand the command that trains the network that the search recommends
 */
@JsonInclude(JsonInclude.Include.ALWAYS)
public record Results(
    String format,
    String created,
    String task,
    String score,
    String study,
    String command,
    String fovea,
    boolean complete,
    List<String> missing,
    List<Diverged> diverged,
    Data data,
    String backbone,
    double width,
    int epochs,
    int batchSize,
    List<Long> seeds,
    ObjectNode training,
    String precision,
    int sideBySide,
    Machine machine,
    List<Row> rows,
    List<PaperTable.Outcome> tables,
    @JsonInclude(JsonInclude.Include.NON_NULL) SearchResult search,
    @JsonInclude(JsonInclude.Include.NON_NULL) String trainCommand) {
  private static final String FORMAT = "fovea-study/1";
  private static final String SEARCH_FORMAT = "fovea-search/1";
  private static final double CONFIDENCE = 0.95;

  /** A run that has no results, and why. */
  public record Diverged(String module, long seed, String reason) {}

  /** The data set. */
  public record Data(
      String name,
      String description,
      List<String> classes,
      int trainImages,
      int testImages,
      int[] image,
      List<SkippedImage> skipped,
      String checksum) {
    /** The description of data in reports. */
    public static Data of(TrainingData<?> data, DataIdentity identity) {
      Image first = data.test().sample(0).image();
      return new Data(
          data.name(),
          data.description(),
          data.classes(),
          data.train().size(),
          data.test().size(),
          LongStream.of(first.shape()).mapToInt(Math::toIntExact).toArray(),
          data.skipped(),
          identity.checksum());
    }
  }

  /**
   * The row of a module; {@code top1} has one value for each seed, in the order of {@code curves}.
   *
   * @param averages the same metrics as the scores, with the moving average of the weights; empty
   *     without {@code --ema}
   * @param averageDifference the difference between the averages of this row and those of the plain
   *     backbone; null where {@code difference} is
   */
  @JsonInclude(JsonInclude.Include.ALWAYS)
  public record Row(
      String module,
      long parameters,
      long macs,
      @JsonIgnore List<Score> scores,
      @JsonIgnore List<Score> averages,
      Difference difference,
      @JsonIgnore Difference averageDifference,
      double trainImagesPerSecond,
      double latencyMs,
      double latencyBatchMs,
      int latencyBatchSize,
      List<Curve> curves,
      long[][] confusion) {
    Row withDifferences(Difference ofScores, Difference ofAverages) {
      return new Row(
          module,
          parameters,
          macs,
          scores,
          averages,
          ofScores,
          ofAverages,
          trainImagesPerSecond,
          latencyMs,
          latencyBatchMs,
          latencyBatchSize,
          curves,
          confusion);
    }

    /** The same row without a test, because the seeds that did not diverge are no fair sample. */
    Row withoutTests(List<Long> diverged) {
      String seeds = diverged.stream().map(String::valueOf).collect(joining(", "));
      String why =
          "diverged with seed " + seeds + ", so the other seeds look better than the module is";
      return withDifferences(
          difference == null ? null : difference.untested(why),
          averageDifference == null ? null : averageDifference.untested(why));
    }

    /** The score that ranks the row. */
    Score score() {
      return scores.get(0);
    }

    /**
     * {@code top1}, {@code top1_mean}, {@code top1_std}, and the same for each metric of the task;
     * with a moving average of the weights also {@code ema_top1} and so on, and {@code
     * ema_difference}; for segmentation also {@code class_iou}, which is null for a class that
     * occurs nowhere.
     */
    @JsonAnyGetter
    Map<String, Object> figures() {
      Map<String, Object> figures = new LinkedHashMap<>();
      scores.forEach(score -> put(figures, score.metric().key(), score));
      averages.forEach(score -> put(figures, "ema_" + score.metric().key(), score));
      if (!averages.isEmpty()) {
        figures.put("ema_difference", averageDifference);
      }
      if (score().metric() == Metric.MIOU) {
        Evaluation all = new Evaluation(0, confusion);
        figures.put(
            "class_iou",
            IntStream.range(0, confusion.length)
                .mapToObj(label -> Double.isNaN(all.iou(label)) ? null : all.iou(label))
                .toList());
      }
      return figures;
    }

    private static void put(Map<String, Object> figures, String key, Score score) {
      figures.put(key, score.values());
      figures.put(key + "_mean", score.mean());
      figures.put(key + "_std", score.std());
    }
  }

  /**
   * A metric over the seeds.
   *
   * @param values one value for each seed
   * @param mean the mean of the values
   * @param std the standard deviation of the sample, or null with one seed
   */
  public record Score(Metric metric, List<Double> values, double mean, Double std) {
    static Score of(Metric metric, List<Study.Run> runs, ToDoubleFunction<Study.Run> value) {
      double[] values = runs.stream().mapToDouble(value).toArray();
      return new Score(
          metric,
          Arrays.stream(values).boxed().toList(),
          Arrays.stream(values).average().orElseThrow(),
          values.length < 2 ? null : deviation(values));
    }

    /** Formats the score in percent, followed by the standard deviation if there is one. */
    public String text() {
      return TextTable.percent(mean) + (std == null ? "" : " ± " + TextTable.percent(std));
    }
  }

  /** The results of the epochs of one seed. */
  record Curve(long seed, List<EpochResult> epochs) {}

  /**
   * The difference between the score and that of the plain backbone, paired by seed.
   *
   * @param mean the mean over the seeds that both have
   * @param low the lower end of its 95% interval by Student's t, null with one seed
   * @param high the upper end
   * @param p the probability of a difference of at least this size without an effect, by Student's t;
   *     null with one seed
   * @param adjustedP the same after Holm's correction for the number of modules that are compared
   * @param note why there is no interval
   */
  @JsonInclude(JsonInclude.Include.ALWAYS)
  public record Difference(
      double mean, Double low, Double high, Double p, Double adjustedP, String note) {
    static final String ONE_SEED = "with one seed, the noise between seeds is unknown";

    /** The difference as the only one that is compared. */
    static Difference of(double[] differences) {
      double mean = Arrays.stream(differences).average().orElseThrow();
      if (differences.length < 2) {
        return new Difference(mean, null, null, null, null, ONE_SEED);
      }
      TDistribution student = new TDistribution(differences.length - 1);
      double error = deviation(differences) / Math.sqrt(differences.length);
      double half = student.inverseCumulativeProbability((1 + CONFIDENCE) / 2) * error;
      double p =
          error > 0
              ? 2 * student.cumulativeProbability(-Math.abs(mean) / error)
              : mean == 0 ? 1 : 0;
      return new Difference(mean, mean - half, mean + half, p, p, null);
    }

    /** Whether a chance of 5 % or less remains, after the correction, that it is noise. */
    @JsonProperty("beyond_noise")
    public boolean beyondNoise() {
      return adjustedP != null && adjustedP <= Holm.LEVEL;
    }

    /** Whether its own interval excludes zero, which one in twenty does without an effect. */
    public boolean excludesZero() {
      return low != null && (low > 0 || high < 0);
    }

    /** Its interval in points, with a star if it is beyond the noise; empty if there is none. */
    public String interval() {
      return low == null
          ? ""
          : TextTable.points(low) + " to " + TextTable.points(high) + (beyondNoise() ? " *" : "  ");
    }

    /** The same without a test of it. */
    private Difference untested(String why) {
      return new Difference(mean, null, null, null, null, why);
    }

    private Difference adjusted(double probability) {
      return new Difference(mean, low, high, p, probability, note);
    }

    /** Corrects differences for their number; those that are null or without an interval stay. */
    static List<Difference> corrected(List<Difference> each) {
      double[] adjusted =
          Holm.adjusted(
              each.stream().filter(Difference::isTested).mapToDouble(Difference::p).toArray());
      List<Difference> corrected = new ArrayList<>();
      int tested = 0;
      for (Difference one : each) {
        corrected.add(isTested(one) ? one.adjusted(adjusted[tested++]) : one);
      }
      return corrected;
    }

    /** Whether there is a difference, and its noise is known. */
    public static boolean isTested(Difference one) {
      return one != null && one.p() != null;
    }
  }

  /** The number of modules whose difference to the plain backbone has a known noise. */
  public int comparisons() {
    return (int) rows.stream().map(Row::difference).filter(Difference::isTested).count();
  }

  /** Combines the finished runs. */
  public static Results of(Study study, String name, String command, List<PaperTable> tables) {
    LoadedTask<?, ?> loaded = study.task();
    TaskSetup<?, ?> setup = loaded.setup();
    Metric judge = setup.task().score();
    List<Study.Run> runs = study.finished();
    List<Study.Run> plain =
        runs.stream().filter(run -> run.module().equals(PlacedAttention.NONE)).toList();
    Map<String, List<Long>> diverged =
        study.diverged().stream()
            .collect(groupingBy(Study.Run::module, mapping(Study.Run::seed, toList())));
    List<Row> rows = new ArrayList<>();
    for (String module : study.variants()) {
      List<Study.Run> own = runs.stream().filter(run -> run.module().equals(module)).toList();
      if (!own.isEmpty()) {
        Row row = row(module, own, plain, setup.task());
        rows.add(diverged.containsKey(module) ? row.withoutTests(diverged.get(module)) : row);
      }
    }
    List<Difference> differences =
        Difference.corrected(rows.stream().map(Row::difference).toList());
    List<Difference> ofAverages =
        Difference.corrected(rows.stream().map(Row::averageDifference).toList());
    for (int i = 0; i < rows.size(); i++) {
      rows.set(i, rows.get(i).withDifferences(differences.get(i), ofAverages.get(i)));
    }
    // the order of a paper's rows is compared seed by seed, so a row must have all of them
    List<Row> fair = rows.stream().filter(row -> !diverged.containsKey(row.module())).toList();
    List<String> missing =
        study.missing().stream().map(key -> key.variant() + " seed " + key.seed()).toList();
    Study.Settings settings = study.settings();
    return new Results(
        FORMAT,
        now(),
        settings.task(),
        judge.key(),
        name,
        command,
        BuildInfo.version(),
        missing.isEmpty(),
        missing,
        study.diverged().stream()
            .map(run -> new Diverged(run.module(), run.seed(), run.diverged()))
            .toList(),
        Data.of(loaded.data(), settings.identity()),
        setup.network().backbone(),
        setup.network().width(),
        setup.training().epochs(),
        setup.training().batchSize(),
        study.seeds(),
        others(setup),
        settings.ofPrecision().toString(),
        study.sideBySide(),
        Machine.current(),
        rows,
        tables.stream().map(table -> table.outcome(fair)).toList(),
        null,
        null);
  }

  private static String now() {
    return Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
  }

  /**
   * The results of a search. The rows are those of its final, with the differences and intervals that
   * are corrected for the number of finalists.
   *
   * @param runs the trainings of the final
   * @param trainCommand the command that trains the recommended network; null before the final
   */
  public static Results of(
      SearchResult search,
      LoadedTask<?, ?> loaded,
      List<Study.Run> runs,
      Data data,
      String command,
      Precision precision,
      int sideBySide,
      String trainCommand) {
    TaskSetup<?, ?> setup = loaded.setup();
    List<Study.Run> plain =
        runs.stream().filter(run -> run.module().equals(PlacedAttention.NONE)).toList();
    List<Row> rows = new ArrayList<>();
    if (search.baseline() != null) {
      rows.add(row(PlacedAttention.NONE, plain, plain, setup.task()));
      for (SearchResult.Finalist finalist : search.finalists()) {
        List<Study.Run> own =
            runs.stream().filter(run -> run.module().equals(finalist.module())).toList();
        Row row = row(finalist.module(), own, plain, setup.task());
        boolean oneSeed = finalist.low() == null;
        Difference corrected =
            new Difference(
                finalist.difference(),
                finalist.low(),
                finalist.high(),
                oneSeed ? null : finalist.p(),
                oneSeed ? null : finalist.adjustedP(),
                oneSeed ? Difference.ONE_SEED : null);
        rows.add(row.withDifferences(corrected, row.averageDifference()));
      }
    }
    return new Results(
        SEARCH_FORMAT,
        now(),
        setup.task().toString(),
        setup.task().score().key(),
        "search",
        command,
        BuildInfo.version(),
        search.complete(),
        List.of(),
        List.of(),
        data,
        setup.network().backbone(),
        setup.network().width(),
        setup.training().epochs(),
        setup.training().batchSize(),
        search.baseline() == null ? List.of() : search.baseline().seeds(),
        others(setup),
        precision.toString(),
        sideBySide,
        Machine.current(),
        rows,
        List.of(),
        search,
        trainCommand);
  }

  /** The remaining settings as one flat level. */
  private static ObjectNode others(TaskSetup<?, ?> setup) {
    ObjectNode training = Json.tree(setup.training());
    training.remove(List.of("epochs", "batch_size", "seed"));
    training.setAll((ObjectNode) training.remove("extras"));
    ObjectNode network = Json.tree(setup.network());
    network.remove(
        List.of("backbone", "classes", "channels", "width", "frames", "attention", "head"));
    training.setAll(network);
    if (setup.initial() != null) {
      training.put("initial", setup.initial().toString());
    }
    return training;
  }

  private static Row row(
      String module, List<Study.Run> runs, List<Study.Run> plain, Task<?, ?> task) {
    Metric judge = task.score();
    boolean averaged = runs.stream().noneMatch(run -> Double.isNaN(run.average(judge)));
    return new Row(
        module,
        runs.get(0).parameters(),
        runs.get(0).macs(),
        task.metrics().stream()
            .map(metric -> Score.of(metric, runs, run -> metric.of(run.confusion())))
            .toList(),
        task.metrics().stream()
            .filter(metric -> averaged)
            .map(metric -> Score.of(metric, runs, run -> run.average(metric)))
            .toList(),
        difference(module, runs, plain, run -> judge.of(run.confusion())),
        averaged ? difference(module, runs, plain, run -> run.average(judge)) : null,
        median(
            runs,
            run -> {
              double[] speeds =
                  run.epochs().stream().mapToDouble(EpochResult::imagesPerSecond).toArray();
              return median(speeds);
            }),
        median(runs, Study.Run::latencyMs),
        median(runs, Study.Run::latencyBatchMs),
        task.latencyBatch(),
        runs.stream().map(run -> new Curve(run.seed(), run.epochs())).toList(),
        sum(runs));
  }

  /** The difference to the plain backbone, over the seeds that both have; null if there is none. */
  private static Difference difference(
      String module,
      List<Study.Run> runs,
      List<Study.Run> plain,
      ToDoubleFunction<Study.Run> figure) {
    Map<Long, Double> baseline = new TreeMap<>();
    plain.forEach(run -> baseline.put(run.seed(), figure.applyAsDouble(run)));
    double[] differences =
        runs.stream()
            .filter(run -> baseline.containsKey(run.seed()))
            .mapToDouble(run -> figure.applyAsDouble(run) - baseline.get(run.seed()))
            .toArray();
    return module.equals(PlacedAttention.NONE) || differences.length == 0
        ? null
        : Difference.of(differences);
  }

  private static long[][] sum(List<Study.Run> runs) {
    int classes = runs.get(0).confusion().length;
    long[][] sum = new long[classes][classes];
    for (Study.Run run : runs) {
      for (int row = 0; row < classes; row++) {
        for (int column = 0; column < classes; column++) {
          sum[row][column] += run.confusion()[row][column];
        }
      }
    }
    return sum;
  }

  private static double median(List<Study.Run> runs, ToDoubleFunction<Study.Run> figure) {
    return median(runs.stream().mapToDouble(figure).toArray());
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    int middle = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }

  /** The standard deviation of a sample, divided by n - 1. */
  static double deviation(double[] values) {
    double mean = Arrays.stream(values).average().orElseThrow();
    double squares = Arrays.stream(values).map(value -> (value - mean) * (value - mean)).sum();
    return Math.sqrt(squares / (values.length - 1));
  }
}
