package io.fovea.models;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.nn.BatchNorm;
import io.fovea.nn.TensorOps;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

class StochasticDepthTest {
  private static final int IMAGES = 64;

  @Test
  void leavesOutWholeImagesInTrainingOnly() {
    try (PointerScope scope = new PointerScope()) {
      torch.manual_seed(1);
      Module block = new BatchNorm(1); // only its mode counts
      Tensor change = torch.ones(IMAGES, 3, 2, 2);
      StochasticDepth depth = new StochasticDepth(0.75);

      Tensor dropped = depth.apply(TensorOps.PLAIN, block, change);
      int left = 0;
      for (int i = 0; i < IMAGES; i++) {
        Tensor image = dropped.select(0, i);
        double value = image.flatten(0, -1).select(0, 0).item_double();
        assertThat(value).isIn(0.0, 4.0); // scaled by 1 / (1 - 0.75)
        assertThat(image.sum().item_double()).isEqualTo(12 * value);
        left += value == 0 ? 1 : 0;
      }
      assertThat(left).isBetween(1, IMAGES - 1);
      block.eval();
      assertThat(depth.apply(TensorOps.PLAIN, block, change)).isSameAs(change);
    }
  }
}
