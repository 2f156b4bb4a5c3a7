package io.fovea.attention.fast;

import io.fovea.nn.TensorOps;
import io.fovea.tensor.compute.ChannelProducts;
import io.fovea.tensor.compute.SoftmaxAttention;
import io.fovea.tensor.internal.ChannelsLast;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;

/**
 * Computes a non-local block with a softmax over many positions. All projections of x are one
 * product. Without gradients, queries are projected and the attended values are projected back
 * block by block.
 */
public final class NonLocalBlocks implements FastPath {
  private final NonLocalWeights block;

  /** Creates the fast path for the layers of a module. */
  public NonLocalBlocks(NonLocalWeights block) {
    this.block = block;
  }

  @Override
  public boolean supports(Tensor x, Tensor shortcut) {
    double positions = (double) x.numel() / (x.size(0) * x.size(1));
    double keys = block.subsample() ? 0.25 * positions : positions;
    return shortcut == null
        && !ChannelsLast.is(x)
        && ChannelProducts.supports(x)
        && positions * keys * 2 * block.inter() >= SoftmaxAttention.LARGE;
  }

  @Override
  public Tensor forward(Tensor x, Tensor shortcut, boolean inPlace) {
    long inter = block.inter();
    Tensor in = x.flatten(2, -1).contiguous();
    boolean trained = GradMode.is_enabled() || block.normalisesByBatch();
    Tensor all = DotProduct.matrix(block.values(), block.keys(), block.queries());
    Tensor projected =
        ChannelProducts.mapped(in, all.narrow(0, 0, trained ? 3 * inter : 2 * inter));
    TensorVector split = // their gradients are combined in one pass
        projected.split_with_sizes(
            trained ? new long[] {2 * inter, inter} : new long[] {2 * inter}, 1);
    TensorVector valuesAndKeys =
        block
            .pooledFlat(new Tensor(split.get(0)), x)
            .split_with_sizes(new long[] {inter, inter}, 1);
    Tensor v = new Tensor(valuesAndKeys.get(0));
    Tensor k = new Tensor(valuesAndKeys.get(1));
    Scalar divisor = new Scalar(block.divisor());
    NonLocalWeights.Projection out = block.outward();
    if (!trained) {
      return SoftmaxAttention.added(
              in, all.narrow(0, 2 * inter, inter).div(divisor), k, v, out.weight(), out.bias())
          .view(x.shape());
    }
    Tensor q = new Tensor(split.get(1)).transpose(1, 2);
    Tensor attended =
        SoftmaxAttention.attended(
            block.scale() ? q.div(divisor) : q, k.transpose(1, 2), v.transpose(1, 2));
    Tensor z =
        ChannelProducts.mapped(attended.transpose(1, 2), out.weight(), out.bias(), false)
            .view(x.shape());
    return TensorOps.PLAIN.residual(x, block.normalisesByBatch() ? block.norm().forward(z) : z);
  }
}
