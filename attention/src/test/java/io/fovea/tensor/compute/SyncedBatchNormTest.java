package io.fovea.tensor.compute;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.nn.BatchNorm;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SyncedBatchNormTest {
  private static final double EXACT = 1e-12;

  /** The result, all gradients and the running statistics of a batch. */
  private static List<Tensor> results(Tensor x, boolean synced) {
    BatchNorm norm = new BatchNorm(3);
    norm.to(ScalarType.Double, false);
    Tensor input = x.detach().clone().set_requires_grad(true);
    Tensor y =
        synced
            // another process with the same images changes neither mean nor variance
            ? SyncedBatchNorm.in(sums -> sums.mul_(new Scalar(2.0)), () -> norm.forward(input))
            : norm.forward(torch.cat(new org.bytedeco.pytorch.TensorVector(input, input)))
                .narrow(0, 0, x.size(0));
    y.mul(y).mul(y).sum().backward();
    return List.of(
        y.detach(),
        norm.weight().grad(),
        norm.bias().grad(),
        norm.runningMean(),
        norm.runningVariance());
  }

  private static Tensor images(long... shape) {
    torch.manual_seed(5);
    return torch.randn(shape).to(ScalarType.Double).mul(new Scalar(3.0)).add(new Scalar(20.0));
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3, 4, 5})
  void isABatchNormOfAllImages(int dimensions) {
    try (PointerScope scope = new PointerScope()) {
      long[] shape = java.util.Arrays.copyOf(new long[] {4, 3, 5, 2, 3}, dimensions);

      List<Tensor> synced = results(images(shape), true);
      List<Tensor> one = results(images(shape), false);

      for (int i = 0; i < one.size(); i++) {
        assertThat(synced.get(i).sub(one.get(i)).abs().max().item_double())
            .as("result " + i)
            .isLessThan(EXACT * one.get(i).abs().max().item_double());
      }
    }
  }

  /** The gradient of the input, of a process that has all images. */
  @ParameterizedTest
  @ValueSource(ints = {2, 4})
  void theGradientOfTheInputIsThatOfABatchNorm(int dimensions) {
    try (PointerScope scope = new PointerScope()) {
      long[] shape = java.util.Arrays.copyOf(new long[] {4, 3, 5, 2}, dimensions);
      Tensor x = images(shape);
      List<Tensor> gradients =
          List.of(true, false).stream()
              .map(
                  synced -> {
                    BatchNorm norm = new BatchNorm(3);
                    norm.to(ScalarType.Double, false);
                    Tensor input = x.detach().clone().set_requires_grad(true);
                    Tensor y =
                        synced
                            ? SyncedBatchNorm.in(sums -> {}, () -> norm.forward(input))
                            : norm.forward(input);
                    y.mul(y).mul(y).sum().backward();
                    return input.grad();
                  })
              .toList();

      assertThat(gradients.get(0).sub(gradients.get(1)).abs().max().item_double())
          .isLessThan(1e-11 * gradients.get(1).abs().max().item_double());
    }
  }
}
