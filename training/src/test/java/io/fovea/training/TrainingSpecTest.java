package io.fovea.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.fovea.data.Augmentation;
import io.fovea.errors.SpecException;
import io.fovea.training.run.Json;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TrainingSpecTest {

  private static TrainingSpec warmup(double warmup) {
    return new TrainingSpec(1, 16, 0.1, 0.9, 0, false, 1, new ClassificationExtras(0, 0))
        .withSchedule(Schedule.COSINE.withWarmup(warmup));
  }

  private static double rate(double warmup, long step, long steps) {
    return warmup(warmup).schedule().rate(0.1, new Schedule.Position(step, steps, 0, List.of()));
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0.025", // a quarter of the way up
    "1, 0.05",
    "2, 0.075",
    "3, 0.1", // the top
    "7, 0.08535533905932738", // (1 + cos 45°) / 2 of it
    "11, 0.05", // half the way down
    "15, 0.014644660940672627",
    "19, 0"
  })
  void warmsUpInALineAndFallsAlongACosine(long step, double rate) {
    assertThat(rate(0.2, step, 20)).isCloseTo(rate, within(1e-12));
  }

  @Test
  void withoutWarmUpFallsFromTheFirstStep() {
    assertThat(rate(0, 0, 4)).isCloseTo(0.08535533905932738, within(1e-12));
    assertThat(rate(0, 1, 4)).isCloseTo(0.05, within(1e-12));
  }

  @Test
  void withNothingButWarmUpEndsAtTheTop() {
    assertThat(rate(1, 0, 4)).isCloseTo(0.025, within(1e-12));
    assertThat(rate(1, 3, 4)).isCloseTo(0.1, within(1e-12));
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, 0.05, 0.33, 0.5, 1})
  void neverLeavesZeroToTheHighestRate(double warmup) {
    for (int steps = 1; steps < 30; steps++) {
      for (int step = 0; step < steps; step++) {
        assertThat(rate(warmup, step, steps)).isBetween(0.0, 0.1);
      }
    }
  }

  @Test
  void augmentationIsOfTheSpec() {
    assertThat(ClassificationExtras.DEFAULT.augmentation(true))
        .isEqualTo(new Augmentation(2, true));
    assertThat(new ClassificationExtras(0, 0).augmentation(false)).isEqualTo(Augmentation.NONE);
  }

  @Test
  void withSeedChangesTheSeedAlone() {
    TrainingSpec other = TrainingSpec.CLASSIFICATION.withSeed(7);

    assertThat(other.seed()).isEqualTo(7);
    assertThat(other).isNotEqualTo(TrainingSpec.CLASSIFICATION);
    assertThat(other.withSeed(1)).isEqualTo(TrainingSpec.CLASSIFICATION);
  }

  @Test
  void isReadBackFromJson() throws Exception {
    String json = Json.MAPPER.writeValueAsString(TrainingSpec.CLASSIFICATION);

    assertThat(json).contains("\"learning_rate\" : 0.1").doesNotContain("augmentation");
    assertThat(Json.MAPPER.readValue(json, TrainingSpec.class))
        .isEqualTo(TrainingSpec.CLASSIFICATION);
  }

  @Test
  void theSegmentationsIsReadBackFromJson() throws Exception {
    TrainingSpec spec =
        TrainingSpec.SEGMENTATION.withExtras(
            SegmentationExtras.DEFAULT.withClassWeights(ClassWeights.of(List.of(1.0, 2.5))));

    assertThat(Json.MAPPER.readValue(Json.MAPPER.writeValueAsString(spec), TrainingSpec.class))
        .isEqualTo(spec);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "0|16|0.1|0.9|0|0|0|0|epochs must be at least 1, got 0",
        "1|1|0.1|0.9|0|0|0|0|the batch size must be at least 2, got 1",
        "1|16|0|0.9|0|0|0|0|the learning rate must be above 0, got 0.0",
        "1|16|NaN|0.9|0|0|0|0|the learning rate must be above 0, got NaN",
        "1|16|Infinity|0.9|0|0|0|0|the learning rate must be above 0, got Infinity",
        "1|16|0.1|1|0|0|0|0|momentum must be from 0 to below 1, got 1.0",
        "1|16|0.1|-0.1|0|0|0|0|momentum must be from 0 to below 1, got -0.1",
        "1|16|0.1|0.9|-1|0|0|0|weight decay must be from 0 to below 1, got -1.0",
        "1|16|0.1|0.9|1|0|0|0|weight decay must be from 0 to below 1, got 1.0",
        "1|16|0.1|0.9|0|1.5|0|0|warm-up must be from 0 to 1, got 1.5",
        "1|16|0.1|0.9|0|-0.5|0|0|warm-up must be from 0 to 1, got -0.5",
        "1|16|0.1|0.9|0|0|1|0|label smoothing must be from 0 to below 1, got 1.0",
        "1|16|0.1|0.9|0|0|-1|0|label smoothing must be from 0 to below 1, got -1.0",
        "1|16|0.1|0.9|0|0|0|-1|the crop padding must be at least 0, got -1"
      })
  void valuesOutOfRangeAreRefused(
      int epochs,
      int batchSize,
      double learningRate,
      double momentum,
      double weightDecay,
      double warmup,
      double labelSmoothing,
      int cropPadding,
      String message) {
    assertThatThrownBy(
            () ->
                new TrainingSpec(
                        epochs,
                        batchSize,
                        learningRate,
                        momentum,
                        weightDecay,
                        false,
                        1,
                        new ClassificationExtras(labelSmoothing, cropPadding))
                    .withSchedule(Schedule.COSINE.withWarmup(warmup)))
        .isInstanceOf(SpecException.class)
        .hasMessage(message);
  }
}
