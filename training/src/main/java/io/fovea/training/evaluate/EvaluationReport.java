package io.fovea.training.evaluate;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Everything that an evaluation found: the scores of the classes, the confusion matrix, and for
 * classes of images the share of the first five, the calibration and the results of the images.
 *
 * @param samples the number of evaluated samples
 * @param loss the mean cross entropy
 * @param top1 the share of labels that had the highest score; for pixels, the pixel accuracy
 * @param top5 the share of samples whose class is among the five most probable ones; null for
 *     pixels, and for at most five classes
 * @param miou the mean intersection over union, for pixels; null otherwise
 * @param dice the mean Dice coefficient, for pixels; null otherwise
 * @param frequencyWeightedIou the intersection over union, weighted by the classes' shares of the
 *     pixels, for pixels; null otherwise
 * @param boundaryF1 the mean of {@code classBoundaryF1} over the classes that have it, for pixels; null
 *     otherwise
 * @param classBoundaryF1 {@link BoundaryF1} of each class, averaged over the images that have it, for
 *     pixels; NaN for a class that has it in no image; null otherwise
 * @param views the scores of single clips and crops, whose probabilities are averaged for a sample;
 *     null if every sample is one
 * @param scores the scores of the classes
 * @param confusion the confusion matrix: rows are true classes, columns are predicted classes
 * @param calibration the calibration; null for pixels
 * @param results the results of the samples, in the order of the samples
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record EvaluationReport(
    int samples,
    double loss,
    double top1,
    Double top5,
    Double miou,
    Double dice,
    Double frequencyWeightedIou,
    Double boundaryF1,
    List<Double> classBoundaryF1,
    Views views,
    ClassScores scores,
    long[][] confusion,
    Calibration calibration,
    @JsonIgnore List<SampleResult> results) {
  private static final int FIRST = 5;

  /**
   * The scores of views by themselves.
   *
   * @param count the number of views of all samples
   * @param top1 the share of views whose class had the highest probability
   * @param top5 the share of views whose class is among the five most probable ones; null for at most
   *     five classes
   */
  @JsonInclude(JsonInclude.Include.NON_NULL)
  public record Views(long count, double top1, Double top5) {}

  /** Copies the list. */
  public EvaluationReport {
    results = List.copyOf(results);
  }

  /**
   * Computes the report of an evaluation.
   *
   * @param classes the names of the classes
   * @param results the results of all samples
   */
  public static EvaluationReport of(
      Evaluation evaluation, List<String> classes, List<SampleResult> results) {
    List<ClassResult> named = classResults(results);
    boolean pixels = named.isEmpty();
    List<Double> boundaries = pixels ? boundaries(results, classes.size()) : null;
    return new EvaluationReport(
        results.size(),
        evaluation.loss(),
        evaluation.top1(),
        pixels || classes.size() <= FIRST ? null : top(named, FIRST),
        pixels ? evaluation.miou() : null,
        pixels ? evaluation.dice() : null,
        pixels ? evaluation.frequencyWeightedIou() : null,
        pixels ? mean(boundaries) : null,
        boundaries,
        views(named, classes.size()),
        ClassScores.of(evaluation, classes),
        evaluation.confusion(),
        pixels ? null : Calibration.of(named),
        results);
  }

  private static List<Double> boundaries(List<SampleResult> results, int classes) {
    List<Double> means = new ArrayList<>();
    for (int label = 0; label < classes; label++) {
      List<Double> values = new ArrayList<>();
      for (SampleResult result : results) {
        if (result instanceof PixelResult one) {
          values.add(one.boundaryF1()[label]);
        }
      }
      means.add(mean(values));
    }
    return means;
  }

  /** The mean of the finite values; NaN if there are none. */
  private static double mean(List<Double> values) {
    return values.stream()
        .mapToDouble(value -> value)
        .filter(Double::isFinite)
        .average()
        .orElse(Double.NaN);
  }

  private static Views views(List<ClassResult> results, int classes) {
    List<Integer> ranks = results.stream().flatMap(one -> one.viewRanks().stream()).toList();
    return ranks.size() == results.size()
        ? null
        : new Views(ranks.size(), within(ranks, 1), classes <= FIRST ? null : within(ranks, FIRST));
  }

  private static double within(List<Integer> ranks, int first) {
    return (double) ranks.stream().filter(rank -> rank <= first).count() / ranks.size();
  }

  private static List<ClassResult> classResults(List<SampleResult> results) {
    List<ClassResult> named = new ArrayList<>();
    for (SampleResult result : results) {
      if (result instanceof ClassResult one) {
        named.add(one);
      }
    }
    return named;
  }

  private static double top(List<ClassResult> results, int count) {
    return (double) results.stream().filter(result -> result.rank() <= count).count()
        / results.size();
  }

  /**
   * The wrong predictions with the highest confidences, these first.
   *
   * @param count the largest number of them
   */
  public static List<ClassResult> mistakes(List<ClassResult> results, int count) {
    return results.stream()
        .filter(result -> !result.correct())
        .sorted(Comparator.comparingDouble(ClassResult::confidence).reversed())
        .limit(count)
        .toList();
  }

  /**
   * The samples with the worst results: wrong classes by the confidence with which they were
   * predicted, or images by the smallest mIoU.
   *
   * @param count the largest number of samples
   */
  public List<SampleResult> worst(int count) {
    List<ClassResult> named = classResults(results);
    if (!named.isEmpty()) {
      return List.copyOf(mistakes(named, count));
    }
    List<PixelResult> pixels = new ArrayList<>();
    for (SampleResult result : results) {
      if (result instanceof PixelResult one && !Double.isNaN(one.miou())) {
        pixels.add(one);
      }
    }
    pixels.sort(Comparator.comparingDouble(PixelResult::miou));
    return pixels.stream().limit(count).map(SampleResult.class::cast).toList();
  }
}
