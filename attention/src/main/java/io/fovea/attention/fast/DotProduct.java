package io.fovea.attention.fast;

import io.fovea.nn.Convolution;
import io.fovea.tensor.compute.ChannelProducts;
import io.fovea.tensor.compute.CustomGradient;
import io.fovea.tensor.compute.Workers;
import io.fovea.tensor.internal.Gradients;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Computes the sum over pairs of positions in the dot product mode from products of channels.
 *
 * <p>Projections are matrices {@code [E, C + 1]} with the biases in the last column.
 */
public final class DotProduct {
  /**
   * The number of multiply-accumulates for an image below which the plain form is at least as fast.
   */
  private static final long LARGE = 1 << 26;

  /**
   * The share of a projection's terms that may cancel. In float32, 2e-5 of |g| |φ| are lost then.
   */
  private static final double CANCELLED = 16;

  private DotProduct() {}

  /** Whether applying one matrix to the input is less work, for one image of N positions. */
  public static boolean isShorter(long n, long channels, long inter, boolean subsample) {
    double small = 2.0 * channels * inter * inter + (double) channels * channels * inter;
    double keys = subsample ? 0.25 * n : n;
    double plain = 4.0 * n * channels * inter + (n + keys) * inter * inter;
    double mapped =
        subsample
            ? n * (2.0 * channels * inter + channels * channels) + keys * inter * inter + small
            : n * 1.5 * channels * channels + small + 2.0 * channels * channels * inter;
    return plain >= LARGE && mapped <= plain;
  }

  /** Stacks pointwise convolutions as one matrix {@code [.., C + 1]}. */
  public static Tensor matrix(Convolution... projections) {
    Tensor[] weights = new Tensor[projections.length];
    Tensor[] biases = new Tensor[projections.length];
    for (int i = 0; i < projections.length; i++) {
      Tensor weight = projections[i].weight();
      weights[i] = weight.view(weight.size(0), -1);
      biases[i] = projections[i].bias().orElseThrow();
    }
    Tensor weight = torch.cat(new TensorVector(weights));
    Tensor bias = torch.cat(new TensorVector(biases));
    return torch.cat(new TensorVector(weight, bias.unsqueeze(1)), 1);
  }

  /** Expands a matrix to all images without copying it. */
  public static Tensor perImage(Tensor matrix, long images) {
    return matrix.unsqueeze(0).expand(images, matrix.size(0), matrix.size(1));
  }

  /**
   * Computes {@code Σ_j g_j φ_jᵀ} for {@code [g; φ] = [G; P] [x; 1]} without computing g and φ: it
   * is {@code G S Pᵀ} with the moments S of x.
   *
   * <p>Products of channels are rounded before the projections combine them. If the results are
   * small differences of large products, digits are lost that the plain form keeps, because it
   * takes the differences first and its errors average out over the positions. The amount of
   * cancellation is known: for row a of G, {@code Σ_i G_ai² S_ii} is the sum of the terms and
   * {@code (G S Gᵀ)_aa = |g_a|²} is the result, and the same holds for P. Measured against float64,
   * with inputs far from zero, of few directions, rectified, and such that the projections cancel
   * most of them, the error was 1e-6 of {@code |g_a| |φ_b|} times the ratio of the two (for the
   * plain form: 1e-7 to 1e-6, up to ratios of 1,000). The ratio is 1 for independent channels, 2
   * for rectified ones, and 10 if the mean is three standard deviations. If it is too large for any
   * row, or not a number, the plain form must be used.
   *
   * @param x {@code [B, C, N]}, contiguous
   * @param both G and P as one matrix, {@code [2 E, C + 1]}
   * @return {@code [B, E, E]}, or null if the error would be larger than that of the plain form
   */
  public static Tensor pairs(Tensor x, Tensor both) {
    Tensor in = x.detach();
    Tensor matrix = both.detach();
    long images = in.size(0);
    long channels = in.size(1);
    long inter = matrix.size(0) / 2;
    Tensor moments = ChannelProducts.moments(in);
    Tensor phi = matrix.narrow(0, inter, inter);
    Tensor products = in.new_empty(images, 2 * inter, channels + 1); // G S and P S
    Tensor pairs = in.new_empty(images, inter, inter);
    int parts = Workers.parts(inter);
    for (long i = 0; i < images; i++) {
      long image = i;
      Workers.divide(
          inter,
          parts,
          (part, from, to) -> {
            Tensor own = moments.select(0, image);
            Tensor result = products.select(0, image);
            for (long of : new long[] {from, inter + from}) {
              torch.mm_out(result.narrow(0, of, to - from), matrix.narrow(0, of, to - from), own);
            }
            torch.mm_out(
                pairs.select(0, image).narrow(0, from, to - from),
                result.narrow(0, from, to - from),
                phi.t());
          });
    }
    Tensor squares = products.mul(matrix).sum(2L); // [B, 2 E]
    Tensor summed = moments.diagonal(0, 1, 2).matmul(matrix.square().t());
    double least = squares.mul(new Scalar(CANCELLED)).sub(summed).min().item_double();
    if (!(least >= 0)) { // also false for NaN
      return null;
    }
    if (Gradients.needed(x, both)) {
      CustomGradient.attach(
          pairs,
          List.of(x, both),
          List.of(in, matrix, products),
          dy -> {
            Tensor g = perImage(matrix.narrow(0, 0, inter), images);
            Tensor other = perImage(matrix.narrow(0, inter, inter), images);
            Tensor half = g.transpose(1, 2).bmm(dy.bmm(other)); // dS, [B, C + 1, C + 1]
            Tensor ofX = half.add(half.transpose(1, 2)).narrow(1, 0, channels);
            Tensor ofG = dy.bmm(products.narrow(1, inter, inter)).sum(0L);
            Tensor ofPhi = dy.transpose(1, 2).bmm(products.narrow(1, 0, inter)).sum(0L);
            return List.of(
                ChannelProducts.mapped(in, ofX), torch.cat(new TensorVector(ofG, ofPhi)));
          });
    }
    return pairs;
  }
}
