package io.fovea.training.search;

import static io.fovea.errors.SpecException.check;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * How a search goes.
 *
 * @param budget how long it may take
 * @param eta of the candidates that reach a rung, one of {@code eta} goes on for certain; the epochs
 *     of a rung are those of the one below times {@code eta}
 * @param minEpochs the epochs of the lowest rung are at least these
 * @param finalists the largest number of candidates that are compared on the test images
 * @param validation the share of the training images on which the race looks
 * @param seed the seed of the validation part, of the order in which candidates start, and of all
 *     trainings of the race; the final has the seeds after it
 * @param limits what a candidate may cost
 */
public record SearchSpec(
    Budget budget,
    int eta,
    int minEpochs,
    int finalists,
    double validation,
    long seed,
    Limits limits) {
  /** One of three goes on, at most three finalists, a fifth of the training images for validation. */
  public static final SearchSpec DEFAULT =
      new SearchSpec(Budget.parse("30m"), 3, 1, 3, 0.2, 1, Limits.NONE);

  private static final double LARGEST_VALIDATION = 0.5;

  /**
   * What a candidate may cost; 0 for anything.
   *
   * @param parameters the largest number of trained values
   * @param macs the largest number of multiply-accumulates for one image
   * @param latencyMs the longest time for one image on this machine, in milliseconds
   */
  public record Limits(double parameters, double macs, double latencyMs) {
    /** Anything. */
    public static final Limits NONE = new Limits(0, 0, 0);
  }

  /**
   * Checks the ranges.
   *
   * @throws io.fovea.errors.SpecException if a value is out of range
   */
  public SearchSpec {
    check(eta >= 2, "eta must be at least 2, got " + eta);
    check(minEpochs >= 1, "the epochs of the lowest rung must be at least 1, got " + minEpochs);
    check(finalists >= 1, "the number of finalists must be at least 1, got " + finalists);
    check(
        validation > 0 && validation <= LARGEST_VALIDATION,
        "the validation part must be above 0 and at most 0.5, got " + validation);
  }

  /** Returns the same with another budget. */
  public SearchSpec withBudget(Budget other) {
    return new SearchSpec(other, eta, minEpochs, finalists, validation, seed, limits);
  }

  /** Returns the same with another seed. */
  public SearchSpec withSeed(long other) {
    return new SearchSpec(budget, eta, minEpochs, finalists, validation, other, limits);
  }

  /** Returns the same with other limits. */
  public SearchSpec withLimits(Limits other) {
    return new SearchSpec(budget, eta, minEpochs, finalists, validation, seed, other);
  }

  /** Returns the same with another number of finalists. */
  public SearchSpec withFinalists(int other) {
    return new SearchSpec(budget, eta, minEpochs, other, validation, seed, limits);
  }

  /** Returns the same with other rungs. */
  public SearchSpec withRungs(int otherEta, int otherMinEpochs) {
    return new SearchSpec(budget, otherEta, otherMinEpochs, finalists, validation, seed, limits);
  }

  /**
   * The rungs: the number of epochs after which trainings are compared.
   *
   * @param maxEpochs the epochs of a whole training, which are the highest rung
   * @return at least one number, in rising order
   * @throws io.fovea.errors.SpecException if the lowest rung is above the highest
   */
  public List<Integer> rungs(int maxEpochs) {
    check(
        minEpochs <= maxEpochs,
        "the epochs of the lowest rung, "
            + minEpochs
            + ", exceed those of a whole training, "
            + maxEpochs);
    List<Integer> rungs = new ArrayList<>();
    for (double epochs = maxEpochs; Math.round(epochs) >= minEpochs; epochs /= eta) {
      int rung = (int) Math.round(epochs);
      if (rung < 1 || rungs.contains(rung)) {
        break;
      }
      rungs.add(rung);
    }
    Collections.reverse(rungs);
    return rungs;
  }
}
