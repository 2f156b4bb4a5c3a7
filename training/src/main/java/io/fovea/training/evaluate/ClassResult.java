package io.fovea.training.evaluate;

import java.util.Arrays;
import java.util.List;

/**
 * The result of an image or a clip in an evaluation.
 *
 * @param index the index of the sample in its data set
 * @param label the true class
 * @param predicted the class with the highest score
 * @param confidence the probability of the predicted class, 0 to 1
 * @param probability the probability of the true class, 0 to 1
 * @param rank the place of the true class among all classes by probability, 1 for the most probable;
 *     classes with equal probabilities come in the order of their labels
 * @param viewRanks the place of the true class in each view by itself: in each clip and crop of a
 *     video, whose probabilities the other numbers average; for an image its only view
 */
public record ClassResult(
    int index,
    int label,
    int predicted,
    double confidence,
    double probability,
    int rank,
    List<Integer> viewRanks)
    implements SampleResult {
  /** Copies the list. */
  public ClassResult {
    viewRanks = List.copyOf(viewRanks);
  }

  /** Creates the result of a sample with one view. */
  public ClassResult(
      int index, int label, int predicted, double confidence, double probability, int rank) {
    this(index, label, predicted, confidence, probability, rank, List.of(rank));
  }

  /**
   * Creates the result from the probabilities of all classes.
   *
   * @param probabilities {@code [classes]}
   */
  public static ClassResult of(int index, int label, int predicted, float[] probabilities) {
    return new ClassResult(
        index,
        label,
        predicted,
        probabilities[predicted],
        probabilities[label],
        rank(label, probabilities));
  }

  /** Returns this result with the probabilities of each of its views, {@code [views][classes]}. */
  public ClassResult withViews(float[][] probabilities) {
    return new ClassResult(
        index,
        label,
        predicted,
        confidence,
        probability,
        rank,
        Arrays.stream(probabilities).map(view -> rank(label, view)).toList());
  }

  private static int rank(int label, float[] probabilities) {
    int rank = 1;
    for (int other = 0; other < probabilities.length; other++) {
      if (probabilities[other] > probabilities[label]
          || (probabilities[other] == probabilities[label] && other < label)) {
        rank++;
      }
    }
    return rank;
  }

  @Override
  public double score() {
    return correct() ? 1 : 0;
  }

  /** Whether the predicted class is the true one. */
  public boolean correct() {
    return predicted == label;
  }
}
