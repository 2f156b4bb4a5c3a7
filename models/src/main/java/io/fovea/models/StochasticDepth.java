package io.fovea.models;

import io.fovea.nn.Ops;
import java.util.Arrays;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Stochastic depth: in training, a residual block changes nothing for some images of a batch, drawn anew each
 * time; for the others its change is scaled up, so that the mean stays.
 *
 * <p>Huang, Sun, Liu, Sedra, Weinberger: <a href="https://arxiv.org/abs/1603.09382">Deep Networks with
 * Stochastic Depth</a>; torchvision's mode "row".
 *
 * @param probability the probability with which a block is left out
 */
record StochasticDepth(double probability) {
  /**
   * The change of a block after stochastic depth.
   *
   * @param block the block, whose mode decides
   * @param change what the block adds to its shortcut, {@code [B, C, H, W]}
   */
  <T> T apply(Ops<T> ops, Module block, T change) {
    return probability == 0 ? change : ops.inTraining(block, change, this::dropped);
  }

  private Tensor dropped(Tensor change) {
    double kept = 1 - probability;
    long[] shape = new long[(int) change.dim()];
    Arrays.fill(shape, 1);
    shape[0] = change.size(0);
    Tensor factors = torch.ones(shape, change.options());
    factors.bernoulli_(kept, new GeneratorOptional()).div_(new Scalar(kept));
    return change.mul(factors);
  }
}
