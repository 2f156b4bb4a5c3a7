package io.fovea.training.search;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonInclude;
import io.fovea.training.search.Candidates.Excluded;
import java.util.List;

/**
 * The result of a search, as {@code results.json} has it; described in docs/search.md. All scores and
 * differences are shares from 0 to 1.
 *
 * @param complete whether the search has ended
 * @param conclusion what can be said, in words
 * @param budget the budget as text
 * @param seconds the time that the search has taken
 * @param raceEpochs the epochs that were trained in the race
 * @param finalEpochs the epochs that were trained in the final
 * @param rungs the epochs of the rungs
 * @param eta one of this many goes on for certain
 * @param latencyOf what ran the networks whose time was measured: {@code fovea} or {@code onnx}
 * @param finalists the comparison on the test images; empty before the final
 * @param baseline the network without attention in the final; null before
 * @param fronts for each kind of cost the networks that no other one beats in both score and cost
 * @param recommendations which network to take for each budget of cost
 * @param power which differences larger budgets could tell from noise
 * @param candidates how the race ended for each candidate
 * @param excluded what did not take part, with the reason
 * @param race the events of the race in their order
 * @param validationImages the number of images on which the race looked
 * @param testImages the number of images on which the final looked
 * @param laps the trainings of the final, seed by seed; not in the file
 */
@JsonInclude(JsonInclude.Include.ALWAYS)
public record SearchResult(
    boolean complete,
    String conclusion,
    String budget,
    double seconds,
    long raceEpochs,
    long finalEpochs,
    List<Integer> rungs,
    int eta,
    String latencyOf,
    List<Finalist> finalists,
    Baseline baseline,
    List<Front> fronts,
    List<Recommendation> recommendations,
    List<Power> power,
    List<Entrant> candidates,
    List<Excluded> excluded,
    List<Passed> race,
    int validationImages,
    int testImages,
    @JsonIgnore List<Lap> laps) {

  /**
   * A candidate in the race.
   *
   * @param module the attention
   * @param parameters the number of trained values
   * @param macs the multiply-accumulates for one image
   * @param latencyMs the time for one image in milliseconds
   * @param status {@code finalist}, {@code finished}, {@code dropped}, {@code undecided}, {@code
   *     not_started} or {@code failed}
   * @param epochs the epochs that it was trained for
   * @param score its mean score on the validation images after these; null before the first rung
   * @param toNone its difference there to no attention; null if unknown
   * @param reason why the race ended for it, in words
   */
  @JsonInclude(JsonInclude.Include.ALWAYS)
  public record Entrant(
      String module,
      long parameters,
      long macs,
      double latencyMs,
      String status,
      int epochs,
      Double score,
      Double toNone,
      String reason) {}

  /**
   * A training that reached a rung.
   *
   * @param module the attention, or {@code none}
   * @param epochs the epochs of the rung
   * @param score the mean score on the validation images
   * @param seconds how long it took since the rung before
   */
  public record Passed(String module, int epochs, double score, double seconds) {}

  /**
   * A network of the final.
   *
   * @param seeds the seeds, none of which the race had
   * @param scores the score of the task on the test images, for each seed
   * @param mean the mean of the scores
   */
  @JsonInclude(JsonInclude.Include.ALWAYS)
  public record Baseline(
      String module,
      long parameters,
      long macs,
      double latencyMs,
      double latencyBatchMs,
      List<Long> seeds,
      List<Double> scores,
      double mean) {}

  /**
   * A finalist.
   *
   * @param network the network
   * @param difference the mean difference to no attention over seeds and test images
   * @param low the lower end of its interval, which holds for all finalists together in 95 of 100
   *     searches; null with one seed
   * @param high the upper end
   * @param p the probability of such a difference without an effect; 1 with one seed
   * @param adjustedP the same by Holm's correction for all finalists
   * @param beyondNoise whether the corrected probability is at most 0.05
   * @param noise the difference with the variances of which it consists
   */
  @JsonInclude(JsonInclude.Include.ALWAYS)
  public record Finalist(
      Baseline network,
      double difference,
      Double low,
      Double high,
      double p,
      double adjustedP,
      boolean beyondNoise,
      PairedDifference noise) {
    /** The attention. */
    public String module() {
      return network.module();
    }
  }

  /**
   * The networks that no other one beats in both score and cost.
   *
   * @param cost {@code latency_ms} or {@code parameters}
   * @param modules the attentions, the cheapest first
   */
  public record Front(String cost, List<String> modules) {}

  /**
   * Which network to take. A network is recommended before a cheaper one only if it beats no attention
   * by more than the noise.
   *
   * @param cost {@code latency_ms} or {@code parameters}
   * @param from from this cost on
   * @param module the attention
   */
  public record Recommendation(String cost, double from, String module) {}

  /**
   * What a budget can tell.
   *
   * @param budget the budget as text
   * @param seeds the number of seeds for which it would suffice in the final
   * @param difference the difference that would be found in 8 of 10 cases
   */
  public record Power(String budget, int seeds, double difference) {}
}
