package io.fovea.explain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fovea.data.BatchLoader;
import io.fovea.data.ImageDataset;
import io.fovea.data.Progress;
import io.fovea.data.TrainingData;
import io.fovea.data.bundled.FashionMnist;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

/** Means over images in batches, against the explanations of the images one by one. */
@Numeric
class DatasetExplanationTest {
  /**
   * Of factors and shares of at most 1: of a batch a network's sums have another order than of one
   * image, and some ten thousand roundings behind each number go up and down.
   */
  private static final double ROUNDING = 128 * Rounding.UNIT;

  private static final int EACH = 3; // 30 images: two batches, the second not full

  @Test
  void averagesWhatEachImageHas() {
    torch.manual_seed(5);
    TrainingData<ImageDataset> data = FashionMnist.sample();
    ImageDataset images = data.test().limit(10 * EACH);
    Classifier network =
        new ModelSpec("resnet8", 10, 1, 0.25, "cbam:reduction=2; nonlocal@stage:2; cam@head")
            .create();
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

    DatasetExplanation survey =
        DatasetExplanation.of(network, images, data.normalization(), progress);

    assertThat(told[0]).isEqualTo(10 * EACH);
    assertThat(network.is_training()).isTrue(); // as it was
    assertThat(survey.images()).containsOnly(EACH).hasSize(10);
    assertThat(survey.modules())
        .extracting(DatasetExplanation.Module::name)
        .containsExactly(
            "layer1.0.cbam", "layer2.0.cbam", "nonlocal2", "layer3.0.cbam", "cam_head");
    double[] gates = new double[8]; // of the last class
    double[] map = new double[14 * 14];
    double[] received = new double[7 * 7];
    double[] all = new double[8];
    for (int i = 0; i < images.size(); i++) {
      try (PointerScope scope = new PointerScope()) {
        Tensor image = BatchLoader.toTensor(images.sample(i).image(), data.normalization());
        Explanation one = Explanation.of(network, image);
        Explanation.Module cbam = one.module("layer2.0.cbam");
        add(all, cbam.channel().orElseThrow().values(), 10 * EACH);
        if (images.label(i) == 9) {
          add(gates, cbam.channel().orElseThrow().values(), EACH);
        }
        add(map, cbam.spatial().orElseThrow().values(), 10 * EACH);
        Affinity affinity = one.module("nonlocal2").affinity().orElseThrow();
        add(received, affinity.received(), 10 * EACH);
      }
    }
    DatasetExplanation.Module cbam = survey.modules().get(1);
    assertClose(cbam.gates().orElseThrow()[9], gates);
    assertClose(cbam.meanGates(), all);
    assertThat(cbam.betweenClasses()).isPositive();
    DatasetExplanation.AverageMap average = cbam.map().orElseThrow();
    assertThat(List.of(average.plane().height(), average.plane().width())).containsExactly(14, 14);
    assertThat(average.received()).isFalse();
    assertClose(average.plane().values(), map);
    DatasetExplanation.Module nonlocal = survey.modules().get(2);
    assertThat(nonlocal.gates()).isEmpty();
    assertThat(nonlocal.map().orElseThrow().received()).isTrue();
    assertClose(nonlocal.map().orElseThrow().plane().values(), received);
    assertThat(survey.modules().get(4).map()).isEmpty();
    assertThat(survey.mostDifferent())
        .containsExactlyInAnyOrder(0, 1, 2, 3, 4, 5, 6, 7, 8, 9); // one order for all modules
  }

  private static void add(double[] sums, float[] values, int count) {
    for (int i = 0; i < sums.length; i++) {
      sums[i] += values[i] / (double) count;
    }
  }

  private static void assertClose(float[] actual, double[] expected) {
    assertThat(actual).hasSameSizeAs(expected);
    for (int i = 0; i < actual.length; i++) {
      assertThat((double) actual[i]).isCloseTo(expected[i], within(ROUNDING));
    }
  }
}
