package io.fovea.tensor.compute;

import io.fovea.tensor.internal.Gradients;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/** Attention with a softmax over the keys, without the N × N' map in memory. */
public final class SoftmaxAttention {
  /**
   * The number of multiply-accumulates for an image from which blocks of rows are faster than the
   * fused operator.
   */
  public static final long LARGE = 1 << 26;

  /** The number of values up to which products are a tenth faster with the map on the left. */
  private static final long NARROW = 256;

  /**
   * The number of multiply-accumulates for an image from which kernels are used. The first call
   * takes some seconds more, until Java has compiled them.
   */
  private static final long KERNELS = 1L << 31;

  private SoftmaxAttention() {}

  /**
   * {@code softmax(queries keysᵀ) values}. Large maps are computed in blocks of rows, which fit
   * into the cache and are discarded after use. Small maps are computed by libtorch's fused
   * operator for the whole batch.
   *
   * @param queries {@code [B, N, E]}
   * @param keys {@code [B, N', E]}
   * @param values {@code [B, N', D]}
   * @return {@code [B, N, D]}
   */
  public static Tensor attended(Tensor queries, Tensor keys, Tensor values) {
    return inBlocks(queries, keys, values.size(2))
        ? blocked(queries, keys, values)
        : fused(queries, keys, values);
  }

  /** Whether values of this width are computed in blocks of rows. */
  static boolean inBlocks(Tensor queries, Tensor keys, long width) {
    return queries.is_cpu() && isLarge(queries.size(1), keys.size(1), queries.size(2), width);
  }

  /**
   * Whether blocks of rows are faster for one image.
   *
   * @param positions N
   * @param attended the number of attended positions N'
   * @param embedding the number of channels of queries and keys
   * @param width the number of channels of values
   */
  public static boolean isLarge(long positions, long attended, long embedding, long width) {
    return positions * attended * (embedding + width) >= LARGE;
  }

  /**
   * Computes {@link #attended} for values that are a projection of each position, {@code weight
   * source + bias}, without computing the values. The weights of a softmax sum to 1, so the
   * attended sources can be projected afterwards. This has no gradient.
   *
   * @param source {@code [B, C, N']}
   * @param weight {@code [D, C]}
   * @param bias {@code [D, 1]}
   * @return {@code [B, D, N]}
   */
  public static Tensor attendedAndProjected(
      Tensor queries, Tensor keys, Tensor source, Tensor weight, Tensor bias) {
    return inBlocks(
        queries,
        keys,
        weight.size(0),
        false,
        null,
        (image, map, result) -> {
          Tensor attended = torch.mm(source.select(0, image), map.t());
          torch.addmm_out(result, bias, weight, attended);
        });
  }

  /**
   * Computes {@code x + weight v softmax(kᵀ q)ᵀ + bias} with {@code q = query [x; 1]}. Only the
   * result needs memory of the size of x. This has no gradient.
   *
   * @param x {@code [B, C, N]}
   * @param query {@code [E, C + 1]}
   * @param keys {@code [B, E, N']}
   * @param values {@code [B, D, N']}
   * @param weight {@code [C, D]}
   * @param bias {@code [C, 1]}
   * @return {@code [B, C, N]}
   */
  public static Tensor added(
      Tensor x, Tensor query, Tensor keys, Tensor values, Tensor weight, Tensor bias) {
    long channels = x.size(1);
    long positions = x.size(2);
    Tensor result = x.new_empty(x.shape());
    Optional<AttentionKernels> kernels =
        kernels(x.transpose(1, 2), keys.transpose(1, 2), values.transpose(1, 2));
    if (kernels.isPresent()) {
      Tensor linear = query.narrow(1, 0, channels);
      Tensor offset = query.narrow(1, channels, 1);
      inTiles(
          kernels.get(),
          positions,
          keys,
          values,
          (image, from, count, memory) ->
              torch.addmm_out(memory, offset, linear, x.select(0, image).narrow(1, from, count)),
          (image, from, count, attended) -> {
            Tensor z = result.select(0, image).narrow(1, from, count);
            torch.add_out(z, x.select(0, image).narrow(1, from, count), bias);
            z.addmm_(weight, attended);
          });
      return result;
    }
    int parts = Workers.parts(positions);
    Tensor ofQuery = query.narrow(1, 0, channels).t();
    Tensor ofQueryBias = query.select(1, channels);
    for (long i = 0; i < x.size(0); i++) {
      Tensor source = x.select(0, i);
      Tensor columns = result.select(0, i);
      Tensor k = keys.select(0, i);
      Tensor v = values.select(0, i).t();
      Workers.divide(
          positions,
          parts,
          (part, from, to) -> {
            Block map = Block.small(to - from, k.size(1), x);
            Tensor q = x.new_empty(map.rows, k.size(0));
            Tensor y = x.new_empty(map.rows, v.size(1));
            for (long row = from; row < to; row += map.rows) {
              try (PointerScope scope = new PointerScope()) {
                long rows = Math.min(map.rows, to - row);
                Tensor own = source.narrow(1, row, rows);
                Tensor queries = q.narrow(0, 0, rows);
                torch.addmm_out(queries, ofQueryBias, own.t(), ofQuery);
                Tensor p = map.softmax(0, queries, k);
                Tensor attended = torch.mm_out(y.narrow(0, 0, rows), p, v);
                Tensor z = columns.narrow(1, row, rows);
                torch.add_out(z, own, bias);
                z.addmm_(weight, attended.t());
              }
            }
          });
    }
    return result;
  }

  /**
   * The kernels, if they are faster than products in blocks of rows, which are as fast if there are
   * many channels.
   *
   * @param queries {@code [B, N, E]}, or the feature map from which they are computed
   * @param keys {@code [B, N', E]}
   * @param values {@code [B, N', D]}
   */
  private static Optional<AttentionKernels> kernels(Tensor queries, Tensor keys, Tensor values) {
    long channels = keys.size(2) + values.size(2);
    return channels <= NARROW
            && queries.size(0) > 0
            && queries.size(1) * keys.size(1) * channels >= KERNELS
            && Stream.of(queries, keys, values)
                .allMatch(each -> AttentionKernels.supports(each.select(0, 0).t()))
        ? AttentionKernels.supporting(queries)
        : Optional.empty();
  }

  /** Computes {@link #attended} by kernels: {@code [B, D, N]}. */
  private static Tensor inTiles(AttentionKernels kernels, Tensor q, Tensor k, Tensor v) {
    Tensor result = q.new_empty(q.size(0), v.size(2), q.size(1));
    Tensor keys = k.transpose(1, 2);
    Tensor values = v.transpose(1, 2);
    long positions = q.size(1);
    for (long i = 0; i < q.size(0); i++) {
      AttentionKernels.Columns ofKeys = AttentionKernels.Columns.of(keys.select(0, i));
      AttentionKernels.Columns ofValues = AttentionKernels.Columns.of(values.select(0, i));
      Tensor queries = q.select(0, i).t();
      Tensor attended = result.select(0, i);
      Workers.divide(
          positions,
          Workers.parts(positions),
          (part, from, to) ->
              kernels
                  .worker(Math.toIntExact(k.size(2)), Math.toIntExact(v.size(2)))
                  .attend(
                      AttentionKernels.Columns.of(queries, from, to - from),
                      ofKeys,
                      ofValues,
                      AttentionKernels.Columns.of(attended, from, to - from)));
    }
    return result;
  }

  /** Gives the queries of a block, {@code [E, count]}, for which it may use the memory. */
  private interface Queries {
    Tensor of(long image, long from, long count, Tensor memory);
  }

  /** Uses the attended values of a block, {@code [D, count]}. */
  private interface Attended {
    void use(long image, long from, long count, Tensor attended);
  }

  /**
   * Computes attention by kernels for queries that are computed for each block.
   *
   * @param keys {@code [B, E, N']}
   * @param values {@code [B, D, N']}
   */
  private static void inTiles(
      AttentionKernels kernels,
      long positions,
      Tensor keys,
      Tensor values,
      Queries queries,
      Attended body) {
    int embedding = Math.toIntExact(keys.size(1));
    int width = Math.toIntExact(values.size(1));
    for (long i = 0; i < keys.size(0); i++) {
      long image = i;
      AttentionKernels.Columns k = AttentionKernels.Columns.of(keys.select(0, image));
      AttentionKernels.Columns v = AttentionKernels.Columns.of(values.select(0, image));
      Workers.divide(
          positions,
          Workers.parts(positions),
          (part, from, to) -> {
            AttentionKernels.Worker worker = kernels.worker(embedding, width);
            long blocks = (to - from + worker.most() - 1) / worker.most();
            long rows = (to - from + blocks - 1) / blocks;
            Tensor ofQueries = keys.new_empty(embedding, rows);
            Tensor ofResults = keys.new_empty(width, rows);
            for (long row = from; row < to; row += rows) {
              try (PointerScope scope = new PointerScope()) {
                long count = Math.min(rows, to - row);
                Tensor q = queries.of(image, row, count, ofQueries.narrow(1, 0, count));
                Tensor y = ofResults.narrow(1, 0, count);
                worker.attend(AttentionKernels.Columns.of(q), k, v, AttentionKernels.Columns.of(y));
                body.use(image, row, count, y);
              }
            }
          });
    }
  }

  /**
   * Computes attention in blocks of rows. The gradient recomputes the blocks, or keeps the map if
   * it is smaller than its inputs: few positions with many channels, as in channel attention.
   */
  static Tensor blocked(Tensor queries, Tensor keys, Tensor values) {
    Tensor q = queries.detach();
    Tensor k = keys.detach();
    Tensor v = values.detach();
    boolean differentiated = Gradients.needed(queries, keys, values);
    boolean small = q.size(1) * k.size(1) <= q.numel() / q.size(0);
    Tensor maps = differentiated && small ? q.new_empty(q.size(0), q.size(1), k.size(1)) : null;
    boolean narrow = v.size(2) <= NARROW;
    Optional<AttentionKernels> kernels = maps == null ? kernels(q, k, v) : Optional.empty();
    Tensor made =
        kernels.isPresent()
            ? inTiles(kernels.get(), q, k, v)
            : inBlocks(
                q,
                k,
                v.size(2),
                narrow,
                maps,
                (image, map, result) ->
                    torch.mm_out(
                        narrow ? result.t() : result,
                        narrow ? map : v.select(0, image).t(),
                        narrow ? v.select(0, image) : map.t()));
    // autograd must not treat it as a view of another tensor
    Tensor attended = made.transpose(1, 2).detach();
    if (differentiated) {
      Tensor y = narrow ? attended.detach() : null;
      CustomGradient.attach(
          attended,
          List.of(queries, keys, values),
          Stream.of(q, k, v, y, maps).filter(Objects::nonNull).toList(),
          dy -> gradients(q, k, v, y, maps, dy));
    }
    return attended;
  }

  /** Processes some rows of the map of an image. */
  private interface Rows {
    void compute(long image, Tensor map, Tensor result);
  }

  /**
   * Computes {@code [B, D, N]}, some columns at a time.
   *
   * @param rows whether the positions are rows in memory
   * @param maps the tensor in which the map is kept, {@code [B, N, N']}, or null
   */
  private static Tensor inBlocks(
      Tensor q, Tensor k, long width, boolean rows, Tensor maps, Rows body) {
    long positions = q.size(1);
    Tensor result =
        rows
            ? q.new_empty(q.size(0), positions, width).transpose(1, 2)
            : q.new_empty(q.size(0), width, positions);
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
            Block map = new Block(to - from, keys.size(1), q, maps, image);
            for (long row = from; row < to; row += map.rows) {
              try (PointerScope scope = new PointerScope()) {
                long count = Math.min(map.rows, to - row);
                Tensor p = map.softmax(row, queries.narrow(0, row, count), keys);
                body.compute(image, p, columns.narrow(1, row, count));
              }
            }
          });
    }
    return result;
  }

  /**
   * Recomputes the map block by block. For a block P, dS = P (dP - Σ dP P). The sum over the keys
   * equals the sum of dy y over the values.
   *
   * @param y the attended values, or null
   */
  private static List<Tensor> gradients(
      Tensor q, Tensor k, Tensor v, Tensor y, Tensor maps, Tensor dy) {
    long positions = q.size(1);
    int parts = Workers.parts(positions);
    Tensor dq = torch.empty_like(q); // in the memory order of q
    Tensor dk = torch.empty_like(k);
    Tensor dv = torch.empty_like(v);
    for (long i = 0; i < q.size(0); i++) {
      long image = i;
      Tensor queries = q.select(0, image);
      Tensor keys = k.select(0, image);
      Tensor values = v.select(0, image).t(); // [D, N']
      Tensor upstream = dy.select(0, image); // [N, D]
      Tensor result = y == null ? null : y.select(0, image).contiguous(); // [N, D]
      Tensor ofQueries = dq.select(0, image);
      Tensor ofKeys = zeros(parts, keys);
      Tensor ofValues = zeros(parts, v.select(0, image));
      Workers.divide(
          positions,
          parts,
          (part, from, to) -> {
            Block map = new Block(to - from, keys.size(0), q, maps, image);
            Block ofMap = new Block(to - from, keys.size(0), q, null, image);
            Tensor ownKeys = ofKeys.select(0, part);
            Tensor ownValues = ofValues.select(0, part);
            for (long row = from; row < to; row += map.rows) {
              try (PointerScope scope = new PointerScope()) {
                long rows = Math.min(map.rows, to - row);
                Tensor own = queries.narrow(0, row, rows);
                Tensor up = upstream.narrow(0, row, rows);
                Tensor p = maps != null ? map.of(row, rows) : map.softmax(row, own, keys.t());
                ownValues.addmm_(p.t(), up);
                Tensor dp = torch.mm_out(ofMap.of(row, rows), up, values);
                Tensor products = y == null ? dp.mul(p) : up.mul(result.narrow(0, row, rows));
                Tensor sum = products.sum(1L).unsqueeze(1);
                Tensor ds = dp.sub_(sum).mul_(p);
                torch.mm_out(ofQueries.narrow(0, row, rows), ds, keys);
                ownKeys.addmm_(ds.t(), own);
              }
            }
          });
      dk.select(0, image).copy_(ofKeys.sum(0L));
      dv.select(0, image).copy_(ofValues.sum(0L));
    }
    return List.of(dq, dk, dv);
  }

  /** Creates matrices of zeros with the shape and memory order of another. */
  private static Tensor zeros(long count, Tensor like) {
    return like.stride(0) == 1
        ? like.new_zeros(count, like.size(1), like.size(0)).transpose(1, 2)
        : like.new_zeros(count, like.size(0), like.size(1));
  }

  /** A buffer for some rows of a map, which is reused, or a part of the map that is kept. */
  private static final class Block {
    // for few keys: a block that fits into the second-level cache
    private static final long VALUES = 1 << 19;
    private static final long FEWER_VALUES = 1 << 18;
    private static final long MOST_VALUES = 1 << 20;
    private static final long ENOUGH_ROWS = 192; // products of fewer rows are slower
    private static final long FEWEST_ROWS = 64;

    private final long rows;
    private final boolean kept;
    private final Tensor memory;

    /** The size of equal blocks, because a small last block would be slow. */
    Block(long positions, long keys, Tensor like, Tensor maps, long image) {
      this(
          positions,
          Math.max(VALUES / keys, Math.min(ENOUGH_ROWS, MOST_VALUES / keys)),
          keys,
          like,
          maps,
          image);
    }

    /** A smaller block, for callers with little else in memory. */
    static Block small(long positions, long keys, Tensor like) {
      return new Block(positions, FEWER_VALUES / keys, keys, like, null, 0);
    }

    private Block(long positions, long wanted, long keys, Tensor like, Tensor maps, long image) {
      long most = Math.max(FEWEST_ROWS, wanted);
      long blocks = Math.max(1, (positions + most - 1) / most);
      rows = (positions + blocks - 1) / blocks;
      kept = maps != null;
      memory = kept ? maps.select(0, image) : like.new_empty(rows, keys);
    }

    /** The block that begins at a row of the map. */
    Tensor of(long row, long rows) {
      return memory.narrow(0, kept ? row : 0, rows);
    }

    Tensor softmax(long row, Tensor queries, Tensor keys) {
      Tensor energy = torch.mm_out(of(row, queries.size(0)), queries, keys);
      return torch.softmax_out(energy, energy, 1);
    }
  }

  /**
   * The fused operator needs the same width for all three; padding with zeros changes nothing. It
   * divides the batch and blocks of queries among all threads, whereas plain products go image by
   * image.
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

  /** {@code [B, N, E] -> [B, 1, N, width]}: a batch with one head. */
  private static Tensor padded(Tensor x, long width) {
    long missing = width - x.size(2);
    Tensor wide = missing == 0 ? x : torch.constant_pad_nd(x, 0, missing);
    // otherwise the operator would fall back to plain products
    return wide.contiguous().unsqueeze(1);
  }
}
