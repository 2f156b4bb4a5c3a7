package io.fovea.app;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.fovea.models.PlacedAttention;
import io.fovea.training.EpochMetrics;
import io.fovea.training.ImageData;
import io.fovea.training.Machine;
import io.fovea.training.SkippedImage;
import io.fovea.training.TrainingSpec;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;
import org.hipparchus.distribution.continuous.TDistribution;

/**
 * What a study came to: {@code results.json}, described in docs/compare.md.
 *
 * @param format names this layout
 * @param created when, UTC
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
 * @param training all settings
 * @param sideBySide how many runs were trained at once, each on its share of the threads
 * @param machine where it ran
 * @param rows a row for each module
 * @param tables those of the mechanism's paper with ours beside them; none in a comparison
 */
@JsonInclude(JsonInclude.Include.ALWAYS)
record Results(
    String format,
    String created,
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
    TrainingSpec training,
    int sideBySide,
    Machine machine,
    List<Row> rows,
    List<PaperTable.Outcome> tables) {
  private static final String FORMAT = "fovea-study/1";
  private static final double CONFIDENCE = 0.95;

  /** The data set. */
  record Data(
      String name,
      String description,
      List<String> classes,
      int trainImages,
      int testImages,
      int[] image,
      List<SkippedImage> skipped) {
    static Data of(ImageData data) {
      return new Data(
          data.name(),
          data.description(),
          data.train().classes(),
          data.train().size(),
          data.test().size(),
          new int[] {data.train().channels(), data.train().height(), data.train().width()},
          data.skipped());
    }
  }

  /** A module's row; {@code top1} by seed, in the order of {@code curves}. */
  @JsonInclude(JsonInclude.Include.ALWAYS)
  record Row(
      String module,
      long parameters,
      long macs,
      List<Double> top1,
      double top1Mean,
      Double top1Std,
      Difference difference,
      double trainImagesPerSecond,
      double latencyMs,
      double latencyBatchMs,
      int latencyBatchSize,
      List<Curve> curves,
      int[][] confusion) {}

  /** The epochs of one seed. */
  record Curve(long seed, List<EpochMetrics> epochs) {}

  /**
   * Top-1 less that of the plain backbone, paired by seed.
   *
   * @param mean over the seeds that both have
   * @param low the lower end of its 95% interval by Student's t, null with one seed
   * @param high the upper end
   * @param beyondNoise whether the interval leaves out zero
   * @param note what keeps it from being known
   */
  @JsonInclude(JsonInclude.Include.ALWAYS)
  record Difference(double mean, Double low, Double high, boolean beyondNoise, String note) {
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
  static Results of(
      Study study, String name, String command, ImageData data, List<PaperTable> tables) {
    List<Study.Run> runs = study.finished();
    Map<Long, Double> baseline = new TreeMap<>();
    runs.stream()
        .filter(run -> run.module().equals(PlacedAttention.NONE))
        .forEach(run -> baseline.put(run.seed(), run.top1()));
    List<Row> rows = new ArrayList<>();
    for (String module : study.variants().keySet()) {
      List<Study.Run> own = runs.stream().filter(run -> run.module().equals(module)).toList();
      if (!own.isEmpty()) {
        rows.add(row(module, own, baseline));
      }
    }
    Study.Settings settings = study.settings();
    List<String> missing =
        study.missing().stream().map(key -> key.variant() + " seed " + key.seed()).toList();
    return new Results(
        FORMAT,
        Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
        name,
        command,
        Fovea.version(),
        missing.isEmpty(),
        missing,
        Data.of(data),
        settings.backbone(),
        settings.width(),
        settings.training().epochs(),
        settings.training().batchSize(),
        study.seeds(),
        settings.training(),
        study.sideBySide(),
        Machine.current(),
        rows,
        tables.stream().map(table -> table.outcome(rows)).toList());
  }

  private static Row row(String module, List<Study.Run> runs, Map<Long, Double> baseline) {
    double[] top1 = runs.stream().mapToDouble(Study.Run::top1).toArray();
    double[] differences =
        runs.stream()
            .filter(run -> baseline.containsKey(run.seed()))
            .mapToDouble(run -> run.top1() - baseline.get(run.seed()))
            .toArray();
    return new Row(
        module,
        runs.get(0).parameters(),
        runs.get(0).macs(),
        Arrays.stream(top1).boxed().toList(),
        Arrays.stream(top1).average().orElseThrow(),
        top1.length < 2 ? null : deviation(top1),
        module.equals(PlacedAttention.NONE) || differences.length == 0
            ? null
            : Difference.of(differences),
        median(
            runs,
            run -> {
              double[] speeds =
                  run.epochs().stream().mapToDouble(EpochMetrics::imagesPerSecond).toArray();
              return median(speeds);
            }),
        median(runs, Study.Run::latencyMs),
        median(runs, Study.Run::latencyBatchMs),
        Latency.BATCH,
        runs.stream().map(run -> new Curve(run.seed(), run.epochs())).toList(),
        sum(runs));
  }

  private static int[][] sum(List<Study.Run> runs) {
    int classes = runs.get(0).confusion().length;
    int[][] sum = new int[classes][classes];
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
