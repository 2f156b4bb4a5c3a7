package io.fovea.training.evaluate;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A class with its probability.
 *
 * @param label the index of the class
 * @param name the name of the class
 * @param probability the softmax of the scores, or the share of the pixels, from 0 to 1
 * @param score the score before the softmax; NaN where there is none, for the mean over the parts of
 *     a video and for pixels
 */
public record Prediction(int label, String name, double probability, double score) {
  /** Creates a prediction without a score. */
  public Prediction(int label, String name, double probability) {
    this(label, name, probability, Double.NaN);
  }

  /**
   * Combines names and probabilities.
   *
   * @param classes the names, in the order of the probabilities
   * @return all classes, the most probable first
   */
  public static List<Prediction> ranked(List<String> classes, double[] probabilities) {
    double[] none = new double[probabilities.length];
    Arrays.fill(none, Double.NaN);
    return ranked(classes, probabilities, none);
  }

  /**
   * Combines names, probabilities and scores.
   *
   * @param classes the names, in the order of the probabilities
   * @param scores the scores before the softmax
   * @return all classes, the most probable first
   */
  public static List<Prediction> ranked(
      List<String> classes, double[] probabilities, double[] scores) {
    return IntStream.range(0, probabilities.length)
        .mapToObj(i -> new Prediction(i, classes.get(i), probabilities[i], scores[i]))
        .sorted(Comparator.comparingDouble(Prediction::probability).reversed())
        .toList();
  }
}
