package io.fovea.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.fovea.data.DataException;
import io.fovea.data.MaskedImage;
import io.fovea.data.Progress;
import io.fovea.data.SegmentationDataset;
import io.fovea.errors.SpecException;
import io.fovea.models.Segmenter;
import io.fovea.models.weights.StateDict;
import io.fovea.training.evaluate.Evaluation;
import io.fovea.training.evaluate.Metric;
import io.fovea.training.evaluate.TestTimeAugmentation;
import io.fovea.training.run.Run;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SegmentationTrainerTest {
  @TempDir Path folder;

  @Test
  void learnsBlocksTheSameEachTimeAndKeepsThem() {
    Path path = folder.resolve("run");
    Training<Segmenter, SegmentationDataset> training =
        Training.of(Tasks.SEGMENTATION, Blocks.MODEL, Blocks.data(), Blocks.SPEC);
    Run<Segmenter, SegmentationDataset> run =
        Run.train(path, training, Blocks.SOURCE, TrainingListener.NONE);
    List<EpochResult> again = train(Blocks.network(), Blocks.SPEC);

    Run<Segmenter, SegmentationDataset> opened = Run.open(path, Tasks.SEGMENTATION);
    EpochResult last = opened.metrics().get(1);
    assertThat(opened.config().model()).isEqualTo(Blocks.MODEL);
    assertThat(opened.config().training()).isEqualTo(Blocks.SPEC);
    assertThat(opened.config().data()).isEqualTo(run.config().data());
    assertThat(Run.task(path)).isEqualTo(Tasks.SEGMENTATION);
    assertThat(last.trainLoss()).isLessThan(opened.metrics().get(0).trainLoss());
    assertThat(last.test(Metric.PIXEL_ACCURACY)).isGreaterThan(0.6);
    assertThat(last.learningRate()).isCloseTo(0.05 * Math.pow(1 / 8.0, 0.9), within(1e-12));
    assertThat(again.get(1).testLoss()).isEqualTo(last.testLoss());
    assertThat(again.get(1).trainLoss()).isEqualTo(last.trainLoss());
    try (PointerScope scope = new PointerScope()) {
      Evaluation evaluation =
          Tasks.SEGMENTATION.evaluate(
              opened.load(Run.Weights.LAST),
              Blocks.data().test(),
              Blocks.data().normalization(),
              TestTimeAugmentation.WHOLE,
              Progress.NONE);
      assertThat(evaluation.miou()).isEqualTo(last.test(Metric.MIOU));
      assertThat(evaluation.loss()).isEqualTo(last.testLoss());
      assertThat(evaluation.labels()).isEqualTo(4 * 31 * 32); // without what is ignored
    }
    assertThatThrownBy(() -> Run.open(path, Tasks.CLASSIFICATION))
        .hasMessageEndingWith("a run of segmentation, expected one of classification");
  }

  private static List<EpochResult> train(Segmenter network, TrainingSpec spec) {
    return Trainer.train(Tasks.SEGMENTATION, network, Blocks.data(), spec, TrainingListener.NONE);
  }

  /** Looking at a network does not set its batch norms to training: they go on to be kept. */
  @Test
  void anEvaluationLeavesEveryPartInItsMode() {
    try (PointerScope scope = new PointerScope()) {
      Segmenter network = Blocks.network();
      network.trainWithFrozenBatchNorm();
      Tasks.SEGMENTATION.evaluate(
          network,
          Blocks.data().test(),
          Blocks.data().normalization(),
          TestTimeAugmentation.WHOLE,
          Progress.NONE);
      double[] before = values(network, "pretrained.bn1.running_mean");
      network.forward(torch.rand(2, 1, Blocks.SIDE, Blocks.SIDE));
      assertThat(network.is_training()).isTrue();
      assertThat(values(network, "pretrained.bn1.running_mean")).isEqualTo(before);
    }
  }

  @Test
  void anUnknownTaskIsRefused() throws Exception {
    Files.writeString(
        folder.resolve("config.json"), "{\"format\":\"fovea-run/3\",\"task\":\"juggling\"}");
    assertThatThrownBy(() -> Run.task(folder))
        .isInstanceOf(DataException.class)
        .hasMessageEndingWith("unknown task \"juggling\"");
  }

  /** The network's statistics stay; the head's follow the batches. */
  @Test
  void keepsTheBackbonesStatistics() {
    try (PointerScope scope = new PointerScope()) {
      Segmenter network = Blocks.network();
      double[] before = values(network, "pretrained.bn1.running_mean");
      double[] head = values(network, "head.conv5a.1.running_mean");
      TrainingSpec spec =
          Blocks.SPEC.withEpochs(1).withExtras(Blocks.EXTRAS.withKeptStatistics(true));
      train(network, spec);
      assertThat(values(network, "pretrained.bn1.running_mean")).isEqualTo(before);
      assertThat(values(network, "head.conv5a.1.running_mean")).isNotEqualTo(head);
    }
  }

  @Test
  void aLossOfNothingIsZero() {
    try (PointerScope scope = new PointerScope()) {
      Tensor scores = torch.randn(1, 2, 3, 3).set_requires_grad(true);
      long[] ignored = new long[9];
      Arrays.fill(ignored, MaskedImage.IGNORED);
      Tensor loss =
          SegmentationTask.loss(
              new Segmenter.Scores(scores, List.of()),
              Tensor.create(ignored, 1, 3, 3),
              1,
              new TensorOptional());
      assertThat(loss.item_double()).isZero();
      loss.backward();
      assertThat(scores.grad().abs().sum().item_double()).isZero();
    }
  }

  @Test
  void weightsOfAnotherNumberOfClassesAreRefused() {
    TrainingSpec spec =
        Blocks.SPEC.withExtras(
            Blocks.EXTRAS.withClassWeights(ClassWeights.of(List.of(1.0, 1.0, 1.0))));
    assertThatThrownBy(() -> train(Blocks.network(), spec))
        .isInstanceOf(SpecException.class)
        .hasMessage("expected a weight for each of the 2 classes, got 3");
  }

  /** 1 / ln(1.02 + share): of 992 labelled pixels an image, a quarter of 1024 at most are a block. */
  @Test
  void rareClassesWeighMore() {
    List<Double> weights = SegmentationExtras.balanced(Blocks.images(0, 16));
    long[] counts = new long[2];
    for (int i = 0; i < 16; i++) {
      for (byte label : Blocks.image(i).labels()) {
        if (label >= 0) {
          counts[label]++;
        }
      }
    }
    double share = (double) counts[1] / (counts[0] + counts[1]);
    assertThat(weights.get(1)).isCloseTo(1 / Math.log(1.02 + share), within(1e-12));
    assertThat(weights.get(1)).isGreaterThan(weights.get(0));
  }

  private static double[] values(Segmenter network, String name) {
    Tensor tensor = StateDict.of(network).get(name).to(torch.ScalarType.Double).contiguous();
    double[] values = new double[(int) tensor.numel()];
    tensor.data_ptr_double().get(values);
    return values;
  }
}
