package io.fovea.benchmarks;

import io.fovea.training.run.Json;
import io.fovea.training.search.Division;
import io.fovea.training.search.Holm;
import io.fovea.training.search.PairedDifference;
import io.fovea.training.search.Race;
import io.fovea.training.search.Race.Job;
import java.io.IOException;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Random;

/**
 * Simulates searches whose truth is known, without networks, by the decisions of {@link Race}, {@link
 * Division}, {@link PairedDifference} and {@link Holm}: how often a search finds something where
 * nothing is, and how often it finds what is there. Writes a JSON file: {@code SearchCalibration
 * FILE}.
 */
public final class SearchCalibration {
  private static final int SEARCHES = 500;
  private static final int ETA = 3;
  private static final List<Integer> RUNGS = List.of(1, 3, 9);
  private static final int FINALISTS = 3;

  /** Most images are easy, and any training gets them right; the others are a coin. */
  private static final double EASY = 0.7;

  private static final double RIGHT_IF_EASY = 0.97;
  private static final double RIGHT_IF_HARD = 0.5;

  /** What shorter trainings add to the noise of a training. */
  private static final double NOISE_OF_RUNG = 0.01;

  /**
   * A world in which searches take place.
   *
   * @param candidates the number of candidates
   * @param budget the budget in epochs
   * @param validation the number of validation images
   * @param test the number of test images
   * @param ofTraining the standard deviation of a training's accuracy because of its seed
   * @param ofImage the standard deviation of an attention's effect between hard images
   * @param effect what is added to the chances of one of the candidates, which are cut at 1
   */
  record World(
      int candidates,
      int budget,
      int validation,
      int test,
      double ofTraining,
      double ofImage,
      double effect) {}

  /**
   * What searches found.
   *
   * @param world where
   * @param searches the number of searches
   * @param seeds the mean number of seeds in the final
   * @param falseDiscoveries the share of searches that called a candidate without effect better or
   *     worse than none by more than the noise
   * @param standardError the standard error of that share
   * @param covered the share of searches in which the intervals of all finalists held the truth; null
   *     where a candidate has an effect
   * @param inFinal the share of searches in which the candidate with an effect was a finalist
   * @param power the share of searches that called it better than none by more than the noise
   * @param raceShare the epochs of the race as a share of those that train all candidates to the end
   */
  record Row(
      World world,
      int searches,
      double seeds,
      double falseDiscoveries,
      double standardError,
      Double covered,
      Double inFinal,
      Double power,
      double raceShare) {}

  /** The file. */
  record Rows(String date, String command, int eta, List<Integer> rungs, List<Row> rows) {}

  private SearchCalibration() {}

  /** See above. */
  public static void main(String[] arguments) throws IOException {
    List<Row> rows = new ArrayList<>();
    for (World world : worlds()) {
      Row row = run(world, SEARCHES, 20);
      rows.add(row);
      System.out.printf(
          Locale.ROOT,
          "%-100s false %.3f ± %.3f, covered %s, in the final %s, found %s, %.1f seeds%n",
          world,
          row.falseDiscoveries,
          row.standardError,
          row.covered,
          row.inFinal,
          row.power,
          row.seeds);
    }
    Json.write(
        Path.of(arguments[0]),
        new Rows(
            LocalDate.now(ZoneOffset.UTC).toString(),
            "java -cp ... io.fovea.benchmarks.SearchCalibration " + arguments[0],
            ETA,
            RUNGS,
            rows));
  }

  private static List<World> worlds() {
    List<World> worlds = new ArrayList<>();
    for (double ofTraining : new double[] {0, 0.005, 0.015}) {
      worlds.add(new World(20, 400, 300, 500, ofTraining, 0, 0));
    }
    worlds.add(new World(4, 400, 300, 500, 0.015, 0, 0)); // more seeds
    worlds.add(new World(20, 200, 300, 500, 0.015, 0, 0)); // fewer
    worlds.add(new World(20, 400, 300, 500, 0.005, 0.1, 0));
    for (double effect : new double[] {0.02, 0.05}) {
      worlds.add(new World(20, 400, 300, 500, 0.005, 0, effect));
    }
    return worlds;
  }

  /**
   * Simulates searches.
   *
   * @param seed the seed of the first search; each has another
   */
  static Row run(World world, int searches, long seed) {
    Map<String, Double> sums = new LinkedHashMap<>();
    for (int i = 0; i < searches; i++) {
      new Search(world, seed * 1_000_003 + i)
          .run()
          .forEach((key, value) -> sums.merge(key, value, Double::sum));
    }
    double wrong = sums.get("false") / searches;
    return new Row(
        world,
        searches,
        sums.get("seeds") / searches,
        wrong,
        Math.sqrt(wrong * (1 - wrong) / searches),
        world.effect == 0 ? sums.get("covered") / searches : null,
        world.effect == 0 ? null : sums.get("inFinal") / searches,
        world.effect == 0 ? null : sums.get("found") / searches,
        sums.get("race") / searches / (world.candidates * (double) RUNGS.get(RUNGS.size() - 1)));
  }

  /** One search. */
  private static final class Search {
    private static final String NONE = "none";
    private static final String GOOD = "c0";

    private final World world;
    private final Random random;
    private final double[] validation;
    private final double[] test;
    private final Map<String, Double> luck = new HashMap<>(); // of the trainings of the race
    private final Map<String, double[]> byImage = new HashMap<>();

    Search(World world, long seed) {
      this.world = world;
      random = new Random(seed);
      validation = images(world.validation);
      test = images(world.test);
    }

    private double[] images(int count) {
      double[] right = new double[count];
      for (int i = 0; i < count; i++) {
        right[i] = random.nextDouble() < EASY ? RIGHT_IF_EASY : RIGHT_IF_HARD;
      }
      return right;
    }

    Map<String, Double> run() {
      List<String> candidates = new ArrayList<>();
      for (int i = 0; i < world.candidates; i++) {
        candidates.add("c" + i);
      }
      Collections.shuffle(candidates, random);
      int highest = RUNGS.get(RUNGS.size() - 1);
      Race race = new Race(candidates, NONE, RUNGS.size(), ETA);
      double limit = Division.ofRace(world.budget, highest);
      int[] spent = {0};
      Optional<Job> next = race.next(job -> spent[0] + epochs(job) <= limit);
      while (next.isPresent()) {
        Job job = next.get();
        spent[0] += epochs(job);
        race.started(job);
        double own =
            luck.computeIfAbsent(job.candidate(), any -> world.ofTraining * random.nextGaussian());
        double ofRung =
            RUNGS.get(job.rung()) == highest ? 0 : NOISE_OF_RUNG * random.nextGaussian();
        race.reached(job, scores(job.candidate(), validation, own + ofRung, false));
        next = race.next(any -> spent[0] + epochs(any) <= limit);
      }
      double left = world.budget - spent[0];
      List<String> best = race.best(FINALISTS);
      best =
          best.subList(0, Math.min(best.size(), Division.finalists(best.size(), left, highest, 1)));
      int seeds = (int) (left / Division.ofRound(best.size(), highest, 1));
      double[][] none = trainings(NONE, seeds);
      List<PairedDifference> differences = new ArrayList<>();
      for (String finalist : best) {
        differences.add(PairedDifference.of(trainings(finalist, seeds), none));
      }
      return counted(best, differences, seeds, spent[0]);
    }

    private static int epochs(Job job) {
      return RUNGS.get(job.rung()) - (job.rung() == 0 ? 0 : RUNGS.get(job.rung() - 1));
    }

    private double[][] trainings(String module, int seeds) {
      double[][] all = new double[seeds][];
      for (int seed = 0; seed < seeds; seed++) {
        all[seed] = scores(module, test, world.ofTraining * random.nextGaussian(), true);
      }
      return all;
    }

    private double[] scores(String module, double[] right, double shift, boolean ofTest) {
      double effect = module.equals(GOOD) ? world.effect : 0;
      double[] own =
          ofTest && world.ofImage > 0 && !module.equals(NONE)
              ? byImage.computeIfAbsent(module, any -> effects(right))
              : null;
      double[] scores = new double[right.length];
      for (int i = 0; i < scores.length; i++) {
        double chance = right[i] + effect + shift + (own == null ? 0 : own[i]);
        scores[i] = random.nextDouble() < chance ? 1 : 0;
      }
      return scores;
    }

    /** On hard images, whose chances have room in both directions, so that the mean effect is 0. */
    private double[] effects(double... right) {
      double[] effects = new double[right.length];
      for (int i = 0; i < right.length; i++) {
        boolean hard = right[i] == RIGHT_IF_HARD;
        effects[i] = hard ? world.ofImage * random.nextGaussian() : 0;
      }
      return effects;
    }

    private Map<String, Double> counted(
        List<String> best, List<PairedDifference> differences, int seeds, int spent) {
      double[] adjusted =
          Holm.adjusted(differences.stream().mapToDouble(PairedDifference::p).toArray());
      double level = 1 - Holm.LEVEL / differences.size();
      boolean wrong = false;
      boolean covered = true;
      boolean found = false;
      for (int i = 0; i < adjusted.length; i++) {
        boolean good = best.get(i).equals(GOOD) && world.effect > 0;
        boolean beyond = adjusted[i] <= Holm.LEVEL;
        wrong |= beyond && !good;
        found |= beyond && good && differences.get(i).mean() > 0;
        PairedDifference.Interval interval = differences.get(i).interval(level);
        covered &= interval.low() <= 0 && interval.high() >= 0;
      }
      Map<String, Double> counts = new HashMap<>();
      counts.put("false", wrong ? 1.0 : 0);
      counts.put("covered", covered ? 1.0 : 0);
      counts.put("found", found ? 1.0 : 0);
      counts.put("inFinal", best.contains(GOOD) ? 1.0 : 0);
      counts.put("seeds", (double) seeds);
      counts.put("race", (double) spent);
      return counts;
    }
  }
}
