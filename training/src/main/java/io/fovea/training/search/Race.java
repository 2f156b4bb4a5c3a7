package io.fovea.training.search;

import io.fovea.training.search.PairedDifference.Interval;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * Decides who trains on: asynchronous successive halving (L. Li et al., A system for massively
 * parallel hyperparameter tuning, arXiv 1810.05934, algorithm 2), with one difference. A candidate
 * that is not among the best of its rung is dropped only if the paired interval over the validation
 * images says that it is worse than the last of those; otherwise it is undecided, and trains on when
 * nothing else is left to do.
 *
 * <p>The race knows scores only, and trains nothing. The same calls give the same decisions. It is not
 * thread-safe.
 */
public final class Race {
  private static final double CONFIDENCE = 0.95;

  /**
   * A training up to a rung.
   *
   * @param candidate the candidate, or the baseline
   * @param rung the rung, from 0
   */
  public record Job(String candidate, int rung) {}

  /** How the race ended for a candidate. */
  public enum Status {
    /** It reached the highest rung. */
    FINISHED,
    /** It is worse than the last of the best of its rung. */
    DROPPED,
    /** It is not shown to be worse, but the race ended before it trained on. */
    UNDECIDED,
    /** The race ended before its first rung. */
    NOT_STARTED,
    /** Its training failed. */
    FAILED
  }

  /**
   * How the race ended for a candidate.
   *
   * @param candidate the candidate
   * @param status how
   * @param rung the highest rung that it reached; -1 for none
   * @param rank its place among those that reached this rung, from 1; 0 without a rung
   * @param of how many reached this rung
   * @param score its mean score there; NaN without a rung
   * @param cutoff the last of the best of this rung; null without a rung
   * @param toCutoff its difference to that one there; null without a rung, and for that one itself
   * @param reason why its training failed, otherwise null
   */
  public record Standing(
      String candidate,
      Status status,
      int rung,
      int rank,
      int of,
      double score,
      String cutoff,
      PairedDifference toCutoff,
      String reason) {
    /** The interval of {@link #toCutoff} on other images; null without one. */
    public Interval interval() {
      return toCutoff == null ? null : toCutoff.onOtherImages(CONFIDENCE);
    }
  }

  private final List<String> candidates;
  private final String baseline;
  private final int rungs;
  private final int eta;
  private final List<Map<String, double[]>> reached = new ArrayList<>();
  private final List<Map<String, Double>> means = new ArrayList<>();
  private final Map<String, Integer> started = new HashMap<>();
  private final Map<String, String> failed = new HashMap<>();
  private int quantileOf;
  private double quantile;

  /**
   * Begins a race.
   *
   * @param candidates the candidates in the order in which they start
   * @param baseline the training without attention, which goes as far as any candidate
   * @param rungs the number of rungs
   * @param eta the number of candidates of which one trains on for certain
   */
  public Race(List<String> candidates, String baseline, int rungs, int eta) {
    this.candidates = List.copyOf(candidates);
    this.baseline = baseline;
    this.rungs = rungs;
    this.eta = eta;
    for (int rung = 0; rung < rungs; rung++) {
      reached.add(new LinkedHashMap<>());
      means.add(new HashMap<>());
    }
  }

  /**
   * What to train next: the baseline to a rung where a candidate goes; otherwise one of the best of
   * the highest rung that has one; otherwise a candidate that has not started; otherwise an undecided
   * one.
   *
   * @param fits whether there is room for a training; others are looked at if not
   * @return nothing if nothing is left, or if it depends on trainings that run now
   */
  public Optional<Job> next(Predicate<Job> fits) {
    List<Job> all = new ArrayList<>();
    addBaseline(all);
    for (int rung = rungs - 2; rung >= 0; rung--) {
      List<String> ranking = ranking(rung);
      addWaiting(all, rung, ranking.subList(0, ranking.size() / eta));
    }
    candidates.stream()
        .filter(candidate -> !started.containsKey(candidate))
        .forEach(candidate -> all.add(new Job(candidate, 0)));
    Optional<Job> first = all.stream().filter(fits).findFirst();
    return first.isPresent() ? first : undecided().stream().filter(fits).findFirst();
  }

  private void addBaseline(List<Job> all) {
    int furthest =
        candidates.stream().mapToInt(other -> started.getOrDefault(other, 0)).max().orElse(0);
    int own = started.getOrDefault(baseline, -1);
    if (own < furthest && !isRunning(baseline)) {
      all.add(new Job(baseline, own + 1));
    }
  }

  private void addWaiting(List<Job> all, int rung, List<String> those) {
    those.stream()
        .filter(candidate -> started.get(candidate) == rung && !failed.containsKey(candidate))
        .forEach(candidate -> all.add(new Job(candidate, rung + 1)));
  }

  private List<Job> undecided() {
    List<Job> all = new ArrayList<>();
    for (int rung = rungs - 2; rung >= 0; rung--) {
      int number = rung;
      boolean open =
          candidates.stream().anyMatch(other -> isRunning(other) && started.get(other) == number);
      if (!open) {
        List<String> ranking = ranking(rung);
        addWaiting(
            all, rung, ranking.stream().filter(candidate -> !isWorse(candidate, number)).toList());
      }
    }
    return all;
  }

  private boolean isRunning(String candidate) {
    int rung = started.getOrDefault(candidate, -1);
    return rung >= 0 && !reached.get(rung).containsKey(candidate) && !failed.containsKey(candidate);
  }

  /** Says that a training began. */
  public void started(Job job) {
    started.put(job.candidate, job.rung);
  }

  /**
   * Says that a training reached its rung.
   *
   * @param scores the score of each validation image, from 0 to 1, the same images for all
   */
  public void reached(Job job, double... scores) {
    reached.get(job.rung).put(job.candidate, scores.clone());
    means.get(job.rung).put(job.candidate, mean(scores));
  }

  /** Says that a training cannot go on. */
  public void failed(Job job, String reason) {
    failed.put(job.candidate, reason);
  }

  /** The candidates that reached a rung, the best first. */
  private List<String> ranking(int rung) {
    Map<String, Double> there = means.get(rung);
    return candidates.stream()
        .filter(there::containsKey)
        .sorted(Comparator.comparing(there::get, Comparator.reverseOrder()))
        .toList();
  }

  static double mean(double... scores) {
    double sum = 0;
    for (double score : scores) {
      sum += score;
    }
    return sum / scores.length;
  }

  /** The last of the best of a rung, at least the first. */
  private String cutoff(List<String> ranking) {
    return ranking.get(Math.max(1, ranking.size() / eta) - 1);
  }

  private boolean isWorse(String candidate, int rung) {
    List<String> ranking = ranking(rung);
    String cutoff = cutoff(ranking);
    if (ranking.indexOf(candidate) <= ranking.indexOf(cutoff)) {
      return false;
    }
    PairedDifference difference = difference(candidate, cutoff, rung);
    return difference.images() > 1
        && difference.mean() + quantile(difference.images()) * Math.sqrt(difference.ofImages()) < 0;
  }

  /** As for {@link PairedDifference#onOtherImages}; computed once, because all have the same images. */
  private double quantile(int images) {
    if (images != quantileOf) {
      quantileOf = images;
      quantile = PairedDifference.quantile((1 + CONFIDENCE) / 2, images - 1);
    }
    return quantile;
  }

  /** The difference between two trainings on the validation images at a rung that both reached. */
  private PairedDifference difference(String one, String other, int rung) {
    return PairedDifference.of(
        new double[][] {reached.get(rung).get(one)}, new double[][] {reached.get(rung).get(other)});
  }

  /** The difference to the baseline at a rung; empty if one of both has not reached it. */
  public Optional<PairedDifference> toBaseline(String candidate, int rung) {
    Map<String, double[]> there = reached.get(rung);
    return there.containsKey(candidate) && there.containsKey(baseline)
        ? Optional.of(difference(candidate, baseline, rung))
        : Optional.empty();
  }

  /**
   * The best candidates of the highest rung that any has reached.
   *
   * @param most the largest number of candidates
   */
  public List<String> best(int most) {
    for (int rung = rungs - 1; rung >= 0; rung--) {
      List<String> ranking =
          ranking(rung).stream().filter(candidate -> !failed.containsKey(candidate)).toList();
      if (!ranking.isEmpty()) {
        return ranking.stream().limit(most).toList();
      }
    }
    return List.of();
  }

  /** How the race ended, or stands now, for each candidate, in the order of the candidates. */
  public List<Standing> standings() {
    return candidates.stream().map(this::standing).toList();
  }

  private Standing standing(String candidate) {
    int rung = rungs - 1;
    while (rung >= 0 && !reached.get(rung).containsKey(candidate)) {
      rung--;
    }
    String reason = failed.get(candidate);
    if (rung < 0) {
      Status status = reason == null ? Status.NOT_STARTED : Status.FAILED;
      return new Standing(candidate, status, -1, 0, 0, Double.NaN, null, null, reason);
    }
    List<String> ranking = ranking(rung);
    String cutoff = cutoff(ranking);
    Status status =
        reason != null
            ? Status.FAILED
            : rung == rungs - 1
                ? Status.FINISHED
                : isWorse(candidate, rung) ? Status.DROPPED : Status.UNDECIDED;
    return new Standing(
        candidate,
        status,
        rung,
        ranking.indexOf(candidate) + 1,
        ranking.size(),
        mean(reached.get(rung).get(candidate)),
        cutoff,
        candidate.equals(cutoff) ? null : difference(candidate, cutoff, rung),
        reason);
  }
}
