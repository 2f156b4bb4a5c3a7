package io.fovea.training.evaluate;

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
 */
public record ClassResult(
    int index, int label, int predicted, double confidence, double probability, int rank)
    implements SampleResult {

  /**
   * Creates the result from the probabilities of all classes.
   *
   * @param probabilities {@code [classes]}
   */
  public static ClassResult of(int index, int label, int predicted, float[] probabilities) {
    int rank = 1;
    for (int other = 0; other < probabilities.length; other++) {
      if (probabilities[other] > probabilities[label]
          || (probabilities[other] == probabilities[label] && other < label)) {
        rank++;
      }
    }
    return new ClassResult(
        index, label, predicted, probabilities[predicted], probabilities[label], rank);
  }

  /** Whether the predicted class is the true one. */
  public boolean correct() {
    return predicted == label;
  }
}
