package io.fovea.attention;

import io.fovea.tensor.Scopes;
import java.util.Arrays;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * What an attention module gates by on one input.
 *
 * <table>
 * <caption>What each mechanism has</caption>
 * <tr><td>{@code se}<td>{@link #channel}
 * <tr><td>{@code cbam}<td>{@link #channel}, {@link #spatial}: both gates in 0..1
 * <tr><td>{@code bam}<td>{@link #channel}, {@link #spatial}: its two branches before they are combined,
 *     of any sign; the gate is {@code 1 + sigmoid(channel * spatial)}
 * <tr><td>{@code pam}, {@code nonlocal}<td>{@link #affinity}
 * <tr><td>{@code cam}<td>{@link #channelAffinity}
 * <tr><td>{@code dual}<td>{@link #affinity}, {@link #channelAffinity}
 * </table>
 *
 * <p>Affinity is kept as what it is made from, and its rows are computed when they are asked for: the
 * whole N × N map is never made.
 */
public final class AttentionMaps implements AutoCloseable {
  private static final int ROWS_AT_ONCE = 256;

  private final Tensor channel;
  private final Tensor spatial;
  private final Tensor channelAffinity;
  private final Affinity affinity;

  private AttentionMaps(Tensor channel, Tensor spatial, Tensor channelAffinity, Affinity affinity) {
    this.channel = channel;
    this.spatial = spatial;
    this.channelAffinity = channelAffinity;
    this.affinity = affinity;
  }

  /**
   * Affinity by rows.
   *
   * @param queries the input's spatial sizes; their product is N
   * @param keys the spatial sizes of what is attended to, smaller than {@code queries} after
   *     subsampling; their product is N'
   * @param rows from positions {@code [P]} (int64) to affinities {@code [B, P, N']}
   * @param sources the tensors that {@code rows} uses, to be freed with the maps
   */
  record Affinity(long[] queries, long[] keys, Function<Tensor, Tensor> rows, Tensor... sources) {}

  static AttentionMaps ofGates(Tensor channel, Tensor spatial) {
    return new AttentionMaps(channel, spatial, null, null);
  }

  static AttentionMaps ofAffinities(Affinity affinity, Tensor channelAffinity) {
    return new AttentionMaps(null, null, channelAffinity, affinity);
  }

  /** The channel weights {@code [B, C]}. */
  public Optional<Tensor> channel() {
    return Optional.ofNullable(channel);
  }

  /** The spatial map {@code [B, 1, spatial...]}. */
  public Optional<Tensor> spatial() {
    return Optional.ofNullable(spatial);
  }

  /** How much each channel (row) draws from each (column), {@code [B, C, C]}; rows add up to 1. */
  public Optional<Tensor> channelAffinity() {
    return Optional.ofNullable(channelAffinity);
  }

  /** Whether {@link #affinity} and {@link #received} can be asked. */
  public boolean hasAffinity() {
    return affinity != null;
  }

  /** The spatial sizes of the input: what {@link #affinity}'s positions count through, row by row. */
  public long[] querySize() {
    return requireAffinity().queries().clone();
  }

  /** The spatial sizes of what is attended to; smaller than {@link #querySize} after subsampling. */
  public long[] keySize() {
    return requireAffinity().keys().clone();
  }

  /**
   * What the given positions draw from.
   *
   * @param positions flattened positions of the input, {@code y * W + x} in two dimensions
   * @return {@code [B, positions, N']} where N' is the product of {@link #keySize}. Rows add up to 1
   *     where the mechanism has a softmax
   * @throws IllegalArgumentException if a position is not in the input
   * @throws IllegalStateException if the mechanism has no affinity, or the maps are closed
   */
  public Tensor affinity(long... positions) {
    long count = product(requireAffinity().queries());
    for (long position : positions) {
      if (position < 0 || position >= count) {
        throw new IllegalArgumentException(
            "position " + position + " is not in the input, which has " + count + " positions");
      }
    }
    if (positions.length == 0) {
      throw new IllegalArgumentException("expected at least one position");
    }
    return rows(positions);
  }

  /**
   * How much attention each position receives: the mean of {@link #affinity} over all positions of the
   * input.
   *
   * @return {@code [B, N']}
   * @throws IllegalStateException if the mechanism has no affinity, or the maps are closed
   */
  public Tensor received() {
    long count = product(requireAffinity().queries());
    return Scopes.compute(
        () -> {
          Tensor sum = null;
          for (long from = 0; from < count; from += ROWS_AT_ONCE) {
            long first = from;
            long[] block = new long[(int) Math.min(ROWS_AT_ONCE, count - from)];
            Arrays.setAll(block, i -> first + i);
            Tensor total = rows(block).sum(1);
            sum = sum == null ? total : sum.add_(total);
          }
          return sum.div(new Scalar((double) count));
        });
  }

  private Tensor rows(long[] positions) {
    try (NoGradGuard guard = new NoGradGuard()) {
      return Scopes.compute(
          () -> {
            Tensor index =
                Tensor.create(positions).to(affinity.sources()[0].device(), torch.ScalarType.Long);
            return affinity.rows().apply(index);
          });
    }
  }

  private Affinity requireAffinity() {
    if (affinity == null) {
      throw new IllegalStateException("this mechanism has no affinity between positions");
    }
    if (Stream.of(affinity.sources()).anyMatch(source -> source.isNull())) {
      throw new IllegalStateException(
          "the maps are closed, or the scope is that they were made in");
    }
    return affinity;
  }

  private static long product(long[] sizes) {
    return Arrays.stream(sizes).reduce(1, Math::multiplyExact);
  }

  /** Frees the tensors. */
  @Override
  public void close() {
    Stream.concat(
            Stream.of(channel, spatial, channelAffinity),
            affinity == null ? Stream.empty() : Stream.of(affinity.sources()))
        .filter(tensor -> tensor != null)
        .forEach(Tensor::close);
  }
}
