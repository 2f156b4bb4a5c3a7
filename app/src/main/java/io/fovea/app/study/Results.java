package io.fovea.app.study;

import com.fasterxml.jackson.annotation.JsonAnyGetter;
import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.app.console.BuildInfo;
import io.fovea.app.console.TextTable;
import io.fovea.data.Image;
import io.fovea.data.SkippedImage;
import io.fovea.data.TrainingData;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.training.EpochResult;
import io.fovea.training.Task;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.evaluate.Metric;
import io.fovea.training.run.Json;
import io.fovea.training.run.Machine;
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
 * What a study came to: {@code results.json}, described in docs/compare.md.
 *
 * @param format names this layout
 * @param created when, UTC
 * @param task what the networks were trained to do
 * @param score what they are judged by: the key of a metric
 * @param study {@code compare}, or {@code ablate} and a mechanism
 * @param command what was typed
 * @param fovea the version
 * @param complete whether all runs are done
 * @param missing the runs that are not
 * @param data what it was trained and tested on
 * @param backbone the network
 * @param width what its channels are multiplied by
 * @param epochs of each run
 * @param batchSize of the training
 * @param seeds of the runs
 * @param training all other settings of network and training
 * @param precision what convolutions computed in
 * @param sideBySide how many runs were trained at once, each on its share of the threads
 * @param machine where it ran
 * @param rows a row for each module
 * @param tables those of the mechanism's paper with ours beside them; none in a comparison
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
    List<PaperTable.Outcome> tables) {
  private static final String FORMAT = "fovea-study/1";
  private static final double CONFIDENCE = 0.95;

  /** The data set. */
  public record Data(
      String name,
      String description,
      List<String> classes,
      int trainImages,
      int testImages,
      int[] image,
      List<SkippedImage> skipped) {
    /** What is reported of some data. */
    public static Data of(TrainingData<?> data) {
      Image first = data.test().sample(0).image();
      return new Data(
          data.name(),
          data.description(),
          data.classes(),
          data.train().size(),
          data.test().size(),
          LongStream.of(first.shape()).mapToInt(Math::toIntExact).toArray(),
          data.skipped());
    }
  }

  /** A module's row; {@code top1} by seed, in the order of {@code curves}. */
  @JsonInclude(JsonInclude.Include.ALWAYS)
  public record Row(
      String module,
      long parameters,
      long macs,
      @JsonIgnore List<Score> scores,
      Difference difference,
      double trainImagesPerSecond,
      double latencyMs,
      double latencyBatchMs,
      int latencyBatchSize,
      List<Curve> curves,
      long[][] confusion) {
    /** What it is judged by. */
    Score score() {
      return scores.get(0);
    }

    /**
     * {@code top1}, {@code top1_mean}, {@code top1_std}, and so on for each metric of the task; of
     * segmentation also {@code class_iou}, null for a class that is nowhere.
     */
    @JsonAnyGetter
    Map<String, Object> figures() {
      Map<String, Object> figures = new LinkedHashMap<>();
      for (Score score : scores) {
        String key = score.metric().key();
        figures.put(key, score.values());
        figures.put(key + "_mean", score.mean());
        figures.put(key + "_std", score.std());
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
  }

  /**
   * A metric over the seeds.
   *
   * @param values by seed
   * @param mean of them
   * @param std of a sample, null with one seed
   */
  public record Score(Metric metric, List<Double> values, double mean, Double std) {
    static Score of(Metric metric, List<Study.Run> runs) {
      double[] values = runs.stream().mapToDouble(run -> metric.of(run.confusion())).toArray();
      return new Score(
          metric,
          Arrays.stream(values).boxed().toList(),
          Arrays.stream(values).average().orElseThrow(),
          values.length < 2 ? null : deviation(values));
    }

    /** In percent, with the deviation behind it if there is one. */
    public String text() {
      return TextTable.percent(mean) + (std == null ? "" : " ± " + TextTable.percent(std));
    }
  }

  /** The epochs of one seed. */
  record Curve(long seed, List<EpochResult> epochs) {}

  /**
   * The score less that of the plain backbone, paired by seed.
   *
   * @param mean over the seeds that both have
   * @param low the lower end of its 95% interval by Student's t, null with one seed
   * @param high the upper end
   * @param beyondNoise whether the interval leaves out zero
   * @param note what keeps it from being known
   */
  @JsonInclude(JsonInclude.Include.ALWAYS)
  public record Difference(double mean, Double low, Double high, boolean beyondNoise, String note) {
    static Difference of(double[] differences) {
      double mean = Arrays.stream(differences).average().orElseThrow();
      if (differences.length < 2) {
        return new Difference(
            mean, null, null, false, "one seed: the noise between seeds is not known");
      }
      double half =
          new TDistribution(differences.length - 1)
                  .inverseCumulativeProbability((1 + CONFIDENCE) / 2)
              * deviation(differences)
              / Math.sqrt(differences.length);
      return new Difference(
          mean, mean - half, mean + half, mean - half > 0 || mean + half < 0, null);
    }
  }

  /** Puts the finished runs together. */
  public static Results of(Study study, String name, String command, List<PaperTable> tables) {
    LoadedTask<?, ?> loaded = study.task();
    TaskSetup<?, ?> setup = loaded.setup();
    Metric judge = setup.task().score();
    List<Study.Run> runs = study.finished();
    Map<Long, Double> baseline = new TreeMap<>();
    runs.stream()
        .filter(run -> run.module().equals(PlacedAttention.NONE))
        .forEach(run -> baseline.put(run.seed(), judge.of(run.confusion())));
    List<Row> rows = new ArrayList<>();
    for (String module : study.variants()) {
      List<Study.Run> own = runs.stream().filter(run -> run.module().equals(module)).toList();
      if (!own.isEmpty()) {
        rows.add(row(module, own, baseline, setup.task()));
      }
    }
    Study.Settings settings = study.settings();
    List<String> missing =
        study.missing().stream().map(key -> key.variant() + " seed " + key.seed()).toList();
    return new Results(
        FORMAT,
        Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
        settings.task(),
        judge.key(),
        name,
        command,
        BuildInfo.version(),
        missing.isEmpty(),
        missing,
        Data.of(loaded.data()),
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
        tables.stream().map(table -> table.outcome(rows)).toList());
  }

  /** The settings that do not stand beside them already, in one level. */
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
      String module, List<Study.Run> runs, Map<Long, Double> baseline, Task<?, ?> task) {
    Metric judge = task.score();
    double[] differences =
        runs.stream()
            .filter(run -> baseline.containsKey(run.seed()))
            .mapToDouble(run -> judge.of(run.confusion()) - baseline.get(run.seed()))
            .toArray();
    return new Row(
        module,
        runs.get(0).parameters(),
        runs.get(0).macs(),
        task.metrics().stream().map(metric -> Score.of(metric, runs)).toList(),
        module.equals(PlacedAttention.NONE) || differences.length == 0
            ? null
            : Difference.of(differences),
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

  /** The sample's standard deviation, divided by n - 1. */
  static double deviation(double[] values) {
    double mean = Arrays.stream(values).average().orElseThrow();
    double squares = Arrays.stream(values).map(value -> (value - mean) * (value - mean)).sum();
    return Math.sqrt(squares / (values.length - 1));
  }
}
