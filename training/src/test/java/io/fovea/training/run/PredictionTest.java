package io.fovea.training.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fovea.data.Image;
import io.fovea.data.ImageDataset;
import io.fovea.data.TrainingData;
import io.fovea.models.Classifier;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import io.fovea.training.Shades;
import io.fovea.training.Tasks;
import io.fovea.training.Trainer;
import io.fovea.training.TrainingListener;
import io.fovea.training.evaluate.Prediction;
import io.fovea.training.evaluate.TestTimeAugmentation;
import java.util.Comparator;
import java.util.List;
import org.junit.jupiter.api.Test;

@Numeric
class PredictionTest {
  private static List<Prediction> predictions(Classifier network, Image image) {
    return Tasks.CLASSIFICATION
        .predict(network, image, Shades.preprocessing(), TestTimeAugmentation.WHOLE)
        .ranked();
  }

  @Test
  void probabilitiesAreTheSoftmaxOfTheScoresTheHighestFirst() {
    TrainingData<ImageDataset> data = Shades.data();
    Classifier network = Shades.constant(0, (float) Math.log(3));

    List<Prediction> predictions = predictions(network, data.test().sample(0).image());

    assertThat(predictions).extracting(Prediction::name).containsExactly("bright", "dark");
    assertThat(predictions).extracting(Prediction::label).containsExactly(1, 0);
    assertThat(predictions.get(0).probability()).isCloseTo(0.75, within(16 * Rounding.UNIT));
    assertThat(predictions.get(1).probability()).isCloseTo(0.25, within(16 * Rounding.UNIT));
  }

  @Test
  void ofATrainedNetworkSumToOneAndFollowTheScores() {
    TrainingData<ImageDataset> data = Shades.data();
    Classifier network = Shades.network(1);
    Trainer.train(Tasks.CLASSIFICATION, network, data, Shades.TRAINING, TrainingListener.NONE);
    double[] scores = Shades.scores(network, data);

    for (int i = 0; i < data.test().size(); i++) {
      List<Prediction> predictions = predictions(network, data.test().sample(i).image());

      assertThat(predictions.stream().mapToDouble(Prediction::probability).sum())
          .isCloseTo(1, within(16 * Rounding.UNIT));
      assertThat(predictions)
          .isSortedAccordingTo(Comparator.comparingDouble(Prediction::probability).reversed());
      double odds = Math.exp(-Math.abs(scores[2 * i] - scores[2 * i + 1]));
      assertThat(predictions.get(0).label()).isEqualTo(scores[2 * i] >= scores[2 * i + 1] ? 0 : 1);
      assertThat(predictions.get(0).probability())
          .isCloseTo(1 / (1 + odds), within(Rounding.byReference(0, 1)));
    }
  }
}
