package io.fovea.explain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.fovea.attention.Attention;
import io.fovea.data.BatchLoader;
import io.fovea.data.Image;
import io.fovea.data.ImageDataset;
import io.fovea.data.TrainingData;
import io.fovea.data.bundled.MovingGarments;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

/** What positions of a clip attend to, against plain loops. */
@Numeric
class VideoExplanationTest {
  /** Against plain loops: of the Gaussian, a position's shares are the softmax of its products with all others. */
  @Test
  void computesTheSharesOfAPosition() {
    TrainingData<ImageDataset> data = MovingGarments.of(MovingGarments.Relation.RETURN);
    byte[] clip = data.test().pixels(0);
    try (PointerScope scope = new PointerScope()) {
      torch.manual_seed(2);
      Classifier network =
          new ModelSpec("c2d-resnet8", 2, 1, 1, 8, "nonlocal:mode=gaussian,subsample=false")
              .create();
      VideoExplanation.Module module =
          VideoExplanation.of(
                  network,
                  new Image(1, 8, 24, 24, clip),
                  data.normalization(),
                  List.of(new Affinity.Point(5, 0.3, 0.9)))
              .modules()
              .get(0);
      assertThat(module.name()).isEqualTo("nonlocal2");
      Affinity affinity = module.affinity();
      assertThat(affinity.from()).isEqualTo(new Grid(4, 12, 12));
      assertThat(affinity.to()).isEqualTo(affinity.from());
      Row row = affinity.rows().get(0);
      assertThat(new int[] {row.t(), row.y(), row.x()}).containsExactly(2, 10, 3);

      network.eval();
      float[] x = new float[32 * 576];
      Tensor input = BatchLoader.toTensor(new Image(1, 8, 24, 24, clip), data.normalization());
      Attention.observing(
          (attention, features) -> features.contiguous().<FloatBuffer>createBuffer().get(x),
          () -> network.forward(input));
      int position = (2 * 12 + 10) * 12 + 3;
      double[] products = new double[576];
      double size = 0;
      for (int j = 0; j < 576; j++) {
        double terms = 0;
        for (int channel = 0; channel < 32; channel++) {
          double term = (double) x[channel * 576 + position] * x[channel * 576 + j];
          products[j] += term;
          terms += Math.abs(term);
        }
        size = Math.max(size, terms);
      }
      double most = Arrays.stream(products).max().orElseThrow();
      double sum = Arrays.stream(products).map(p -> Math.exp(p - most)).sum();
      // An exponential is off by a part as large as what its product of 32 terms, and the largest
      // one, are off by; then there is the sum of 576.
      double part = Rounding.UNIT * (2 * 32 * size + Math.sqrt(576));
      for (int j = 0; j < 576; j++) {
        double share = Math.exp(products[j] - most) / sum;
        assertThat((double) row.values()[j]).isCloseTo(share, within(share * part));
      }
      int[] highest = row.highest(2);
      assertThat(row.values()[highest[0]]).isGreaterThanOrEqualTo(row.values()[highest[1]]);
    }
  }

  @Test
  void saysWhatItMeansInWholeSentences() {
    TrainingData<ImageDataset> data = MovingGarments.of(MovingGarments.Relation.RETURN);
    try (PointerScope scope = new PointerScope()) {
      torch.manual_seed(2);
      Classifier network = new ModelSpec("c2d-resnet8", 2, 1, 1, 8, "nonlocal").create();
      Image clip = data.test().sample(0).image();

      VideoExplanation explanation =
          VideoExplanation.of(network, clip, data.normalization(), List.of());

      assertThat(network.is_training()).isTrue(); // as it was
      assertThat(explanation.remarks())
          .contains("nonlocal2 has no effect on this clip: output = 1.00 x input");
      Affinity affinity = explanation.modules().get(0).affinity();
      assertThat(affinity.rows()).hasSizeBetween(1, 3);
      assertThat((long) affinity.every().size() * affinity.to().size())
          .isLessThanOrEqualTo(700_000);
      assertThatThrownBy(
              () ->
                  VideoExplanation.of(
                      network, clip, data.normalization(), List.of(new Affinity.Point(8, 0, 0))))
          .hasMessageContaining("is outside a clip of 8 frames");
    }
  }
}
