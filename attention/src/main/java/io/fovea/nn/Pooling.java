package io.fovea.nn;

import io.fovea.nn.Graph.Value;
import io.fovea.tensor.internal.Gradients;
import java.util.Arrays;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** The poolings that gates are made from. Of equal maxima, the gradient goes to one. */
public final class Pooling {
  private Pooling() {}

  /** The mean over all positions, {@code [B, C, spatial...] -> [B, C]}. */
  public static Tensor average(Tensor x) {
    return x.flatten(2, -1).mean(2);
  }

  /** As {@link #average(Tensor)}, but {@code [B, C, 1...]}. */
  public static Value average(Graph graph, Value x) {
    return graph.node("GlobalAveragePool", x);
  }

  /** As {@link #maximum(Tensor)}, but {@code [B, C, 1...]}. */
  public static Value maximum(Graph graph, Value x) {
    return graph.node("GlobalMaxPool", x);
  }

  /** The maximum over all positions, {@code [B, C, spatial...] -> [B, C]}. */
  public static Tensor maximum(Tensor x) {
    return maximum(x.flatten(2, -1), 2, false);
  }

  /** The mean over the channels, {@code [B, C, spatial...] -> [B, 1, spatial...]}. */
  public static Tensor channelAverage(Tensor x) {
    return x.mean(new long[] {1}, true, null);
  }

  /** As {@link #channelAverage(Tensor)}. */
  public static Value channelAverage(Graph graph, Value x) {
    return graph.node("ReduceMean", Map.of("axes", new long[] {1}), x);
  }

  /** As {@link #channelMaximum(Tensor)}. */
  public static Value channelMaximum(Graph graph, Value x) {
    return graph.node("ReduceMax", Map.of("axes", new long[] {1}), x);
  }

  /** The maximum over the channels, {@code [B, C, spatial...] -> [B, 1, spatial...]}. */
  public static Tensor channelMaximum(Tensor x) {
    return maximum(x, 1, true);
  }

  /**
   * {@code amax} is many times faster forward, but its gradient is slow and spreads over ties, where
   * PyTorch's max picks one: so it serves where no gradient is taken.
   */
  private static Tensor maximum(Tensor x, int dimension, boolean keep) {
    return Gradients.needed(x)
        ? x.max(dimension, keep).get0()
        : x.amax(new long[] {dimension}, keep);
  }

  /**
   * The maximum of pairs along the dimensions from {@code first} on; a last one without a partner is left
   * out. That is a max pool of 2, and many times faster, but its gradient would spread over ties.
   */
  public static Tensor halved(Tensor x, int first) {
    Tensor halved = x;
    for (int dimension = first; dimension < x.dim(); dimension++) {
      Tensor pairs =
          halved
              .narrow(dimension, 0, halved.size(dimension) / 2 * 2)
              .unflatten(dimension, new long[] {-1, 2});
      halved = torch.maximum(pairs.select(dimension + 1, 0), pairs.select(dimension + 1, 1));
    }
    return halved;
  }

  /** {@code [B, C] -> [B, C, 1...]} with as many dimensions as {@code like}, to scale it channel by channel. */
  public static Tensor perChannel(Tensor gates, Tensor like) {
    long[] shape = new long[(int) like.dim()];
    Arrays.fill(shape, 1);
    shape[0] = gates.size(0);
    shape[1] = gates.size(1);
    return gates.view(shape);
  }

  /** {@code [B, C] -> [B, C, 1...]} with this many spatial dimensions. */
  public static Value perChannel(Graph graph, Value gates, int dimensions) {
    long[] shape = new long[2 + dimensions];
    Arrays.fill(shape, 1);
    shape[0] = 0; // as it is
    shape[1] = -1; // all there are
    return graph.node("Reshape", gates, graph.integers(shape));
  }
}
