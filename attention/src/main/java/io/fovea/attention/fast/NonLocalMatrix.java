package io.fovea.attention.fast;

import io.fovea.tensor.compute.ChannelProducts;
import io.fovea.tensor.internal.ChannelsLast;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * Computes a non-local block in the dot product mode as one product of a matrix with the input, if
 * that is less work: {@code z = W (1/C Σ_j g_j φ_jᵀ) θ(x) + x}.
 */
public final class NonLocalMatrix implements FastPath {
  private final NonLocalWeights block;
  private final UnaryOperator<Tensor> plain;

  /**
   * Creates the fast path for the layers of a module.
   *
   * @param plain the equation of the block, for inputs with too much cancellation
   */
  public NonLocalMatrix(NonLocalWeights block, UnaryOperator<Tensor> plain) {
    this.block = block;
    this.plain = plain;
  }

  @Override
  public boolean supports(Tensor x, Tensor shortcut) {
    long positions = x.numel() / (x.size(0) * x.size(1));
    return shortcut == null
        && !ChannelsLast.is(x)
        && ChannelProducts.supports(x)
        && DotProduct.isShorter(positions, block.channels(), block.inter(), block.subsample());
  }

  @Override
  public Tensor forward(Tensor x, Tensor shortcut, boolean inPlace) {
    long inter = block.inter();
    long channels = block.channels();
    long images = x.size(0);
    Tensor in = x.flatten(2, -1).contiguous();
    long attended = in.size(2);
    Tensor all = DotProduct.matrix(block.values(), block.keys(), block.queries());
    Tensor both = all.narrow(0, 0, 2 * inter);
    Tensor pairs; // Σ_j g_j φ_jᵀ, [B, inter, inter]
    if (block.subsample()) {
      Tensor projected = block.pooledFlat(ChannelProducts.mapped(in, both), x);
      attended = projected.size(2);
      pairs = projected.narrow(1, 0, inter).bmm(projected.narrow(1, inter, inter).transpose(1, 2));
    } else {
      pairs = DotProduct.pairs(in, both);
      if (pairs == null) {
        return plain.apply(x);
      }
    }
    boolean fused = !block.normalisesByBatch();
    NonLocalWeights.Projection out = block.outward();
    Tensor map = // [B, C, C + 1]
        DotProduct.perImage(out.weight(), images)
            .bmm(pairs.div(new Scalar(attended * block.divisor())))
            .bmm(DotProduct.perImage(all.narrow(0, 2 * inter, inter), images));
    Tensor z =
        ChannelProducts.mapped(
                in, map.narrow(2, 0, channels), map.narrow(2, channels, 1).add(out.bias()), fused)
            .view(x.shape());
    return fused ? z : x.add(block.norm().forward(z));
  }
}
