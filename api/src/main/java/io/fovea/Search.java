package io.fovea;

import io.fovea.Model.Described;
import io.fovea.data.Dataset;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.errors.SpecException;
import io.fovea.models.Network;
import io.fovea.models.NetworkSpec;
import io.fovea.models.Precision;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.placement.Placement;
import io.fovea.tensor.Threads;
import io.fovea.training.search.AttentionSearch;
import io.fovea.training.search.Budget;
import io.fovea.training.search.SearchObserver;
import io.fovea.training.search.SearchResult;
import io.fovea.training.search.SearchSpec;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Finds the attention that helps on images, and its place, within a budget, as {@code fovea search}
 * does: candidates race on a part of the training images, and the best are compared with no attention
 * on the test images, with seeds of their own. Immutable: each method returns a search that differs in
 * one thing.
 *
 * <pre>{@code
 * Search.Result found =
 *     Search.over(Model.classifier("resnet18").build(), data, Training.defaults().epochs(27))
 *         .budget("2h")
 *         .run(Path.of("runs/search"));
 * System.out.println(found.conclusion());
 * Model model = Model.classifier("resnet18").attention(found.recommended()).build();
 * }</pre>
 */
public final class Search {
  private final Model model;
  private final ImageData data;
  private final Training training;
  private final List<String> attentions;
  private final SearchSpec spec;
  private final Consumer<String> lines;

  private Search(
      Model model,
      ImageData data,
      Training training,
      List<String> attentions,
      SearchSpec spec,
      Consumer<String> lines) {
    this.model = model;
    this.data = data;
    this.training = training;
    this.attentions = attentions;
    this.spec = spec;
    this.lines = lines;
  }

  /**
   * A search with a budget of 30 minutes over all mechanisms, each in the place of its paper and at
   * the ends of stages.
   *
   * @param model the network; its own attention and seed do not matter, and it starts from new weights
   * @param data the images
   * @param training how each network is trained; its epochs are those of a whole training
   */
  public static Search over(Model model, ImageData data, Training training) {
    return new Search(
        model, data, training, candidates(model.described()), SearchSpec.DEFAULT, line -> {});
  }

  private static <N extends Network> List<String> candidates(Described<N, ?> network) {
    Set<String> all = new LinkedHashSet<>();
    for (String attention : network.task().candidates(network.spec())) {
      if (network.task().placements().isEmpty()) { // the network has one place
        all.add(network.spec().named(attention));
      }
      for (String place : network.task().placements()) {
        all.add(
            PlacedAttention.text(
                PlacedAttention.withDefaults(
                    PlacedAttention.parseAll(attention), Placement.parse(place))));
      }
    }
    return List.copyOf(all);
  }

  /**
   * How long the search may take.
   *
   * @param budget a time such as {@code 30m} or {@code 2h}, or a number of epochs of all trainings
   *     together such as {@code 200epochs}, with which the same seed gives the same search
   * @throws SpecException if it is neither
   */
  public Search budget(String budget) {
    return new Search(
        model, data, training, attentions, spec.withBudget(Budget.parse(budget)), lines);
  }

  /**
   * The attentions to try, instead of all.
   *
   * @param specs as for {@link Model.Builder#attention}
   * @throws SpecException if there is no such mechanism, option or place
   */
  public Search attentions(String... specs) {
    Set<String> all = new LinkedHashSet<>();
    for (String attention : specs) {
      all.add(model.described().spec().named(attention));
    }
    return new Search(model, data, training, List.copyOf(all), spec, lines);
  }

  /** The seed of the race; the final has those after it. Default 1. */
  public Search seed(long seed) {
    return new Search(model, data, training, attentions, spec.withSeed(seed), lines);
  }

  /**
   * The largest number of candidates that are compared on the test images; default 3.
   *
   * @throws SpecException if it is less than 1
   */
  public Search finalists(int most) {
    return new Search(model, data, training, attentions, spec.withFinalists(most), lines);
  }

  /** Receives a line for each training that has reached a rung or ended. */
  public Search onLine(Consumer<String> listener) {
    return new Search(model, data, training, attentions, spec, listener);
  }

  /**
   * Searches, or goes on with the same search if the folder holds a part of it.
   *
   * @param folder the folder of the search, which is created
   * @return the result
   * @throws io.fovea.errors.FoveaException if the budget is too small, no attention fits the backbone,
   *     or the training follows the test images (patience, plateau)
   * @throws io.fovea.data.DataException if the folder holds another search or cannot be written
   */
  public Result run(Path folder) {
    SearchResult result = run(model.described(), folder);
    return new Result(
        result.conclusion(),
        result.recommendations().stream()
            .filter(each -> each.cost().equals("latency_ms"))
            .reduce((first, second) -> second)
            .map(SearchResult.Recommendation::module)
            .orElse(PlacedAttention.NONE),
        result.finalists().stream()
            .map(
                each ->
                    new Finalist(
                        each.module(),
                        each.network().mean(),
                        each.difference(),
                        each.low() == null ? Double.NaN : each.low(),
                        each.high() == null ? Double.NaN : each.high(),
                        each.adjustedP(),
                        each.beyondNoise(),
                        each.network().parameters(),
                        each.network().latencyMs()))
            .toList());
  }

  private <N extends Network, D extends Dataset<?>> SearchResult run(
      Described<N, D> network, Path folder) {
    TrainingData<D> samples = data.of(network.task());
    NetworkSpec<N> fitting = network.fitting(data.source());
    return new AttentionSearch<>(
            folder,
            network.task(),
            samples,
            (attention, seed, on) ->
                io.fovea.training.Training.of(
                    network.task(),
                    fitting.withAttention(attention),
                    on,
                    training
                        .spec(network.task(), false, !data.source().fromFolder())
                        .withSeed(seed)),
            attentions,
            spec,
            Precision.FLOAT32,
            fitting.hasShortSteps() ? Threads.count() : 1)
        .run(
            Progress.NONE,
            new SearchObserver<>() {
              @Override
              public void line(String text) {
                lines.accept(text);
              }
            });
  }

  /**
   * The result of a search.
   *
   * @param conclusion what can be said, in words
   * @param recommended the attention to take if its cost does not matter; {@code none} if none beats
   *     no attention by more than the noise
   * @param finalists the comparison on the test images, the best first; empty if the budget had no
   *     room for it
   */
  public record Result(String conclusion, String recommended, List<Finalist> finalists) {
    /** Copies the list. */
    public Result {
      finalists = List.copyOf(finalists);
    }
  }

  /**
   * An attention that was compared with no attention on the test images.
   *
   * @param attention the attention, for {@link Model.Builder#attention}
   * @param score the mean over the seeds of the task's score, 0 to 1: the share of correct classes, or
   *     the mean intersection over union (mIoU)
   * @param difference the mean difference to no attention
   * @param low the lower end of its 95% interval, which holds for all finalists together; NaN with one
   *     seed
   * @param high the upper end
   * @param p the probability of such a difference without an effect, corrected for the number of
   *     finalists
   * @param beyondNoise whether that is at most 0.05
   * @param parameters the number of trained values
   * @param latencyMs the time for one image in milliseconds
   */
  public record Finalist(
      String attention,
      double score,
      double difference,
      double low,
      double high,
      double p,
      boolean beyondNoise,
      long parameters,
      double latencyMs) {}
}
