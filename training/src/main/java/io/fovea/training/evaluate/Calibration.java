package io.fovea.training.evaluate;

import java.util.ArrayList;
import java.util.List;

/**
 * How far the confidence of a network agrees with its accuracy, in bins of equal width (Guo and
 * others: <a href="https://arxiv.org/abs/1706.04599">On Calibration of Modern Neural Networks</a>,
 * section 2).
 *
 * @param error the expected calibration error (ECE): the mean over all samples of the difference
 *     between accuracy and mean confidence in their bin, 0 to 1
 * @param bins the bins from confidence 0 to 1, with empty ones
 */
public record Calibration(double error, List<Bin> bins) {
  /** The number of bins in the paper. */
  public static final int BINS = 15;

  /**
   * The samples whose confidence is above {@code from} and at most {@code to}.
   *
   * @param count the number of samples
   * @param confidence their mean confidence; 0 for an empty bin
   * @param accuracy the share of correct ones; 0 for an empty bin
   */
  public record Bin(double from, double to, long count, double confidence, double accuracy) {}

  /** Copies the list. */
  public Calibration {
    bins = List.copyOf(bins);
  }

  /**
   * Computes the calibration of predictions.
   *
   * @param results the results of the samples, at least one
   */
  public static Calibration of(List<ClassResult> results) {
    long[] counts = new long[BINS];
    double[] confidences = new double[BINS];
    long[] correct = new long[BINS];
    for (ClassResult result : results) {
      int bin = Math.max(0, (int) Math.ceil(result.confidence() * BINS) - 1);
      bin = Math.min(BINS - 1, bin);
      counts[bin]++;
      confidences[bin] += result.confidence();
      correct[bin] += result.correct() ? 1 : 0;
    }
    double error = 0;
    List<Bin> bins = new ArrayList<>();
    for (int i = 0; i < BINS; i++) {
      double from = (double) i / BINS;
      double to = (i + 1.0) / BINS;
      if (counts[i] == 0) {
        bins.add(new Bin(from, to, 0, 0, 0));
        continue;
      }
      double confidence = confidences[i] / counts[i];
      double accuracy = (double) correct[i] / counts[i];
      bins.add(new Bin(from, to, counts[i], confidence, accuracy));
      error += counts[i] * Math.abs(accuracy - confidence) / results.size();
    }
    return new Calibration(error, bins);
  }
}
