package io.fovea.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fovea.data.MixedLabels;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MixedLabelsTest {
  /** libtorch's own cross entropy with probabilities as targets, gradients included. */
  @ParameterizedTest
  @CsvSource({"0, false", "0.1, false", "0, true", "0.1, true"})
  void theLossOfMixedImagesIsThatOfSoftTargets(double smoothing, boolean weighted) {
    try (PointerScope scope = new PointerScope()) {
      torch.manual_seed(3);
      Tensor scores = torch.randn(3, 4).to(torch.ScalarType.Double).detach().requires_grad_(true);
      Tensor labels =
          Tensor.create(
                  new long[] {
                    0,
                    2,
                    MixedLabels.WHOLE / 4,
                    3,
                    3,
                    MixedLabels.WHOLE / 2,
                    1,
                    0,
                    MixedLabels.WHOLE
                  })
              .view(3, 3);
      Tensor soft =
          Tensor.create(new double[] {0.25, 0, 0.75, 0, 0, 0, 0, 1, 0, 1, 0, 0}).view(3, 4);
      TensorOptional weights =
          weighted
              ? new TensorOptional(Tensor.create(new double[] {0.5, 1, 2, 0}))
              : new TensorOptional();
      Tensor expected = torch.cross_entropy_loss(scores, soft, weights, 1, -100, smoothing);
      expected.backward();
      Tensor gradient = scores.grad().clone();
      scores.grad().zero_();

      Tensor loss = ClassTask.mixedEntropy(scores, labels, smoothing, weights);
      loss.backward();

      assertThat(loss.item_double()).isCloseTo(expected.item_double(), within(1e-12));
      assertThat(scores.grad().sub(gradient).abs().max().item_double()).isLessThan(1e-12);
    }
  }
}
