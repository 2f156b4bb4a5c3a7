package io.fovea.benchmarks;

import io.fovea.benchmarks.SearchTrainings.Setting;
import io.fovea.data.Batch;
import io.fovea.data.BatchLoader;
import io.fovea.data.Dataset;
import io.fovea.data.TrainingData;
import io.fovea.models.Network;
import io.fovea.models.weights.StateDict;
import io.fovea.training.Training;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.hipparchus.stat.correlation.KendallsCorrelation;

/**
 * What is known of a candidate before it is trained, and how well that orders the candidates: costs,
 * the norm of the first gradient, and SynFlow (H. Tanaka et al., arXiv 2006.05467; as a hint, M. S.
 * Abdelfattah et al., arXiv 2101.08134).
 */
final class SearchHints {
  private static final int IMAGES = 64;

  /**
   * A hint.
   *
   * @param name what it is
   * @param kendallsTau the rank correlation with the mean score of the candidates after the final
   */
  record Hint(String name, double kendallsTau) {}

  private SearchHints() {}

  /**
   * Compares the hints.
   *
   * @param seed the seed of the initial weights
   * @param scores the mean score of each candidate after the final
   */
  static <N extends Network, D extends Dataset<?>> List<Hint> of(
      Setting<N, D> setting, long seed, Map<String, Double> scores) {
    TrainingData<D> data = setting.open();
    Map<String, List<Double>> values = new LinkedHashMap<>();
    List<Double> wanted = new ArrayList<>();
    for (String module : setting.modules()) {
      try (PointerScope scope = new PointerScope()) {
        Training<N, D> training =
            Training.withSameBackbone(module, attention -> setting.prepared(attention, seed, data));
        N network = training.network();
        int[] size = setting.task().size(data);
        add(values, "parameters", (double) network.parameterCount());
        add(values, "multiply-accumulates", (double) network.macs(size));
        if (!network.scoresPixels()) {
          add(values, "norm of the first gradient", gradient(training));
        }
        add(values, "SynFlow", synflow(network, size));
        wanted.add(scores.get(module));
      }
    }
    return values.entrySet().stream()
        .map(each -> new Hint(each.getKey(), tau(each.getValue(), wanted)))
        .toList();
  }

  private static void add(Map<String, List<Double>> values, String name, double value) {
    values.computeIfAbsent(name, any -> new ArrayList<>()).add(value);
  }

  static double tau(List<Double> one, List<Double> other) {
    return new KendallsCorrelation()
        .correlation(
            one.stream().mapToDouble(Double::doubleValue).toArray(),
            other.stream().mapToDouble(Double::doubleValue).toArray());
  }

  /** The norm of the gradient of all weights on the first images of a training. */
  private static double gradient(Training<?, ?> training) {
    Network network = training.network();
    network.train(true);
    try (BatchLoader loader =
        BatchLoader.builder(training.samples())
            .batchSize(IMAGES)
            .shuffle(true)
            .seed(training.spec().seed())
            .build()) {
      Batch batch = loader.epoch(1).iterator().next();
      torch.cross_entropy_loss(network.scores(batch.images()), batch.labels()).backward();
    }
    return StateDict.parameters(network).values().stream()
        .map(Tensor::grad)
        .filter(Tensor::defined)
        .mapToDouble(gradient -> gradient.square().sum().item_double())
        .sum();
  }

  /** The sum of weight times gradient, of absolute weights and an input of ones. */
  private static double synflow(Network network, int... size) {
    network.eval();
    List<Tensor> weights = List.copyOf(StateDict.parameters(network).values());
    try (NoGradGuard guard = new NoGradGuard()) {
      for (Tensor weight : weights) {
        weight.abs_();
        if (weight.grad().defined()) {
          weight.mutable_grad().zero_();
        }
      }
    }
    long[] shape =
        Stream.of(LongStream.of(1, network.channels()), IntStream.of(size).asLongStream())
            .flatMapToLong(part -> part)
            .toArray();
    network.scores(torch.ones(shape)).sum().backward();
    return weights.stream()
        .filter(weight -> weight.grad().defined())
        .mapToDouble(weight -> weight.mul(weight.grad()).abs().sum().item_double())
        .sum();
  }
}
