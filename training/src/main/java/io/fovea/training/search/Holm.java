package io.fovea.training.search;

import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Holm's correction for several tests (S. Holm, A simple sequentially rejective multiple test
 * procedure, 1979). The chance of one or more false discoveries is at most the level, however the
 * tests depend on each other. That is why it is used here: all finalists are compared with the same
 * trainings without attention. A permutation test (max-t) would be sharper with many seeds, but
 * three seeds have eight sign patterns, so its smallest p-value would be 1/4; and to permute images
 * alone would take the luck of single trainings for an effect.
 */
public final class Holm {
  /** The chance of one or more false discoveries that a search takes. */
  public static final double LEVEL = 0.05;

  private Holm() {}

  /**
   * The adjusted p-values: those of at most the level are discoveries.
   *
   * @param p the p-values of the tests, each from 0 to 1
   * @return the adjusted p-values in the same order
   */
  public static double[] adjusted(double... p) {
    List<Integer> order =
        IntStream.range(0, p.length).boxed().sorted(Comparator.comparingDouble(i -> p[i])).toList();
    double[] adjusted = new double[p.length];
    double largest = 0;
    for (int rank = 0; rank < p.length; rank++) {
      int test = order.get(rank);
      largest = Math.max(largest, Math.min(1, (p.length - rank) * p[test]));
      adjusted[test] = largest;
    }
    return adjusted;
  }
}
