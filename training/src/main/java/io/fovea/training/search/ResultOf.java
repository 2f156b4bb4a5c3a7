package io.fovea.training.search;

import io.fovea.models.placement.PlacedAttention;
import io.fovea.training.Task;
import io.fovea.training.evaluate.Metric;
import io.fovea.training.search.Candidates.Candidate;
import io.fovea.training.search.Journal.Event;
import io.fovea.training.search.Journal.What;
import io.fovea.training.search.PairedDifference.Interval;
import io.fovea.training.search.Race.Standing;
import io.fovea.training.search.Race.Status;
import io.fovea.training.search.SearchResult.Baseline;
import io.fovea.training.search.SearchResult.Entrant;
import io.fovea.training.search.SearchResult.Finalist;
import io.fovea.training.search.SearchResult.Front;
import io.fovea.training.search.SearchResult.Passed;
import io.fovea.training.search.SearchResult.Power;
import io.fovea.training.search.SearchResult.Recommendation;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.ToDoubleFunction;

/**
 * Makes the result of a search from what happened in it.
 *
 * @param latencyOf what ran the networks whose time was measured
 * @param lap gives the training of a candidate at a rung
 * @param laps the trainings of the final
 */
record ResultOf(
    Task<?, ?> task,
    SearchSpec spec,
    String latencyOf,
    List<Integer> rungs,
    Journal journal,
    Race race,
    BiFunction<String, Integer, Lap> lap,
    List<Lap> laps,
    int validationImages,
    int testImages) {
  private static final double[] LARGER_BUDGETS = {1, 3, 10};
  private static final double ROUNDING = 1e-6; // so that the same budget has the same seeds

  SearchResult result() {
    Map<String, List<Lap>> byModule = new LinkedHashMap<>();
    laps.forEach(
        each -> byModule.computeIfAbsent(each.module(), any -> new ArrayList<>()).add(each));
    Baseline baseline =
        byModule.containsKey(PlacedAttention.NONE)
            ? network(journal.candidates.baseline(), byModule.get(PlacedAttention.NONE))
            : null;
    List<Finalist> finalists = baseline == null ? List.of() : finalists(byModule);
    List<Power> power = power(finalists);
    return new SearchResult(
        journal.complete,
        conclusion(finalists, power),
        spec.budget().toString(),
        journal.seconds,
        raceEpochs(),
        laps.stream().mapToLong(each -> each.epochs().size()).sum(),
        rungs,
        spec.eta(),
        latencyOf,
        finalists,
        baseline,
        baseline == null
            ? List.of()
            : List.of(
                front("latency_ms", baseline, finalists, Baseline::latencyMs),
                front("parameters", baseline, finalists, network -> (double) network.parameters())),
        baseline == null ? List.of() : recommendations(baseline, finalists),
        power,
        race.standings().stream().map(this::entrant).toList(),
        journal.candidates.excluded(),
        journal.events.stream()
            .filter(event -> event.what() == What.REACHED)
            .map(this::passed)
            .toList(),
        validationImages,
        testImages,
        laps);
  }

  private long raceEpochs() {
    long epochs = 0;
    for (Event event : journal.events) {
      if (event.what() == What.REACHED) {
        epochs += rungs.get(event.rung()) - (event.rung() == 0 ? 0 : rungs.get(event.rung() - 1));
      }
    }
    return epochs;
  }

  private Passed passed(Event event) {
    Lap there = lap.apply(event.candidate(), event.rung());
    return new Passed(
        event.candidate(),
        rungs.get(event.rung()),
        Race.mean(there.imageScores()),
        there.seconds());
  }

  private Candidate candidate(String module) {
    return journal.candidates.all().stream()
        .filter(candidate -> candidate.module().equals(module))
        .findFirst()
        .orElseThrow();
  }

  private Baseline network(Candidate candidate, List<Lap> own) {
    Metric score = task.score();
    List<Double> scores = own.stream().map(each -> score.of(each.confusion())).toList();
    return new Baseline(
        candidate.module(),
        candidate.parameters(),
        candidate.macs(),
        candidate.latencyMs(),
        journal.latencyBatchMs.getOrDefault(candidate.module(), Double.NaN),
        own.stream().map(Lap::seed).toList(),
        scores,
        scores.stream().mapToDouble(Double::doubleValue).average().orElseThrow());
  }

  // The final.

  private List<Finalist> finalists(Map<String, List<Lap>> byModule) {
    double[][] none = scores(byModule.get(PlacedAttention.NONE));
    Map<String, PairedDifference> differences = new LinkedHashMap<>();
    byModule.forEach(
        (module, own) -> {
          if (!module.equals(PlacedAttention.NONE)) {
            differences.put(module, PairedDifference.of(scores(own), none));
          }
        });
    // a finalist that failed counts as a test, because it was chosen as the others were
    int tests = differences.size() + journal.withdrawn.size();
    double[] p = new double[tests];
    Arrays.fill(p, 1);
    List<String> modules = List.copyOf(differences.keySet());
    for (int i = 0; i < modules.size(); i++) {
      p[i] = differences.get(modules.get(i)).p();
    }
    double[] adjusted = Holm.adjusted(p);
    List<Finalist> finalists = new ArrayList<>();
    for (int i = 0; i < modules.size(); i++) {
      PairedDifference difference = differences.get(modules.get(i));
      Interval interval = difference.interval(1 - Holm.LEVEL / tests);
      finalists.add(
          new Finalist(
              network(candidate(modules.get(i)), byModule.get(modules.get(i))),
              difference.mean(),
              interval == null ? null : interval.low(),
              interval == null ? null : interval.high(),
              p[i],
              adjusted[i],
              difference.isNoiseKnown() && adjusted[i] <= Holm.LEVEL,
              difference));
    }
    finalists.sort(Comparator.comparing(Finalist::difference).reversed());
    return finalists;
  }

  private static double[][] scores(List<Lap> own) {
    return own.stream().map(Lap::imageScores).toArray(double[][]::new);
  }

  private static Front front(
      String cost, Baseline baseline, List<Finalist> finalists, ToDoubleFunction<Baseline> value) {
    List<String> modules = new ArrayList<>();
    double best = Double.NEGATIVE_INFINITY;
    for (Baseline network : byCost(baseline, finalists, value)) {
      if (network.mean() > best) {
        best = network.mean();
        modules.add(network.module());
      }
    }
    return new Front(cost, modules);
  }

  private static List<Baseline> byCost(
      Baseline baseline, List<Finalist> finalists, ToDoubleFunction<Baseline> value) {
    List<Baseline> all = new ArrayList<>(List.of(baseline));
    finalists.forEach(finalist -> all.add(finalist.network()));
    all.sort(
        Comparator.comparingDouble(value)
            .thenComparing(Comparator.comparingDouble(Baseline::mean).reversed()));
    return all;
  }

  private static List<Recommendation> recommendations(Baseline baseline, List<Finalist> finalists) {
    List<Recommendation> all = new ArrayList<>();
    Map<String, ToDoubleFunction<Baseline>> costs = new LinkedHashMap<>();
    costs.put("latency_ms", Baseline::latencyMs);
    costs.put("parameters", network -> (double) network.parameters());
    List<Finalist> better =
        finalists.stream().filter(each -> each.beyondNoise() && each.difference() > 0).toList();
    costs.forEach(
        (cost, value) -> {
          double best = Double.NEGATIVE_INFINITY;
          for (Baseline network : byCost(baseline, better, value)) {
            if (network.mean() > best) {
              best = network.mean();
              all.add(new Recommendation(cost, value.applyAsDouble(network), network.module()));
            }
          }
        });
    return all;
  }

  private List<Power> power(List<Finalist> finalists) {
    List<Power> all = new ArrayList<>();
    Optional<Finalist> known =
        finalists.stream().filter(each -> each.noise().isNoiseKnown()).findFirst();
    if (known.isEmpty()) {
      return all;
    }
    int seeds = known.get().noise().seeds();
    double whole =
        spec.budget().isTime() ? spec.budget().seconds() : (double) spec.budget().epochs();
    double share =
        (double) raceEpochs()
            / Math.max(
                1, raceEpochs() + laps.stream().mapToLong(each -> each.epochs().size()).sum());
    for (double factor : LARGER_BUDGETS) {
      // the race is as long as before, and the rest is for seeds
      int then =
          (int)
              Math.min(
                  AttentionSearch.MOST_SEEDS,
                  Math.max(2, Math.floor(seeds * (factor - share) / (1 - share) + ROUNDING)));
      int tests = finalists.size() + journal.withdrawn.size();
      double difference =
          finalists.stream()
              .mapToDouble(each -> each.noise().detectable(then, tests, Holm.LEVEL))
              .max()
              .orElseThrow();
      Budget budget =
          spec.budget().isTime()
              ? Budget.ofSeconds(whole * factor)
              : Budget.ofEpochs(Math.round(whole * factor));
      all.add(new Power(budget.toString(), then, difference));
    }
    return all;
  }

  private String conclusion(List<Finalist> finalists, List<Power> power) {
    int tried = journal.candidates.entrants().size();
    if (finalists.isEmpty()) {
      if (!journal.complete) {
        return "The race is not over yet.";
      }
      return race.best(1).isEmpty()
          ? "No training reached the first rung, so nothing is known."
          : "Nothing was compared on the test images: the budget had no room for it.";
    }
    Finalist best = finalists.get(0);
    if (power.isEmpty()) {
      return String.format(
          Locale.ROOT,
          "With one seed the noise between trainings is unknown: %s differs from none by %s points"
              + " on the test images, and nothing can be concluded from that.",
          best.module(),
          points(best.difference()));
    }
    List<Finalist> better =
        finalists.stream().filter(each -> each.beyondNoise() && each.difference() > 0).toList();
    StringBuilder text = new StringBuilder();
    for (Finalist each : better) {
      text.append(
          String.format(
              Locale.ROOT,
              "%s beats none by %.1f points on the test images (%s to %s, p %s corrected for %d"
                  + " finalists). ",
              each.module(),
              100 * each.difference(),
              points(each.low()),
              points(each.high()),
              p(each.adjustedP()),
              finalists.size() + journal.withdrawn.size()));
    }
    if (better.isEmpty()) {
      text.append(
          String.format(
              Locale.ROOT,
              "None of %d candidates beats none by more than the noise: the best in the final, %s,"
                  + " differs by %s points (%s to %s). ",
              tried,
              best.module(),
              points(best.difference()),
              points(best.low()),
              points(best.high())));
    }
    Power now = power.get(0);
    if (now.difference() == 0) {
      return text.append(
              "All trainings answered alike, so it is unknown how small a difference could be found.")
          .toString();
    }
    text.append(
        String.format(
            Locale.ROOT, "%d seeds find a difference of %s", now.seeds(), size(now.difference())));
    for (int i = 1; i < power.size(); i++) {
      Power larger = power.get(i);
      text.append(
          String.format(
              Locale.ROOT,
              "%s a budget of %s (%d seeds) of %s",
              i == power.size() - 1 ? " and" : ",",
              larger.budget(),
              larger.seeds(),
              size(larger.difference())));
    }
    return text.append(" in 8 of 10 cases.").toString();
  }

  private static String size(double difference) {
    return String.format(Locale.ROOT, "%.1f points", 100 * difference);
  }

  private static String points(double difference) {
    return String.format(Locale.ROOT, "%+.1f", 100 * difference);
  }

  private static String p(double value) {
    return value < 0.001 ? "below 0.001" : String.format(Locale.ROOT, "%.3f", value);
  }

  // The race.

  private Entrant entrant(Standing standing) {
    Candidate candidate = candidate(standing.candidate());
    boolean finalist =
        journal.finalists != null && journal.finalists.contains(standing.candidate());
    return new Entrant(
        candidate.module(),
        candidate.parameters(),
        candidate.macs(),
        candidate.latencyMs(),
        finalist ? "finalist" : standing.status().name().toLowerCase(Locale.ROOT),
        standing.rung() < 0 ? 0 : rungs.get(standing.rung()),
        standing.rung() < 0 ? null : standing.score(),
        standing.rung() < 0
            ? null
            : race.toBaseline(standing.candidate(), standing.rung())
                .map(PairedDifference::mean)
                .orElse(null),
        reason(standing, finalist));
  }

  private String reason(Standing standing, boolean finalist) {
    String withdrawn = journal.withdrawn.get(standing.candidate());
    if (withdrawn != null) {
      return "failed in the final: " + withdrawn;
    }
    if (standing.status() == Status.FAILED) {
      return standing.reason();
    }
    if (standing.rung() < 0) {
      return "the race's part of the budget ended before its first epochs";
    }
    int epochs = rungs.get(standing.rung());
    String place =
        String.format(
            Locale.ROOT,
            "%d of %d after %d %s",
            standing.rank(),
            standing.of(),
            epochs,
            epochs == 1 ? "epoch" : "epochs");
    if (finalist) {
      return "finalist: " + place;
    }
    if (standing.toCutoff() == null) {
      return place;
    }
    String difference =
        String.format(
            Locale.ROOT,
            "%s points to %s (%s to %s)",
            points(standing.toCutoff().mean()),
            standing.cutoff(),
            points(standing.interval().low()),
            points(standing.interval().high()));
    return switch (standing.status()) {
      case DROPPED -> "worse: " + place + ", " + difference;
      case UNDECIDED -> "not shown to be worse: " + place + ", " + difference;
      default -> place;
    };
  }
}
