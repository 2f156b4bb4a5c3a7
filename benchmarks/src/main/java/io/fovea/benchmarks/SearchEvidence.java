package io.fovea.benchmarks;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.fovea.benchmarks.SearchTrainings.Curve;
import io.fovea.benchmarks.SearchTrainings.Setting;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.tensor.Threads;
import io.fovea.training.run.Json;
import io.fovea.training.search.Division;
import io.fovea.training.search.Holm;
import io.fovea.training.search.PairedDifference;
import io.fovea.training.search.Race;
import io.fovea.training.search.Race.Job;
import io.fovea.training.search.SearchSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/**
 * Replays searches on the trainings of {@link SearchTrainings}, by the decisions of {@link Race} and
 * {@link Division}, and compares what they choose with the comparison of all candidates: {@code
 * SearchEvidence FOLDER FILE}. A search decides by the scores of trainings only, and a training has
 * the same bits whoever asks for it, so a replay is the search itself.
 */
public final class SearchEvidence {
  /** What people do otherwise: all candidates, with as many seeds. */
  private static final int COMPARED_SEEDS = 3;

  /** Budgets as shares of the epochs of that comparison. */
  private static final double[] SHARES = {0.2, 0.33};

  private static final int RANDOM_SEARCHES = 1000;
  private static final double CONFIDENCE = 0.95;

  /**
   * How well something chose.
   *
   * @param seed the seed of the search; null for the mean of many
   * @param budget the epochs that it may take
   * @param epochs the epochs that it took
   * @param share these as a share of the comparison of all candidates with three seeds
   * @param chosen what it chose: of a search, the best finalist
   * @param regret the mean score of the best candidate minus that of the chosen
   * @param withinNoise whether the interval of this difference, paired by seed and image, holds zero
   * @param recommended what the search recommends, which is none unless a finalist is shown to be
   *     better
   * @param falseDiscovery whether the search calls a finalist better or worse than none; where the
   *     labels are shuffled, this is false
   */
  @JsonInclude(JsonInclude.Include.NON_NULL)
  record Choice(
      Long seed,
      double budget,
      double epochs,
      double share,
      String chosen,
      double regret,
      Double withinNoise,
      String recommended,
      Boolean falseDiscovery) {}

  /**
   * What all trainings of a candidate say.
   *
   * @param score its mean score on the test samples over all seeds
   * @param toNone the mean difference to no attention
   * @param low the lower end of its 95% interval, not corrected
   * @param high the upper end
   * @param regret the score of the best candidate minus this one's
   */
  record Truth(
      String module, double score, double toNone, double low, double high, double regret) {}

  /**
   * A set of candidates on data.
   *
   * @param finalSeeds the seeds of the comparison of all candidates
   * @param exhaustiveEpochs the epochs of that comparison with three seeds
   * @param secondsOfEpoch the mean processor time of an epoch of these trainings
   * @param truths the candidates, the best first
   * @param searches the replayed searches
   * @param random random search with the same budget: a part of the candidates, drawn by chance, is
   *     compared on the test images with as many seeds as a search's final; the mean of many draws
   * @param compare the comparison of all candidates with three seeds, for each choice of three seeds
   * @param hints how well hints order the candidates; those before a training has begun with the
   *     weights of seed 1, and the scores of the race's rungs, the mean over its seeds
   */
  record SetResult(
      String name,
      int candidates,
      int epochs,
      List<Integer> rungs,
      int testSamples,
      int validationSamples,
      List<Long> finalSeeds,
      double exhaustiveEpochs,
      double secondsOfEpoch,
      List<Truth> truths,
      List<Choice> searches,
      List<Choice> random,
      List<Choice> compare,
      List<SearchHints.Hint> hints) {}

  /** The file. */
  record Evidence(String date, String command, List<SetResult> sets) {}

  private SearchEvidence() {}

  /** See above. */
  public static void main(String[] arguments) throws IOException {
    Path folder = Path.of(arguments[0]);
    Threads.set(1);
    List<SetResult> sets = new ArrayList<>();
    for (Setting<?, ?> setting : SearchTrainings.settings()) {
      Table table = Table.read(setting, folder);
      if (table.finals.size() >= COMPARED_SEEDS && !table.races.isEmpty()) {
        SetResult result = new Replay(setting, table).result();
        print(result);
        sets.add(result);
      }
    }
    Json.write(
        Path.of(arguments[1]),
        new Evidence(
            LocalDate.now(ZoneOffset.UTC).toString(),
            "java -cp ... io.fovea.benchmarks.SearchTrainings FOLDER; java -cp ..."
                + " io.fovea.benchmarks.SearchEvidence FOLDER "
                + arguments[1],
            sets));
  }

  private static void print(SetResult result) {
    System.out.printf(
        Locale.ROOT,
        "%s: %d candidates, %d epochs, compared with seeds %s; three seeds take %.0f epochs%n",
        result.name,
        result.candidates,
        result.epochs,
        result.finalSeeds,
        result.exhaustiveEpochs);
    for (Truth truth : result.truths) {
      System.out.printf(
          Locale.ROOT,
          "  %-24s %.1f %%  %+.1f (%+.1f to %+.1f)%n",
          truth.module,
          100 * truth.score,
          100 * truth.toNone,
          100 * truth.low,
          100 * truth.high);
    }
    result.hints.forEach(
        hint ->
            System.out.printf(Locale.ROOT, "  tau of %s: %.2f%n", hint.name(), hint.kendallsTau()));
    List<Choice> all = new ArrayList<>(result.searches);
    all.addAll(result.random);
    all.addAll(result.compare);
    for (Choice each : all) {
      System.out.printf(
          Locale.ROOT,
          "  %-8s budget %4.0f took %4.0f (%.2f)  %-20s regret %.2f points  within %s  says %s%n",
          each.seed == null ? "" : "seed " + each.seed,
          each.budget,
          each.epochs,
          each.share,
          each.chosen,
          100 * each.regret,
          each.withinNoise,
          each.recommended);
    }
  }

  /**
   * The trainings that are there.
   *
   * @param races for each seed the curves of all candidates and none
   * @param finals for each seed the scores of all candidates and none on the test samples
   */
  private record Table(
      Setting<?, ?> setting,
      Path folder,
      Map<Long, Map<String, Curve>> races,
      Map<Long, Map<String, double[]>> finals,
      double seconds) {
    static Table read(Setting<?, ?> setting, Path folder) {
      Map<Long, Map<String, Curve>> races = new LinkedHashMap<>();
      Map<Long, Map<String, double[]>> finals = new LinkedHashMap<>();
      double seconds = 0;
      long epochs = 0;
      for (long seed = 1; seed <= setting.finalSeeds() + 1L; seed++) {
        Map<String, Curve> race = curves(setting, folder, SearchTrainings.RACE, seed);
        if (race.size() == setting.all().size()) {
          races.put(seed, race);
        }
        Map<String, Curve> last = curves(setting, folder, SearchTrainings.FINAL, seed);
        if (last.size() == setting.all().size()) {
          Map<String, double[]> scores = new LinkedHashMap<>();
          last.forEach((module, curve) -> scores.put(module, curve.at(0)));
          finals.put(seed, scores);
        }
        for (Curve curve : race.values()) {
          seconds += curve.seconds();
          epochs += setting.training().epochs();
        }
      }
      return new Table(setting, folder, races, finals, seconds / Math.max(1, epochs));
    }

    private static Map<String, Curve> curves(
        Setting<?, ?> setting, Path folder, String part, long seed) {
      Map<String, Curve> found = new LinkedHashMap<>();
      for (String module : setting.all()) {
        if (Files.exists(setting.file(folder, part, module, seed))) {
          found.put(module, setting.curve(folder, part, module, seed));
        }
      }
      return found;
    }

    /** The scores of a candidate on the test samples with seeds; trains what is missing. */
    double[][] scores(String module, List<Long> seeds) {
      return seeds.stream().map(seed -> scores(module, seed)).toArray(double[][]::new);
    }

    private double[] scores(String module, long seed) {
      return finals
          .computeIfAbsent(seed, any -> new HashMap<>())
          .computeIfAbsent(module, any -> SearchTrainings.ofFinal(setting, folder, module, seed));
    }

    double mean(String module, List<Long> seeds) {
      return Arrays.stream(scores(module, seeds))
          .mapToDouble(one -> Arrays.stream(one).average().orElseThrow())
          .average()
          .orElseThrow();
    }

    PairedDifference difference(String one, String other, List<Long> seeds) {
      return PairedDifference.of(scores(one, seeds), scores(other, seeds));
    }
  }

  /** All replays of a set. */
  private static final class Replay {
    private final Setting<?, ?> setting;
    private final Table table;
    private final List<Integer> rungs;
    private final int highest;
    private final List<Long> seeds;
    private final String best;
    private final double exhaustive;

    Replay(Setting<?, ?> setting, Table table) {
      this.setting = setting;
      this.table = table;
      rungs = setting.rungs();
      highest = setting.training().epochs();
      seeds = List.copyOf(table.finals.keySet());
      best =
          setting.modules().stream()
              .max(Comparator.comparingDouble(module -> table.mean(module, seeds)))
              .orElseThrow();
      exhaustive = (double) COMPARED_SEEDS * highest * setting.all().size();
    }

    SetResult result() {
      List<Choice> searches = new ArrayList<>();
      List<Choice> random = new ArrayList<>();
      for (double share : SHARES) {
        int budget = (int) Math.floor(share * exhaustive);
        List<Choice> found = new ArrayList<>();
        for (long seed : table.races.keySet()) {
          search(seed, budget).ifPresent(found::add);
        }
        searches.addAll(found);
        random.add(random(budget));
      }
      int validation = table.races.values().iterator().next().get(best).at(0).length;
      return new SetResult(
          setting.name(),
          setting.modules().size(),
          highest,
          rungs,
          table.scores(best, seeds)[0].length,
          validation,
          seeds,
          exhaustive,
          table.seconds,
          truths(),
          searches,
          random,
          List.of(compare()),
          setting.shuffled() ? List.of() : hints());
    }

    private List<SearchHints.Hint> hints() {
      Map<String, Double> scores = new LinkedHashMap<>();
      setting.modules().forEach(module -> scores.put(module, table.mean(module, seeds)));
      List<SearchHints.Hint> hints = new ArrayList<>(SearchHints.of(setting, 1, scores));
      List<Double> wanted = List.copyOf(scores.values());
      for (int rung = 0; rung < rungs.size(); rung++) {
        double tau = 0;
        for (Map<String, Curve> race : table.races.values()) {
          int number = rung;
          List<Double> there =
              scores.keySet().stream()
                  .map(module -> Arrays.stream(race.get(module).at(number)).average().orElseThrow())
                  .toList();
          tau += SearchHints.tau(there, wanted) / table.races.size();
        }
        hints.add(new SearchHints.Hint("validation after " + rungs.get(rung) + " epochs", tau));
      }
      return hints;
    }

    private List<Truth> truths() {
      return setting.modules().stream()
          .map(
              module -> {
                PairedDifference toNone = table.difference(module, PlacedAttention.NONE, seeds);
                PairedDifference.Interval interval = toNone.interval(CONFIDENCE);
                return new Truth(
                    module,
                    table.mean(module, seeds),
                    toNone.mean(),
                    interval.low(),
                    interval.high(),
                    regret(module));
              })
          .sorted(Comparator.comparingDouble(Truth::regret))
          .toList();
    }

    private double regret(String module) {
      return table.mean(best, seeds) - table.mean(module, seeds);
    }

    private boolean isWithinNoise(String module) {
      if (module.equals(best)) {
        return true;
      }
      PairedDifference.Interval interval =
          table.difference(best, module, seeds).interval(CONFIDENCE);
      return interval.low() <= 0;
    }

    private int epochs(Job job) {
      return rungs.get(job.rung()) - (job.rung() == 0 ? 0 : rungs.get(job.rung() - 1));
    }

    /** A search as {@code AttentionSearch} runs it, one training after the other. */
    private Optional<Choice> search(long seed, int budget) {
      double limit = Division.ofRace(budget, highest);
      if (limit < 2.0 * rungs.get(0)) {
        return Optional.empty(); // which the command refuses
      }
      List<String> order = new ArrayList<>(setting.modules());
      Collections.shuffle(order, new Random(seed));
      Race race = new Race(order, PlacedAttention.NONE, rungs.size(), SearchSpec.DEFAULT.eta());
      int[] spent = {0};
      Optional<Job> next = race.next(job -> spent[0] + epochs(job) <= limit);
      while (next.isPresent()) {
        Job job = next.get();
        spent[0] += epochs(job);
        race.started(job);
        race.reached(job, table.races.get(seed).get(job.candidate()).at(job.rung()));
        next = race.next(any -> spent[0] + epochs(any) <= limit);
      }
      double left = (double) budget - spent[0];
      List<String> finalists = race.best(SearchSpec.DEFAULT.finalists());
      finalists =
          finalists.subList(
              0,
              Math.min(finalists.size(), Division.finalists(finalists.size(), left, highest, 1)));
      double round = Division.ofRound(finalists.size(), highest, 1);
      List<Long> own =
          LongStream.rangeClosed(1, (long) (left / round)).map(i -> seed + i).boxed().toList();
      double took = spent[0] + own.size() * round;
      return Optional.of(choice(seed, budget, took, finalists, own));
    }

    private Choice choice(
        long seed, int budget, double took, List<String> finalists, List<Long> own) {
      List<PairedDifference> differences =
          finalists.stream()
              .map(module -> table.difference(module, PlacedAttention.NONE, own))
              .toList();
      double[] adjusted =
          Holm.adjusted(differences.stream().mapToDouble(PairedDifference::p).toArray());
      int first =
          IntStream.range(0, finalists.size())
              .boxed()
              .max(Comparator.comparingDouble(i -> differences.get(i).mean()))
              .orElseThrow();
      boolean shown = adjusted[first] <= Holm.LEVEL && differences.get(first).mean() > 0;
      String chosen = finalists.get(first);
      return new Choice(
          seed,
          budget,
          took,
          took / exhaustive,
          chosen,
          regret(chosen),
          isWithinNoise(chosen) ? 1.0 : 0.0,
          shown ? chosen : PlacedAttention.NONE,
          setting.shuffled() ? Arrays.stream(adjusted).anyMatch(p -> p <= Holm.LEVEL) : null);
    }

    /** A part of the candidates and none, as many as the budget has room for with three seeds. */
    private Choice random(int budget) {
      int drawn = Math.max(1, budget / (COMPARED_SEEDS * highest) - 1);
      Random random = new Random(1);
      double regret = 0;
      double within = 0;
      for (int i = 0; i < RANDOM_SEARCHES; i++) {
        List<String> some = new ArrayList<>(setting.modules());
        Collections.shuffle(some, random);
        List<Long> own = new ArrayList<>(seeds);
        Collections.shuffle(own, random);
        String chosen = best(some.subList(0, drawn), own.subList(0, COMPARED_SEEDS));
        regret += regret(chosen) / RANDOM_SEARCHES;
        within += (isWithinNoise(chosen) ? 1.0 : 0) / RANDOM_SEARCHES;
      }
      double took = (double) COMPARED_SEEDS * highest * (drawn + 1);
      return new Choice(
          null, budget, took, took / exhaustive, drawn + " by chance", regret, within, null, null);
    }

    /** All candidates with three seeds; the mean over all choices of the seeds. */
    private Choice compare() {
      double regret = 0;
      double within = 0;
      int count = 0;
      for (List<Long> own : subsets(seeds, COMPARED_SEEDS)) {
        String chosen = best(setting.modules(), own);
        regret += regret(chosen);
        within += isWithinNoise(chosen) ? 1 : 0;
        count++;
      }
      return new Choice(
          null, exhaustive, exhaustive, 1, "all", regret / count, within / count, null, null);
    }

    private String best(List<String> modules, List<Long> own) {
      return modules.stream()
          .max(Comparator.comparingDouble(module -> table.mean(module, own)))
          .orElseThrow();
    }

    private static List<List<Long>> subsets(List<Long> all, int size) {
      if (size == 0) {
        return List.of(List.of());
      }
      List<List<Long>> found = new ArrayList<>();
      for (int i = 0; i <= all.size() - size; i++) {
        for (List<Long> rest : subsets(all.subList(i + 1, all.size()), size - 1)) {
          List<Long> one = new ArrayList<>(List.of(all.get(i)));
          one.addAll(rest);
          found.add(one);
        }
      }
      return found;
    }
  }
}
