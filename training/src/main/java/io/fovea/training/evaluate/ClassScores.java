package io.fovea.training.evaluate;

import java.util.Arrays;
import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/**
 * Precision, recall and F1 of each class, and their means, computed from a confusion matrix. Labels
 * are images, or pixels for segmentation.
 *
 * @param classes the scores of the classes, in the order of the labels
 * @param macro the unweighted mean over the classes that have labels
 * @param weighted the mean weighted by support
 */
public record ClassScores(List<Score> classes, Mean macro, Mean weighted) {
  /**
   * The scores of a class.
   *
   * @param name the name of the class
   * @param support the number of labels of the class
   * @param precision the share of correct ones among the labels predicted as the class; 0 if it was
   *     never predicted
   * @param recall the share of the class's labels that were predicted as it; 0 without any label
   * @param f1 the harmonic mean of precision and recall; 0 if both are 0
   * @param iou the intersection over union; NaN if the class neither occurs nor was predicted
   */
  public record Score(
      String name, long support, double precision, double recall, double f1, double iou) {}

  /** Means over classes. */
  public record Mean(double precision, double recall, double f1) {}

  /** Copies the list. */
  public ClassScores {
    classes = List.copyOf(classes);
  }

  /**
   * Computes the scores.
   *
   * @param names the names of the classes, in the order of the labels
   */
  public static ClassScores of(Evaluation evaluation, List<String> names) {
    List<Score> classes =
        IntStream.range(0, names.size())
            .mapToObj(label -> score(evaluation, names.get(label), label))
            .toList();
    double[] even = classes.stream().mapToDouble(score -> score.support() > 0 ? 1 : 0).toArray();
    double[] support = classes.stream().mapToDouble(Score::support).toArray();
    return new ClassScores(classes, mean(classes, even), mean(classes, support));
  }

  private static Score score(Evaluation evaluation, String name, int label) {
    long[][] confusion = evaluation.confusion();
    long support = evaluation.labels(label);
    long predicted = Arrays.stream(confusion).mapToLong(row -> row[label]).sum();
    long right = confusion[label][label];
    return new Score(
        name,
        support,
        share(right, predicted),
        share(right, support),
        share(2 * right, predicted + support),
        evaluation.iou(label));
  }

  private static double share(long part, long whole) {
    return whole == 0 ? 0 : (double) part / whole;
  }

  private static Mean mean(List<Score> classes, double[] weights) {
    return new Mean(
        mean(classes, weights, Score::precision),
        mean(classes, weights, Score::recall),
        mean(classes, weights, Score::f1));
  }

  private static double mean(List<Score> classes, double[] weights, ToDoubleFunction<Score> value) {
    double sum = 0;
    for (int i = 0; i < weights.length; i++) {
      sum += weights[i] * value.applyAsDouble(classes.get(i));
    }
    return sum / Arrays.stream(weights).sum();
  }

  /** The total number of labels. */
  public long support() {
    return classes.stream().flatMapToLong(score -> LongStream.of(score.support())).sum();
  }
}
