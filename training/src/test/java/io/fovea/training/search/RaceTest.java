package io.fovea.training.search;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fovea.training.search.Race.Job;
import io.fovea.training.search.Race.Status;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class RaceTest {
  private static final int IMAGES = 100;

  /** Scores of which the first ones are right. */
  private static double[] right(int count) {
    double[] scores = new double[IMAGES];
    Arrays.fill(scores, 0, count, 1);
    return scores;
  }

  private static Race of(int candidates, int rungs) {
    List<String> names = new ArrayList<>();
    for (int i = 0; i < candidates; i++) {
      names.add("c" + i);
    }
    return new Race(names, "none", rungs, 3);
  }

  /** Runs a race one training at a time; candidate i gets {@code 90 - spread * i} of 100 right. */
  private static List<Job> run(Race race, int spread, int most) {
    List<Job> jobs = new ArrayList<>();
    Optional<Job> next = race.next(job -> true);
    while (next.isPresent() && jobs.size() < most) {
      Job job = next.get();
      jobs.add(job);
      race.started(job);
      int number =
          job.candidate().equals("none") ? 0 : Integer.parseInt(job.candidate().substring(1));
      race.reached(job, right(90 - spread * number));
      next = race.next(any -> true);
    }
    return jobs;
  }

  @Test
  void theBestOfARungTrainOnAndTheWorseAreDropped() {
    Race race = of(9, 3);

    List<Job> jobs = run(race, 5, 100);

    assertThat(jobs.get(0)).isEqualTo(new Job("none", 0));
    assertThat(race.best(2)).containsExactly("c0");
    Map<String, Status> ends = new TreeMap<>();
    race.standings().forEach(standing -> ends.put(standing.candidate(), standing.status()));
    assertThat(ends).containsEntry("c0", Status.FINISHED);
    ends.remove("c0");
    assertThat(ends.values()).containsOnly(Status.DROPPED);
    // successive halving: 9 trainings to the first rung, 3 to the second, 1 to the last, and none
    assertThat(jobs.stream().map(Job::rung)).filteredOn(rung -> rung == 0).hasSize(10);
    assertThat(jobs.stream().map(Job::rung)).filteredOn(rung -> rung == 1).hasSize(4);
    assertThat(jobs.stream().map(Job::rung)).filteredOn(rung -> rung == 2).hasSize(2);
    assertThat(jobs).contains(new Job("none", 2)).doesNotHaveDuplicates();
  }

  @Test
  void aCandidateIsNotDroppedForADifferenceThatImagesCouldMake() {
    Race race = of(4, 2);

    // neighbours differ by one image of a hundred
    List<Job> jobs = run(race, 1, 100);

    assertThat(race.standings()).allMatch(standing -> standing.status() == Status.FINISHED);
    assertThat(jobs).hasSize(10);
  }

  @Test
  void undecidedCandidatesComeLast() {
    Race race = of(4, 2);

    List<Job> jobs = run(race, 1, 100);

    // one of four is the best and trains on as soon as three are there; the others follow
    assertThat(jobs.subList(4, jobs.size()))
        .containsExactly(
            new Job("c0", 1),
            new Job("none", 1),
            new Job("c3", 0),
            new Job("c1", 1),
            new Job("c2", 1),
            new Job("c3", 1));
  }

  @Test
  void whatDoesNotFitIsPassedOver() {
    Race race = of(4, 2);
    for (int i = 0; i < 3; i++) {
      Job job = new Job("c" + i, 0);
      race.started(job);
      race.reached(job, right(50 + 10 * i));
    }
    race.started(new Job("none", 0));
    race.reached(new Job("none", 0), right(50));

    assertThat(race.next(job -> true)).contains(new Job("c2", 1));
    assertThat(race.next(job -> job.rung() == 0)).contains(new Job("c3", 0));
    assertThat(race.next(job -> false)).isEmpty();
  }

  @Test
  void aTrainingThatRunsIsWaitedForBeforeUndecidedOnesTrainOn() {
    Race race = of(2, 2);
    race.started(new Job("none", 0));
    race.reached(new Job("none", 0), right(50));
    race.started(new Job("c0", 0));
    race.reached(new Job("c0", 0), right(60));
    race.started(new Job("c1", 0));

    assertThat(race.next(job -> true)).isEmpty();

    race.failed(new Job("c1", 0), "the loss is NaN");

    assertThat(race.next(job -> true)).contains(new Job("c0", 1));
    assertThat(race.standings().get(1).status()).isEqualTo(Status.FAILED);
    assertThat(race.standings().get(1).reason()).isEqualTo("the loss is NaN");
  }

  @Test
  void theDifferenceToTheBaselineIsPairedByImage() {
    Race race = of(1, 2);
    race.started(new Job("none", 0));
    race.reached(new Job("none", 0), right(50));
    assertThat(race.toBaseline("c0", 0)).isEmpty();
    race.started(new Job("c0", 0));
    race.reached(new Job("c0", 0), right(60));

    PairedDifference difference = race.toBaseline("c0", 0).orElseThrow();

    assertThat(difference.mean()).isCloseTo(0.1, within(1e-12));
    // ten of a hundred images differ: the variance of a mean of zeros and ones
    assertThat(difference.ofImages()).isEqualTo(0.1 * 0.9 / 99, within(1e-12));
  }
}
