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
    ClassScores scores,
    long[][] confusion,
    Calibration calibration,
    @JsonIgnore List<SampleResult> results) {
  private static final int FIRST = 5;

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
    return new EvaluationReport(
        results.size(),
        evaluation.loss(),
        evaluation.top1(),
        pixels || classes.size() <= FIRST ? null : top(named, FIRST),
        pixels ? evaluation.miou() : null,
        ClassScores.of(evaluation, classes),
        evaluation.confusion(),
        pixels ? null : Calibration.of(named),
        results);
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
   * The samples with the worst results: wrong classes by the confidence with which they were
   * predicted, or images by the smallest mIoU.
   *
   * @param count the largest number of samples
   */
  public List<SampleResult> worst(int count) {
    List<ClassResult> named = classResults(results);
    if (!named.isEmpty()) {
      return named.stream()
          .filter(result -> !result.correct())
          .sorted(Comparator.comparingDouble(ClassResult::confidence).reversed())
          .limit(count)
          .map(SampleResult.class::cast)
          .toList();
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
