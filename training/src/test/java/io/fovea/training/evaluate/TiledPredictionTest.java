package io.fovea.training.evaluate;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TiledPredictionTest {
  /** The same as the probabilities of the whole, for windows that fit and that do not. */
  @ParameterizedTest
  @CsvSource({"53, 71, 24", "24, 71, 24", "71, 20, 24", "25, 25, 24", "48, 96, 8", "130, 9, 9"})
  void windowsGiveTheLabelsOfTheWhole(int height, int width, int window) {
    TestTimeAugmentation tiles = new TestTimeAugmentation(List.of(1.0), false, window);
    assertThat(tiles.isTiled(height, width)).isTrue();
    try (PointerScope scope = new PointerScope()) {
      torch.manual_seed(height);
      Tensor image = torch.randn(1, 3, height, width);
      Tensor weights = torch.randn(5, 3, 3, 3);
      List<long[]> seen = new ArrayList<>();
      UnaryOperator<Tensor> scores =
          x -> {
            seen.add(x.shape());
            Tensor y = torch.conv2d(x, weights);
            // depends on the place in the window, as a network does because of its padding
            return torch
                .constant_pad_nd(y, new long[] {1, 1, 1, 1})
                .add(torch.arange(new Scalar((double) x.size(3))).mul(new Scalar(0.01)));
          };
      byte[] expected = expected(tiles, scores, image);
      int windows = seen.size();
      seen.clear();

      byte[] labels =
          tiles.labels(
              scores,
              height,
              width,
              (top, left, h, w) -> image.narrow(2, top, h).narrow(3, left, w).contiguous());

      assertThat(labels).isEqualTo(expected);
      assertThat(seen).hasSize(windows);
    }
  }

  private static byte[] expected(
      TestTimeAugmentation tiles, UnaryOperator<Tensor> scores, Tensor image) {
    Tensor best = tiles.probabilities(scores, image).argmax(new LongOptional(1), false);
    LongBuffer all = best.contiguous().createBuffer();
    byte[] expected = new byte[(int) best.numel()];
    for (int i = 0; i < expected.length; i++) {
      expected[i] = (byte) all.get(i);
    }
    return expected;
  }

  @ParameterizedTest
  @CsvSource({"1, true, 24", "0.5, false, 24", "1, false, 0", "1, false, 200"})
  void otherViewsAreNoTiles(double scale, boolean flip, int window) {
    assertThat(new TestTimeAugmentation(List.of(scale), flip, window).isTiled(100, 100)).isFalse();
  }
}
