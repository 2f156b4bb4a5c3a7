package io.fovea.tensor.compute;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Computes sums over all pairs of positions without an N × N' map. The results equal those with a
 * map, except for rounding. Queries are {@code [B, N, E]}, keys {@code [B, E, N']}, values {@code
 * [B, N', D]}; all give {@code [B, N, D]}, divided by N'.
 */
public final class PairSums {
  /** The number of pairs in an image below which sorting takes longer than computing the map. */
  private static final long FEW = 1 << 15;

  private PairSums() {}

  /**
   * {@code 1/N' Σ_j (q_i · k_j) v_j}, where the product of keys and values does not depend on the
   * query.
   */
  public static Tensor products(Tensor queries, Tensor keys, Tensor values) {
    long n = queries.size(1);
    long m = keys.size(2);
    long embedding = keys.size(1);
    long width = values.size(2);
    if (n * m * (embedding + width) < embedding * width * (n + m)) {
      return queries.bmm(keys).div(count(keys)).bmm(values);
    }
    Tensor attended = keys.bmm(values).div(count(keys)); // [B, E, D]
    return attended.transpose(1, 2).bmm(queries.transpose(1, 2)).transpose(1, 2);
  }

  /** {@code 1/N' Σ_j relu(q_i + k_j) v_j}, with E = 1. */
  public static Tensor rectified(Tensor queries, Tensor keys, Tensor values) {
    boolean few = queries.size(1) * keys.size(2) < FEW;
    return few || !finite(queries, keys, values)
        ? rectifiedByPairs(queries, keys, values)
        : rectifiedBySorting(queries, keys, values);
  }

  static Tensor rectifiedByPairs(Tensor queries, Tensor keys, Tensor values) {
    return queries.add(keys).relu().div(count(keys)).bmm(values);
  }

  /**
   * The keys with a positive contribution to a query, {@code k_j > -q_i}, are the first ones if the
   * keys are sorted in descending order. So the sum over them is {@code q_i G + H}, with the
   * running sums G of v and H of k v. Running sums lose more digits than plain sums, so they are
   * computed in float64. If {@code q_i + k_j = 0}, the gradient of the pair is 0, as for ReLU.
   */
  static Tensor rectifiedBySorting(Tensor queries, Tensor keys, Tensor values) {
    long images = queries.size(0);
    long m = keys.size(2);
    long width = values.size(2);
    ScalarType type = values.scalar_type().intern();
    Tensor q = queries.to(ScalarType.Double); // [B, N, 1]
    T_TensorTensor_T sorted = keys.squeeze(1).to(ScalarType.Double).neg().sort(1, false);
    Tensor negated = sorted.get0(); // [B, N'], rising
    Tensor order = sorted.get1().unsqueeze(2).expand(images, m, width);
    Tensor v = values.gather(1, order).to(ScalarType.Double);
    Tensor both = torch.cat(new TensorVector(v, v.mul(negated.neg().unsqueeze(2))), 2);
    Tensor sums = torch.constant_pad_nd(both.cumsum(1), 0, 0, 1, 0); // [B, 1 + N', 2D]
    Tensor taken = torch.searchsorted(negated.detach(), q.detach().squeeze(2).contiguous());
    Tensor rows =
        taken.add(
            torch.arange(new Scalar(images), taken.options()).unsqueeze(1).mul(new Scalar(m + 1)));
    Tensor found = torch.embedding(sums.flatten(0, 1), rows); // [B, N, 2D]
    Tensor attended = q.mul(found.narrow(2, 0, width)).add(found.narrow(2, width, width));
    return attended.div(count(keys)).to(type);
  }

  /** Whether all values are finite. A running sum would carry NaN and infinity to other pairs. */
  private static boolean finite(Tensor... all) {
    for (Tensor tensor : all) {
      if (!Double.isFinite(tensor.detach().sum().item_double())) {
        return false;
      }
    }
    return true;
  }

  private static Scalar count(Tensor keys) {
    return new Scalar((double) keys.size(2));
  }
}
