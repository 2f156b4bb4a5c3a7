package io.fovea.training.search;

import java.util.Arrays;
import org.hipparchus.distribution.continuous.TDistribution;

/**
 * The mean difference between two networks' scores, paired by seed and by image, and its noise. Both
 * the seeds and the images are a sample: with other seeds, and on other images, the difference would
 * be another one. The variance of the mean is the sum of that between seeds, divided by their number,
 * and that between images, divided by their number. This counts the interaction of both twice, so it
 * is never too small on average (A. Owen, The pigeonhole bootstrap, arXiv 0712.1111, section 3). The
 * degrees of freedom follow from both by Satterthwaite's formula.
 *
 * @param seeds the number of seeds
 * @param images the number of images
 * @param mean the mean difference
 * @param ofSeeds the variance of the mean because of the seeds; NaN with one seed
 * @param ofImages the variance of the mean because of the images; NaN with one image
 */
public record PairedDifference(
    int seeds, int images, double mean, double ofSeeds, double ofImages) {
  /** The share of real differences of the {@link #detectable} size that are found. */
  public static final double POWER = 0.8;

  /** An interval of a difference. */
  public record Interval(double low, double high) {}

  /**
   * The difference of two networks.
   *
   * @param one the scores of one, {@code [seeds][images]}, from 0 to 1
   * @param other the scores of the other, with the same seeds and images
   * @throws IllegalArgumentException if there are none, or the numbers differ
   */
  public static PairedDifference of(double[][] one, double[][] other) {
    if (one.length == 0 || one.length != other.length || one[0].length == 0) {
      throw new IllegalArgumentException(
          "expected the same seeds for both networks, got " + one.length + " and " + other.length);
    }
    int seeds = one.length;
    int images = one[0].length;
    double[] bySeed = new double[seeds];
    double[] byImage = new double[images];
    for (int seed = 0; seed < seeds; seed++) {
      if (one[seed].length != images || other[seed].length != images) {
        throw new IllegalArgumentException("expected the same images for all networks");
      }
      for (int image = 0; image < images; image++) {
        double difference = one[seed][image] - other[seed][image];
        bySeed[seed] += difference / images;
        byImage[image] += difference / seeds;
      }
    }
    return new PairedDifference(
        seeds,
        images,
        Arrays.stream(bySeed).average().orElseThrow(),
        varianceOfMean(bySeed),
        varianceOfMean(byImage));
  }

  private static double varianceOfMean(double[] values) {
    double mean = Arrays.stream(values).average().orElseThrow();
    double squares = Arrays.stream(values).map(value -> (value - mean) * (value - mean)).sum();
    return squares / (values.length - 1.0) / values.length;
  }

  /** Whether its noise is known, for which it needs two seeds and two images. */
  public boolean isNoiseKnown() {
    return seeds > 1 && images > 1;
  }

  /** The standard error of the mean; NaN if the noise is unknown. */
  public double standardError() {
    return isNoiseKnown() ? Math.sqrt(ofSeeds + ofImages) : Double.NaN;
  }

  /** The degrees of freedom of the standard error, at least those of the seeds. */
  public double degreesOfFreedom() {
    double sum = ofSeeds + ofImages;
    return sum == 0
        ? seeds - 1
        : sum * sum / (ofSeeds * ofSeeds / (seeds - 1) + ofImages * ofImages / (images - 1));
  }

  /**
   * The probability of a difference of at least this size, in either direction, between networks that
   * do not differ, by Student's t.
   *
   * @return 1 if the noise is unknown
   */
  public double p() {
    if (!isNoiseKnown() || mean == 0) {
      return 1;
    }
    double error = standardError();
    return error == 0
        ? 0
        : 2 * new TDistribution(degreesOfFreedom()).cumulativeProbability(-Math.abs(mean) / error);
  }

  /**
   * The confidence interval by Student's t. With {@code level = 1 - 0.05 / n}, all intervals of
   * {@code n} differences hold together in 95 of 100 cases (Bonferroni).
   *
   * @param level the confidence, such as 0.95
   * @return null if the noise is unknown
   */
  public Interval interval(double level) {
    if (!isNoiseKnown()) {
      return null;
    }
    double half = quantile((1 + level) / 2, degreesOfFreedom()) * standardError();
    return new Interval(mean - half, mean + half);
  }

  /**
   * The confidence interval of the difference between these very trainings on other images. It knows
   * nothing of the noise between trainings.
   *
   * @return null with one image
   */
  public Interval onOtherImages(double level) {
    if (images < 2) {
      return null;
    }
    double half = quantile((1 + level) / 2, images - 1) * Math.sqrt(ofImages);
    return new Interval(mean - half, mean + half);
  }

  /**
   * The difference that as many seeds as given would find in 8 of 10 cases, as the first step of
   * Holm's test.
   *
   * @param otherSeeds the number of seeds, at least 2
   * @param tests the number of tests
   * @param level the chance of a false discovery, such as 0.05
   * @return the size of the difference; NaN if the noise is unknown
   */
  public double detectable(int otherSeeds, int tests, double level) {
    if (!isNoiseKnown()) {
      return Double.NaN;
    }
    PairedDifference then =
        new PairedDifference(otherSeeds, images, mean, ofSeeds * seeds / otherSeeds, ofImages);
    double freedom = then.degreesOfFreedom();
    return (quantile(1 - level / (2 * tests), freedom) + quantile(POWER, freedom))
        * then.standardError();
  }

  static double quantile(double p, double degreesOfFreedom) {
    return new TDistribution(degreesOfFreedom).inverseCumulativeProbability(p);
  }
}
