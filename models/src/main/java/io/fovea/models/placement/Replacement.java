package io.fovea.models.placement;

import io.fovea.attention.Attention;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.nn.GraphOps;
import io.fovea.nn.Ops;
import io.fovea.nn.TensorOps;
import org.bytedeco.pytorch.Tensor;

/**
 * An attention module in place of a convolution of images.
 *
 * @param module the module
 * @param stride the stride that the module does not have: means of as many positions follow it
 */
public record Replacement(Attention module, int stride) {
  private static final int IMAGE_RANK = 4;

  /** Whether a batch norm and an activation follow the module, as they followed the convolution. */
  public boolean keepsNorm() {
    return !module.spec().mechanism().replacesNorm();
  }

  /** Computes: {@code [B, C, H, W] -> [B, C, H / stride, W / stride]}, rounded up. */
  public Tensor forward(Tensor x) {
    return strided(TensorOps.PLAIN, module.forward(x));
  }

  /** Writes what {@link #forward} computes in evaluation mode into a graph. */
  public Value write(Graph graph, Value x) {
    return strided(new GraphOps(graph, IMAGE_RANK), module.write(graph, x));
  }

  /** Means of {@code stride} x {@code stride} positions; at odd sizes the windows overlap. */
  private <T> T strided(Ops<T> ops, T y) {
    return stride == 1 ? y : ops.adaptiveAverage(y, ops.maxPool(y, 1, stride, 0));
  }
}
