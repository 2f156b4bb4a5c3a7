package io.fovea.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.fovea.data.DataException;
import io.fovea.data.ImageDataset;
import io.fovea.models.Classifier;
import io.fovea.models.weights.StateDict;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.evaluate.Metric;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

@Numeric
class TrainerTest {

  private static TrainingSpec spec(
      int epochs, int batchSize, double learningRate, double weightDecay, double warmup) {
    return new TrainingSpec(
            epochs,
            batchSize,
            learningRate,
            0.9,
            weightDecay,
            false,
            1,
            new ClassificationExtras(0, 0))
        .withSchedule(Schedule.COSINE.withWarmup(warmup));
  }

  private static Map<String, double[]> trained(long initial, TrainingSpec spec) {
    Classifier network = Shades.network(initial);
    Trainer.train(Tasks.CLASSIFICATION, network, Shades.data(), spec, TrainingListener.NONE);
    return Shades.values(network);
  }

  private static boolean same(Map<String, double[]> one, Map<String, double[]> other) {
    assertThat(one.keySet()).isEqualTo(other.keySet());
    return one.keySet().stream().allMatch(name -> Arrays.equals(one.get(name), other.get(name)));
  }

  @Test
  void theSameSeedGivesTheSameWeightsBitForBit() {
    TrainingSpec augmented =
        new TrainingSpec(2, 8, 0.05, 0.9, 5e-4, true, 5, new ClassificationExtras(0.1, 1));

    assertThat(same(trained(1, augmented), trained(1, augmented))).isTrue();
  }

  @Test
  void anotherSeedGivesOtherWeights() {
    TrainingSpec spec = Shades.TRAINING;

    // the same initial weights, another order of the images
    assertThat(same(trained(1, spec), trained(1, spec.withSeed(2)))).isFalse();
    assertThat(same(trained(1, spec), trained(2, spec))).isFalse();
  }

  /** What the Javadoc promises of the seed, for who makes the network through a training. */
  @Test
  void theSeedMakesTheInitialWeights() {
    TrainingSpec spec = Shades.TRAINING;
    torch.manual_seed(99);
    Classifier one = Shades.training(spec).network();
    torch.rand(7); // somebody else uses the generator
    Classifier same = Shades.training(spec).network();
    Classifier other = Shades.training(spec.withSeed(2)).network();

    assertThat(same(Shades.values(one), Shades.values(same))).isTrue();
    assertThat(same(Shades.values(one), Shades.values(other))).isFalse();
  }

  @Test
  void aTrainingGivesWhatTheSeedsNetworkGives() {
    Training<Classifier, ImageDataset> training = Shades.training(Shades.TRAINING);
    training.start(TrainingListener.NONE);

    assertThat(same(Shades.values(training.network()), trained(1, Shades.TRAINING))).isTrue();
  }

  @Test
  void learnsTwoEasyClasses() {
    Classifier network = Shades.network(1);
    TrainingSpec spec = spec(10, 8, 0.05, 5e-4, 0.2);

    List<EpochResult> epochs =
        Trainer.train(Tasks.CLASSIFICATION, network, Shades.data(), spec, TrainingListener.NONE);

    EpochResult first = epochs.get(0);
    EpochResult last = epochs.get(9);
    assertThat(last.trainLoss()).isLessThan(0.5 * first.trainLoss());
    assertThat(last.train(Metric.TOP1)).isGreaterThan(0.9);
    assertThat(last.test(Metric.TOP1)).isGreaterThan(0.9);
    assertThat(last.testLoss()).isLessThan(first.testLoss());
    assertThat(last.learningRate()).isCloseTo(0, within(1e-12));
    assertThat(epochs).allMatch(epoch -> epoch.seconds() > 0 && epoch.imagesPerSecond() > 0);
    assertThat(network.is_training()).isFalse();
    assertThat(Shades.evaluate(network, Shades.data().test(), Shades.data().normalization()).top1())
        .isEqualTo(last.test(Metric.TOP1));
  }

  /** One step from the same weights: what decay adds is the rate times the decay times the weight. */
  @Test
  void weightsOfOneDimensionDoNotDecay() {
    Map<String, double[]> initial = Shades.values(Shades.network(1));
    Map<String, double[]> plain = trained(1, spec(1, 40, 0.1, 0, 1));
    Map<String, double[]> decayed = trained(1, spec(1, 40, 0.1, 0.5, 1));

    List<String> free = new ArrayList<>();
    List<String> decaying = new ArrayList<>();
    try (PointerScope scope = new PointerScope()) {
      StateDict.parameters(Shades.network(1))
          .forEach((name, tensor) -> (tensor.dim() > 1 ? decaying : free).add(name));
    }

    assertThat(free).anyMatch(name -> name.endsWith("bias")).anyMatch(name -> name.contains("bn"));
    assertThat(free).allSatisfy(name -> assertThat(decayed.get(name)).isEqualTo(plain.get(name)));
    assertThat(decaying).hasSizeGreaterThan(7);
    for (String name : decaying) {
      for (int i = 0; i < initial.get(name).length; i++) {
        assertThat(decayed.get(name)[i])
            .as(name)
            .isCloseTo(
                plain.get(name)[i] - 0.1 * 0.5 * initial.get(name)[i], within(16 * Rounding.UNIT));
      }
    }
  }

  @Test
  void labelSmoothingChangesTheLoss() {
    List<Double> losses = new ArrayList<>();
    TrainingListener listener =
        new TrainingListener() {
          @Override
          public void step(int images, double loss) {
            losses.add(loss);
          }
        };
    // Scores 0 and ln 3 for a balanced batch: the mean over the labels is that over all classes.
    Trainer.train(
        Tasks.CLASSIFICATION,
        Shades.constant(0, (float) Math.log(3)),
        Shades.data(),
        new TrainingSpec(1, 40, 1e-6, 0, 0, false, 1, new ClassificationExtras(0.2, 0))
            .withSchedule(Schedule.COSINE.withWarmup(0)),
        listener);

    double mean = -(Math.log(0.25) + Math.log(0.75)) / 2;
    assertThat(losses).hasSize(1);
    assertThat(losses.get(0)).isCloseTo(mean, within(16 * Rounding.UNIT));
  }

  @Test
  void aLossThatIsNotANumberEndsTheTraining() {
    assertThatThrownBy(() -> trained(1, spec(3, 8, 1e30, 0, 0)))
        .isInstanceOf(DataException.class)
        .hasMessageMatching(
            "the loss is (NaN|Infinity) in epoch 1: the training diverged; try a learning rate below"
                + " 1\\.0E30");
  }

  @Test
  void theListenerIsToldOfEveryStepAndEpoch() {
    List<String> told = new ArrayList<>();
    List<EpochResult> epochs = new ArrayList<>();
    double[] losses = {0};
    TrainingListener listener =
        new TrainingListener() {
          @Override
          public void step(int images, double loss) {
            told.add("step of " + images);
            losses[0] += loss;
          }

          @Override
          public void epoch(EpochResult metrics, Evaluation test) {
            told.add("epoch " + metrics.epoch());
            epochs.add(metrics);
            assertThat(test.top1()).isEqualTo(metrics.test(Metric.TOP1));
            assertThat(test.loss()).isEqualTo(metrics.testLoss());
            assertThat(metrics.trainLoss()).isCloseTo(losses[0] / 2, within(1e-12));
            losses[0] = 0;
          }
        };

    List<EpochResult> history =
        Trainer.train(
            Tasks.CLASSIFICATION,
            Shades.network(1),
            Shades.data(),
            spec(2, 16, 0.01, 0, 0),
            listener);

    // 40 images are two batches of 16; what is left is left out
    assertThat(told)
        .containsExactly(
            "step of 16", "step of 16", "epoch 1", "step of 16", "step of 16", "epoch 2");
    assertThat(history).isEqualTo(epochs);
  }

  @Test
  void aBatchIsNoLargerThanTheData() {
    List<Integer> steps = new ArrayList<>();
    TrainingListener listener =
        new TrainingListener() {
          @Override
          public void step(int images, double loss) {
            steps.add(images);
          }
        };

    Trainer.train(
        Tasks.CLASSIFICATION,
        Shades.network(1),
        Shades.data(),
        spec(1, 1000, 0.01, 0, 0),
        listener);

    assertThat(steps).containsExactly(40);
  }
}
