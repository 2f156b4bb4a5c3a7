package io.fovea.training.evaluate;

import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A class with its probability.
 *
 * @param label the index of the class
 * @param name the name of the class
 * @param probability the softmax of the scores, or the share of the pixels, from 0 to 1
 */
public record Prediction(int label, String name, double probability) {
  /**
   * Combines names and probabilities.
   *
   * @param classes the names, in the order of the probabilities
   * @return all classes, the most probable first
   */
  public static List<Prediction> ranked(List<String> classes, double[] probabilities) {
    return IntStream.range(0, probabilities.length)
        .mapToObj(i -> new Prediction(i, classes.get(i), probabilities[i]))
        .sorted(Comparator.comparingDouble(Prediction::probability).reversed())
        .toList();
  }
}
