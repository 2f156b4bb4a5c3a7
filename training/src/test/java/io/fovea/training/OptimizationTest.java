package io.fovea.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fovea.errors.SpecException;
import io.fovea.testing.Numeric;
import io.fovea.training.evaluate.Metric;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Optimizer;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Numeric
class OptimizationTest {
  /** The numbers of scripts/golden/filling.py. */
  static double[] uniform(String name, int count) {
    CRC32 crc = new CRC32();
    crc.update(name.getBytes(StandardCharsets.UTF_8));
    double[] values = new double[count];
    for (int i = 0; i < count; i++) {
      int x = (int) (crc.getValue() + i);
      x = (x ^ (x >>> 16)) * 0x85EBCA6B;
      x = (x ^ (x >>> 13)) * 0xC2B2AE35;
      x ^= x >>> 16;
      values[i] = Integer.toUnsignedLong(x) / 0x1p31 - 1;
    }
    return values;
  }

  static double[] values(Tensor tensor) {
    double[] values = new double[(int) tensor.numel()];
    tensor.data_ptr_double().get(values);
    return values;
  }

  /** PyTorch's numbers, with a learning rate that changes. */
  @ParameterizedTest
  @CsvSource({
    "SGD, 0.01, false",
    "SGD, 0.01, true",
    "ADAMW, 0.05, false",
    "ADAMW, 0.05, true",
    "RMSPROP, 0.01, false",
    "RMSPROP, 0.01, true"
  })
  void stepsAreThoseOfPyTorch(Optimization.Method method, double decay, boolean clipped)
      throws Exception {
    JsonNode golden;
    try (InputStream in = getClass().getResourceAsStream("/golden/optimizers.json")) {
      golden = new ObjectMapper().readTree(in);
    }
    JsonNode expected = golden.path("cases").path(method + (clipped ? " clipped" : ""));
    assertThat(expected).hasSize(5);
    try (PointerScope scope = new PointerScope()) {
      Tensor weight = Tensor.create(uniform("weight", 6)).view(3, 2).clone();
      Tensor bias = Tensor.create(uniform("bias", 3)).clone();
      Map<String, Tensor> parameters = new LinkedHashMap<>();
      parameters.put("weight", weight.set_requires_grad(true));
      parameters.put("bias", bias.set_requires_grad(true));
      Optimizer optimizer =
          Optimization.DEFAULT.withMethod(method).optimizer(parameters, 0.1, 0.9, decay);
      for (int step = 0; step < expected.size(); step++) {
        optimizer.zero_grad();
        for (Map.Entry<String, Tensor> entry : parameters.entrySet()) {
          Tensor parameter = entry.getValue();
          Tensor gradient =
              Tensor.create(uniform(entry.getKey() + " " + step, (int) parameter.numel()))
                  .view(parameter.shape());
          parameter.mul(gradient).sum().backward();
        }
        if (clipped) {
          Optimizers.clip(List.copyOf(parameters.values()), golden.path("clip").asDouble());
        }
        optimizer.param_groups().get(0).options().set_lr(0.1 / (step + 1));
        optimizer.step();
        for (Map.Entry<String, Tensor> entry : parameters.entrySet()) {
          double[] now = values(entry.getValue());
          for (int i = 0; i < now.length; i++) {
            assertThat(now[i])
                .as("%s %d after step %d", entry.getKey(), i, step)
                .isCloseTo(
                    expected.get(step).path(entry.getKey()).get(i).asDouble(), within(1e-12));
          }
        }
      }
    }
  }

  @Test
  void smallGradientsAreNotClipped() {
    try (PointerScope scope = new PointerScope()) {
      Tensor parameter = Tensor.create(uniform("weight", 6)).clone().set_requires_grad(true);
      parameter.mul(Tensor.create(uniform("small", 6))).sum().backward();
      double[] before;
      try (NoGradGuard guard = new NoGradGuard()) {
        before = values(parameter.grad());
        Optimizers.clip(List.of(parameter), 100);
        assertThat(values(parameter.grad())).isEqualTo(before);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"ADAMW, 0.01", "RMSPROP, 0.001"})
  void everyOptimiserLearns(Optimization.Method method, double rate) {
    TrainingSpec spec =
        Shades.TRAINING
            .withEpochs(6)
            .withLearningRate(rate)
            .withOptimization(Optimization.DEFAULT.withMethod(method).withClip(5));

    List<EpochResult> epochs = Shades.training(spec).start(TrainingListener.NONE);

    assertThat(epochs.get(5).test(Metric.TOP1)).isGreaterThan(0.9);
  }

  @Test
  void patienceEndsATraining() {
    TrainingSpec spec =
        Shades.TRAINING.withEpochs(40).withOptimization(Optimization.DEFAULT.withPatience(2));

    List<EpochResult> epochs = Shades.training(spec).start(TrainingListener.NONE);

    // the classes are easy: the score is perfect long before the last epoch, and cannot become
    // better
    assertThat(epochs).hasSizeLessThan(40);
    assertThat(EpochResult.best(Tasks.CLASSIFICATION, epochs)).isEqualTo(epochs.size() - 2);
  }

  @Test
  void valuesOutOfRangeAreRefused() {
    assertThatThrownBy(() -> Optimization.DEFAULT.withClip(-1))
        .isInstanceOf(SpecException.class)
        .hasMessage("the largest norm of the gradients must be at least 0, got -1.0");
    assertThatThrownBy(() -> Optimization.DEFAULT.withPatience(-1))
        .isInstanceOf(SpecException.class);
  }
}
