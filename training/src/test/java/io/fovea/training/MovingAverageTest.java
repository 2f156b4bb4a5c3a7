package io.fovea.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fovea.data.DataException;
import io.fovea.data.ImageDataset;
import io.fovea.errors.SpecException;
import io.fovea.models.Classifier;
import io.fovea.testing.Numeric;
import io.fovea.training.evaluate.Metric;
import io.fovea.training.run.Run;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Numeric
class MovingAverageTest {
  @TempDir Path folder;

  private static Tensor numbers(String name, int count) {
    return Tensor.create(OptimizationTest.uniform(name, count)).clone();
  }

  /** timm's numbers, after each step. */
  @ParameterizedTest
  @ValueSource(doubles = {0.5, 0.9998})
  void isThatOfTimm(double decay) throws Exception {
    JsonNode golden;
    try (InputStream in = getClass().getResourceAsStream("/golden/ema.json")) {
      golden = new ObjectMapper().readTree(in).path("cases").path(Double.toString(decay));
    }
    assertThat(golden).hasSize(6);
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> network = new LinkedHashMap<>();
      network.put("weight", numbers("weight", 4));
      network.put("running_mean", numbers("running_mean", 2));
      network.put("num_batches_tracked", Tensor.create(0L));
      MovingAverage average = new MovingAverage(network, decay);
      for (int step = 1; step <= golden.size(); step++) {
        network.get("weight").copy_(numbers("weight " + step, 4));
        network.get("running_mean").copy_(numbers("running_mean " + step, 2));
        network.get("num_batches_tracked").copy_(Tensor.create((long) step));
        average.update(step);

        JsonNode expected = golden.get(step - 1);
        for (String name : List.of("weight", "running_mean")) {
          double[] now = OptimizationTest.values(average.tensors().get(name));
          for (int i = 0; i < now.length; i++) {
            assertThat(now[i])
                .as("%s %d after step %d", name, i, step)
                .isCloseTo(expected.path(name).get(i).asDouble(), within(1e-12));
          }
        }
        assertThat(average.tensors().get("num_batches_tracked").item_long()).isEqualTo(step);
      }
    }
  }

  private static TrainingSpec averaged(double decay) {
    return Shades.TRAINING.withOptimization(Optimization.DEFAULT.withEma(decay));
  }

  /** With a decay of 0, the average is the network; the training itself never notices the average. */
  @Test
  void isEvaluatedAndSavedBesideTheWeights() {
    Run<Classifier, ImageDataset> plain = Shades.train(folder.resolve("plain"), Shades.TRAINING);
    Run<Classifier, ImageDataset> run = Shades.train(folder.resolve("averaged"), averaged(0.9));

    assertThat(values(run, Run.Weights.LAST))
        .usingRecursiveComparison()
        .isEqualTo(values(plain, Run.Weights.LAST));
    assertThat(values(run, Run.Weights.EMA).get("fc.weight"))
        .isNotEqualTo(values(run, Run.Weights.LAST).get("fc.weight"));
    EpochResult last = run.metrics().get(2);
    Classifier network = run.load(Run.Weights.EMA);
    assertThat(Shades.evaluate(network, Shades.data().test(), Shades.data().normalization()).top1())
        .isEqualTo(last.average(Metric.TOP1));
    assertThat(plain.metrics().get(2).average(Metric.TOP1)).isNaN();
    assertThatThrownBy(() -> plain.load(Run.Weights.EMA))
        .isInstanceOf(DataException.class)
        .hasMessageEndingWith("the file does not exist; only trainings with --ema have it");
  }

  private static Map<String, double[]> values(
      Run<Classifier, ImageDataset> run, Run.Weights weights) {
    return Shades.values(run.load(weights));
  }

  @Test
  void decaysOutOfRangeAreRefused() {
    assertThatThrownBy(() -> averaged(1))
        .isInstanceOf(SpecException.class)
        .hasMessage("the decay of the average must be from 0 to below 1, got 1.0");
  }
}
