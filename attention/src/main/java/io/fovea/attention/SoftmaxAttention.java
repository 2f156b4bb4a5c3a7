package io.fovea.attention;

import io.fovea.attention.Graph.Value;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/** Attention with a softmax over the keys, without the N × N' map in memory. */
final class SoftmaxAttention {
  /** From how many multiply-accumulates an image on blocks of rows are faster than the fused operator. */
  private static final long LARGE = 1 << 26;

  private SoftmaxAttention() {}

  /**
   * {@code softmax(queries keysᵀ) values}. Large maps are computed in blocks of rows that fit into the
   * cache and are thrown away; small ones by libtorch's fused operator, which goes over the batch.
   *
   * @param queries {@code [B, N, E]}
   * @param keys {@code [B, N', E]}
   * @param values {@code [B, N', D]}
   * @return {@code [B, N, D]}
   */
  static Tensor drawn(Tensor queries, Tensor keys, Tensor values) {
    Macs.add(queries.size(0) * macs(queries, keys, values.size(2)));
    return inBlocks(queries, keys, values.size(2))
        ? blocked(queries, keys, values)
        : fused(queries, keys, values);
  }

  /** Of an image. */
  private static long macs(Tensor queries, Tensor keys, long width) {
    return queries.size(1) * keys.size(1) * (queries.size(2) + width);
  }

  /** Whether values of this width are drawn in blocks of rows. */
  static boolean inBlocks(Tensor queries, Tensor keys, long width) {
    return queries.is_cpu() && macs(queries, keys, width) >= LARGE;
  }

  /**
   * {@link #drawn} of values that are a projection of each position, {@code weight source + bias}, without
   * them: weights of a softmax add up to 1, so that what was drawn can be projected. No gradients.
   *
   * @param source {@code [B, C, N']}
   * @param weight {@code [D, C]}
   * @param bias {@code [D, 1]}
   * @return {@code [B, D, N]}
   */
  static Tensor drawnAndProjected(
      Tensor queries, Tensor keys, Tensor source, Tensor weight, Tensor bias) {
    long width = weight.size(1);
    Macs.add(queries.size(0) * macs(queries, keys, width));
    Macs.add(queries.size(0) * queries.size(1) * weight.numel());
    return inBlocks(
        queries,
        keys,
        weight.size(0),
        null,
        (image, map, result) -> {
          Tensor drawn = torch.mm(source.select(0, image), map.t());
          torch.addmm_out(result, bias, weight, drawn);
        });
  }

  /**
   * In blocks of rows, with a gradient that computes them once more, or keeps them where they are smaller
   * than what they are made from: few positions of many channels, as in channel attention.
   */
  static Tensor blocked(Tensor queries, Tensor keys, Tensor values) {
    Tensor q = queries.detach();
    Tensor k = keys.detach();
    Tensor v = values.detach();
    boolean differentiated = KernelMaps.differentiated(queries, keys, values);
    boolean small = q.size(1) * k.size(1) <= q.numel() / q.size(0);
    Tensor maps = differentiated && small ? q.new_empty(q.size(0), q.size(1), k.size(1)) : null;
    Tensor drawn =
        inBlocks(
                q,
                k,
                v.size(2),
                maps,
                (image, map, result) -> torch.mm_out(result, v.select(0, image).t(), map.t()))
            .transpose(1, 2)
            .detach(); // no view of another tensor to autograd
    if (differentiated) {
      OwnGradient.attach(
          drawn,
          List.of(queries, keys, values),
          maps == null ? List.of(q, k, v) : List.of(q, k, v, maps),
          dy -> gradients(q, k, v, maps, dy));
    }
    return drawn;
  }

  /** What is made of some rows of an image's map. */
  private interface Rows {
    void compute(long image, Tensor map, Tensor result);
  }

  /**
   * {@code [B, D, N]}, some columns at a time.
   *
   * @param maps where the map is kept, {@code [B, N, N']}, or null
   */
  private static Tensor inBlocks(Tensor q, Tensor k, long width, Tensor maps, Rows body) {
    long positions = q.size(1);
    Tensor result = q.new_empty(q.size(0), width, positions);
    int parts = Workers.parts(positions);
    for (long i = 0; i < q.size(0); i++) {
      long image = i;
      Tensor queries = q.select(0, image);
      Tensor keys = k.select(0, image).t(); // [E, N']
      Tensor columns = result.select(0, image); // [D, N]
      Workers.divide(
          positions,
          parts,
          (part, from, to) -> {
            Block map = new Block(keys.size(1), q, maps, image);
            for (long row = from; row < to; row += map.rows) {
              try (PointerScope scope = new PointerScope()) {
                long rows = Math.min(map.rows, to - row);
                Tensor p = map.softmax(row, queries.narrow(0, row, rows), keys);
                body.compute(image, p, columns.narrow(1, row, rows));
              }
            }
          });
    }
    return result;
  }

  /** The map is computed once more, block by block; with P of it, dS = P (dP - Σ dP P). */
  private static List<Tensor> gradients(Tensor q, Tensor k, Tensor v, Tensor maps, Tensor dy) {
    long positions = q.size(1);
    int parts = Workers.parts(positions);
    Tensor dq = q.new_empty(q.shape());
    Tensor dk = k.new_empty(k.shape());
    Tensor dv = v.new_empty(v.size(0), v.size(2), v.size(1)); // [B, D, N']
    for (long i = 0; i < q.size(0); i++) {
      long image = i;
      Tensor queries = q.select(0, image);
      Tensor keys = k.select(0, image);
      Tensor values = v.select(0, image).t(); // [D, N']
      Tensor upstream = dy.select(0, image); // [N, D]
      Tensor ofQueries = dq.select(0, image);
      Tensor ofKeys = k.new_zeros(parts, k.size(1), k.size(2));
      Tensor ofValues = v.new_zeros(parts, v.size(2), v.size(1));
      Workers.divide(
          positions,
          parts,
          (part, from, to) -> {
            Block map = new Block(keys.size(0), q, maps, image);
            Block ofMap = new Block(keys.size(0), q, null, image);
            Tensor ownKeys = ofKeys.select(0, part);
            Tensor ownValues = ofValues.select(0, part);
            for (long row = from; row < to; row += map.rows) {
              try (PointerScope scope = new PointerScope()) {
                long rows = Math.min(map.rows, to - row);
                Tensor own = queries.narrow(0, row, rows);
                Tensor up = upstream.narrow(0, row, rows);
                Tensor p = maps != null ? map.of(row, rows) : map.softmax(row, own, keys.t());
                ownValues.addmm_(up.t(), p);
                Tensor dp = torch.mm_out(ofMap.of(row, rows), up, values);
                Tensor ds = dp.sub_(dp.mul(p).sum(1L).unsqueeze(1)).mul_(p);
                torch.mm_out(ofQueries.narrow(0, row, rows), ds, keys);
                ownKeys.addmm_(ds.t(), own);
              }
            }
          });
      dk.select(0, image).copy_(ofKeys.sum(0L));
      dv.select(0, image).copy_(ofValues.sum(0L));
    }
    return List.of(dq, dk, dv.transpose(1, 2));
  }

  /** Some rows of a map, in memory that is used again, or in the map that is kept. */
  private static final class Block {
    private static final long VALUES = 1 << 19; // of few keys: what the second-level cache holds
    private static final long MOST_VALUES = 1 << 20;
    private static final long ENOUGH_ROWS = 192; // fewer are slower products
    private static final long FEWEST_ROWS = 64;

    private final long rows;
    private final boolean kept;
    private final Tensor memory;

    Block(long keys, Tensor like, Tensor maps, long image) {
      long wanted = Math.max(VALUES / keys, Math.min(ENOUGH_ROWS, MOST_VALUES / keys));
      rows = Math.max(FEWEST_ROWS, wanted);
      kept = maps != null;
      memory = kept ? maps.select(0, image) : like.new_empty(rows, keys);
    }

    /** From a row of the map on. */
    Tensor of(long row, long rows) {
      return memory.narrow(0, kept ? row : 0, rows);
    }

    Tensor softmax(long row, Tensor queries, Tensor keys) {
      Tensor energy = torch.mm_out(of(row, queries.size(0)), queries, keys);
      return torch.softmax_out(energy, energy, 1);
    }
  }

  /**
   * The fused operator wants one width for all three; zeros change nothing. It goes over the batch and
   * blocks of queries on all threads, where the plain products would go image by image.
   */
  private static Tensor fused(Tensor queries, Tensor keys, Tensor values) {
    long width = values.size(2);
    long common = Math.max(queries.size(2), width);
    return torch
        .scaled_dot_product_attention(
            padded(queries, common),
            padded(keys, common),
            padded(values, common),
            new TensorOptional(),
            0,
            false,
            new DoubleOptional(1.0),
            false)
        .squeeze(1)
        .narrow(2, 0, width);
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
