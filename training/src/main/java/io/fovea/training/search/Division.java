package io.fovea.training.search;

/**
 * How a budget is divided between the race and the final, in epochs or in seconds: the race has at
 * most half, and the final at least as much as one finalist and the baseline need for two seeds.
 */
public final class Division {
  /** Fewer seeds than this are only for a budget that has no more. */
  private static final int WANTED_SEEDS = 3;

  /** Without a second seed, the noise between seeds is unknown. */
  private static final int LEAST_SEEDS = 2;

  private static final int ONE_AND_BASELINE = 2;

  private Division() {}

  /**
   * The part of the race.
   *
   * @param budget the whole budget
   * @param training what a whole training of the final takes
   * @return 0 or less if the budget is too small for a final
   */
  public static double ofRace(double budget, double training) {
    return Math.min(budget / 2, budget - LEAST_SEEDS * ONE_AND_BASELINE * training);
  }

  /**
   * The smallest budget whose race has at least a given part.
   *
   * @param race what the race needs
   * @param training what a whole training of the final takes
   */
  public static double enough(double race, double training) {
    return Math.max(2 * race, race + LEAST_SEEDS * ONE_AND_BASELINE * training);
  }

  /**
   * The number of finalists for which three seeds remain, otherwise two, otherwise one.
   *
   * @param most the largest number
   * @param left what remains of the budget
   * @param training what a whole training of the final takes
   * @param atOnce the number of trainings in parallel if the budget is a time, otherwise 1
   * @return 0 if nothing can be compared
   */
  public static int finalists(int most, double left, double training, int atOnce) {
    for (int seeds = WANTED_SEEDS; seeds >= 1; seeds--) {
      for (int finalists = most; finalists >= 1; finalists--) {
        if (seeds * ofRound(finalists, training, atOnce) <= left) {
          return finalists;
        }
      }
    }
    return 0;
  }

  /**
   * What a seed takes of all finalists and the baseline.
   *
   * @param training what a whole training of the final takes
   * @param atOnce the number of trainings in parallel if the budget is a time, otherwise 1
   */
  public static double ofRound(int finalists, double training, int atOnce) {
    int trainings = finalists + 1;
    return training * Math.ceil((double) trainings / atOnce);
  }
}
