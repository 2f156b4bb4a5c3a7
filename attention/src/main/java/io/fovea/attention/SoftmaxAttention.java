package io.fovea.attention;

import io.fovea.attention.Graph.Value;
import java.util.Map;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/** Attention with a softmax over the keys, without the N × N' map in memory. */
final class SoftmaxAttention {
  private SoftmaxAttention() {}

  /**
   * {@code softmax(queries keysᵀ) values} by libtorch's fused operator, which goes over the batch and
   * blocks of queries on all threads; the plain products would go image by image.
   *
   * @param queries {@code [B, N, E]}
   * @param keys {@code [B, N', E]}
   * @param values {@code [B, N', D]}
   * @return {@code [B, N, D]}
   */
  static Tensor drawn(Tensor queries, Tensor keys, Tensor values) {
    long embedding = queries.size(2);
    long width = values.size(2);
    long common = Math.max(embedding, width); // the operator wants one width; zeros change nothing
    Tensor drawn =
        torch.scaled_dot_product_attention(
            padded(queries, common),
            padded(keys, common),
            padded(values, common),
            new TensorOptional(),
            0,
            false,
            new DoubleOptional(1.0),
            false);
    Macs.add(queries.size(0) * queries.size(1) * keys.size(1) * (embedding + width));
    return drawn.squeeze(1).narrow(2, 0, width);
  }

  /**
   * The same as ONNX operators, channels first as convolutions leave them. Transposed are the narrow
   * operands (ONNX Runtime does that inside the product), never the map.
   *
   * @param queries {@code [B, E, N]}
   * @param keys {@code [B, E, N']}
   * @param values {@code [B, D, N']}
   * @return {@code [B, D, N]}
   */
  static Value drawn(Graph graph, Value queries, Value keys, Value values) {
    Value energy = graph.node("MatMul", transposed(graph, queries), keys); // [B, N, N']
    Value map = graph.node("Softmax", Map.of("axis", -1), energy); // along memory
    return transposed(graph, graph.node("MatMul", map, transposed(graph, values)));
  }

  /** {@code [B, M, N] -> [B, N, M]}. */
  static Value transposed(Graph graph, Value x) {
    return graph.node("Transpose", Map.of("perm", new long[] {0, 2, 1}), x);
  }

  /** {@code [B, C, spatial...] -> [B, C, N]}. */
  static Value flattened(Graph graph, Value x) {
    return graph.node("Reshape", x, graph.integers(0, 0, -1));
  }

  /** {@code [B, N, E] -> [B, 1, N, width]}: a batch of one head. */
  private static Tensor padded(Tensor x, long width) {
    long missing = width - x.size(2);
    Tensor wide = missing == 0 ? x : torch.constant_pad_nd(x, 0, missing);
    return wide.contiguous().unsqueeze(1); // else it would fall back on the plain products
  }
}
