package io.fovea.training.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fovea.data.ImageDataset;
import io.fovea.data.Normalization;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.models.Classifier;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import io.fovea.training.Shades;
import io.fovea.training.Tasks;
import io.fovea.training.Trainer;
import io.fovea.training.TrainingListener;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Numeric
class EvaluationTest {
  private static final Normalization PLAIN = new Normalization(List.of(0.5), List.of(0.25));

  @Test
  void countsAndAverages() {
    Classifier bright = Shades.constant(0, 1);

    Evaluation evaluation = Shades.evaluate(bright, Shades.images(0, 1, 1), PLAIN);

    assertThat(evaluation.confusion()).isDeepEqualTo(new long[][] {{0, 1}, {0, 2}});
    assertThat(evaluation.labels()).isEqualTo(3);
    assertThat(evaluation.labels(0)).isEqualTo(1);
    assertThat(evaluation.labels(1)).isEqualTo(2);
    assertThat(evaluation.top1()).isEqualTo(2 / 3.0);
    double right = Math.log(1 + Math.exp(-1));
    assertThat(evaluation.loss())
        .isCloseTo((right + 1 + 2 * right) / 3, within(16 * Rounding.UNIT));
  }

  @Test
  void top1IsTheDiagonalsShare() {
    Evaluation evaluation = new Evaluation(0, new long[][] {{3, 1, 0}, {0, 4, 1}, {2, 0, 9}});

    assertThat(evaluation.top1()).isEqualTo(16 / 20.0);
    assertThat(evaluation.labels(2)).isEqualTo(11);
  }

  @Test
  void agreesWithTheNetworksScores() {
    TrainingData<ImageDataset> data = Shades.data();
    Classifier network = Shades.network(1);
    Trainer.train(Tasks.CLASSIFICATION, network, data, Shades.TRAINING, TrainingListener.NONE);
    double[] scores = Shades.scores(network, data);
    long[][] confusion = new long[2][2];
    for (int i = 0; i < data.test().size(); i++) {
      confusion[data.test().label(i)][scores[2 * i] >= scores[2 * i + 1] ? 0 : 1]++;
    }

    Evaluation evaluation = Shades.evaluate(network, data.test(), data.normalization());

    assertThat(evaluation.confusion()).isDeepEqualTo(confusion);
  }

  /** More than one batch, the last not full, and every image told of. */
  @Test
  void takesAllImages() {
    long[] told = {0};
    Progress progress =
        new Progress() {
          @Override
          public void begin(String task, long total) {}

          @Override
          public void step(long count) {
            told[0] += count;
          }

          @Override
          public void end() {}
        };

    Evaluation evaluation =
        Tasks.CLASSIFICATION.evaluate(
            Shades.constant(1, 0), Shades.images(451), PLAIN, TestTimeAugmentation.WHOLE, progress);

    assertThat(evaluation.confusion()).isDeepEqualTo(new long[][] {{226, 0}, {225, 0}});
    assertThat(evaluation.top1()).isEqualTo(226 / 451.0);
    assertThat(told[0]).isEqualTo(451);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void leavesTheNetworkAsItWas(boolean training) {
    Classifier network = Shades.network(1);
    network.train(training);
    var before = Shades.values(network);

    Shades.evaluate(network, Shades.images(4), PLAIN);

    assertThat(network.is_training()).isEqualTo(training);
    // running statistics included
    assertThat(Shades.values(network))
        .allSatisfy((name, now) -> assertThat(Arrays.equals(now, before.get(name))).isTrue());
  }
}
