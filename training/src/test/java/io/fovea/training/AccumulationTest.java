package io.fovea.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fovea.data.BatchLoader;
import io.fovea.data.ImageDataset;
import io.fovea.data.Normalization;
import io.fovea.models.Classifier;
import io.fovea.models.weights.StateDict;
import io.fovea.testing.Numeric;
import io.fovea.training.processes.Group;
import java.util.List;
import java.util.Map;
import org.assertj.core.data.Offset;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Numeric
class AccumulationTest {
  private static final Offset<Double> EXACT = within(1e-12);

  /**
   * Trains for two epochs in float64. Batch norms are in evaluation mode, where an image does not
   * depend on the others of its batch.
   */
  private static Map<String, double[]> trained(
      Optimization.Method method, int images, int batch, int together) {
    ImageDataset train = Shades.images(images);
    TrainingSpec spec =
        Shades.TRAINING
            .withEpochs(2)
            .withBatchSize(batch)
            .withLearningRate(0.01)
            .withOptimization(
                Optimization.DEFAULT.withMethod(method).withClip(0.5).withAccumulate(together));
    Classifier network = Shades.network(1);
    try (PointerScope scope = new PointerScope();
        BatchLoader loader =
            BatchLoader.builder(train, Normalization.of(train))
                .batchSize(batch)
                .shuffle(true)
                .seed(1)
                .build()) {
      network.to(torch.ScalarType.Double, false);
      Optimizers optimizers = new Optimizers(spec);
      optimizers.add(StateDict.parameters(network), 0.01, 1);
      Loop.Objective objective =
          next -> {
            Tensor scores = network.forward(next.images().to(torch.ScalarType.Double));
            Tensor loss = ClassTask.entropy(scores, next.labels(), 0.1, new TensorOptional());
            return new Loop.Step(loss, 0, next.indices().length);
          };
      Loop loop =
          new Loop(network, optimizers, objective, network::eval, loader, spec, Group.ALONE);
      loop.epoch(1, 2, List.of(), TrainingListener.NONE, () -> {});
      loop.epoch(2, 2, List.of(), TrainingListener.NONE, () -> {});
    }
    return Shades.values(network);
  }

  @ParameterizedTest
  @CsvSource({"SGD, 32, 16, 4", "ADAMW, 32, 16, 4", "RMSPROP, 32, 16, 4", "SGD, 24, 16, 4"})
  void severalBatchesAreOneLargeBatch(
      Optimization.Method method, int images, int batch, int together) {
    Map<String, double[]> one = trained(method, images, batch, 1);
    Map<String, double[]> several = trained(method, images, batch / together, together);

    assertThat(several.keySet()).isEqualTo(one.keySet());
    one.forEach((name, values) -> assertThat(several.get(name)).containsExactly(values, EXACT));
    assertThat(one.get("fc.weight"))
        .isNotEqualTo(Shades.values(Shades.network(1)).get("fc.weight"));
  }
}
