package io.fovea.attention;

import io.fovea.attention.Mechanism.Shows;
import io.fovea.tensor.Scopes;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * What an attention module gates by on one input: its gates, as it multiplies by them, and who attends to
 * whom. {@link Mechanism#shows} says what each mechanism has.
 *
 * <p>Affinity is kept as what it is made from, and its rows are computed when they are asked for: the
 * whole N × N map is never made.
 */
public final class AttentionMaps implements AutoCloseable {
  private static final int ROWS_AT_ONCE = 256;

  private final List<Tensor> gates;
  private final Tensor channel;
  private final Tensor spatial;
  private final Tensor channelAffinity;
  private final Affinity affinity;

  private AttentionMaps(
      List<Tensor> gates,
      Tensor channel,
      Tensor spatial,
      Tensor channelAffinity,
      Affinity affinity) {
    this.gates = gates;
    this.channel = channel;
    this.spatial = spatial;
    this.channelAffinity = channelAffinity;
    this.affinity = affinity;
  }

  /** Looks at an equation while it computes; what is kept goes to the scope around. */
  static AttentionMaps of(Tensor x, Set<Shows> shows, BiConsumer<Look, Tensor> equation) {
    Look look = new Look(x);
    AttentionMaps[] maps = new AttentionMaps[1];
    Scopes.computeAll(
        () -> {
          equation.accept(look, x);
          maps[0] =
              new AttentionMaps(
                  look.gates(),
                  shows.contains(Shows.CHANNEL_GATES) ? channel(look.gates()) : null,
                  shows.contains(Shows.SPATIAL_GATES) ? spatial(look.gates()) : null,
                  look.channelAffinity(),
                  look.affinity());
          return maps[0].tensors().toList();
        });
    return maps[0];
  }

  /** The gate of each channel: the product of those that have no positions, or the mean of all over them. */
  private static Tensor channel(List<Tensor> gates) {
    return product(gates, gate -> gate.size(1) > 1 && positions(gate) == 1).flatten(2, -1).mean(2);
  }

  /** The gate of each position: the product of those that have no channels, or the mean of all over them. */
  private static Tensor spatial(List<Tensor> gates) {
    return product(gates, gate -> gate.size(1) == 1 && positions(gate) > 1)
        .mean(new long[] {1}, true, null);
  }

  private static long positions(Tensor gate) {
    return gate.numel() / (gate.size(0) * gate.size(1));
  }

  /** The product of the gates of a kind, if each gate is of one of the two kinds; else of all gates. */
  private static Tensor product(List<Tensor> gates, Predicate<Tensor> kind) {
    boolean pure = gates.stream().allMatch(gate -> gate.size(1) == 1 || positions(gate) == 1);
    List<Tensor> own = pure ? gates.stream().filter(kind).toList() : gates;
    return (own.isEmpty() ? gates : own).stream().reduce(Tensor::mul).orElseThrow();
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

  /**
   * The gate of each channel, {@code [B, C]}: the factor that its values are multiplied by; where a
   * mechanism's factor is another at each position, as BAM's, its mean over them.
   */
  public Optional<Tensor> channel() {
    return Optional.ofNullable(channel);
  }

  /**
   * The gate of each position, {@code [B, 1, spatial...]}: the factor that its values are multiplied by;
   * where a mechanism's factor is another in each channel, as BAM's, its mean over them.
   */
  public Optional<Tensor> spatial() {
    return Optional.ofNullable(spatial);
  }

  /**
   * The factor that each value of the input is multiplied by, broadcastable to {@code [B, C, spatial...]}:
   * the product of all gates; the caller closes it, or its scope does. Empty if the mechanism has no gate.
   */
  public Optional<Tensor> factor() {
    return gates.isEmpty()
        ? Optional.empty()
        : Optional.of(
            Scopes.compute(() -> gates.stream().reduce(Tensor::mul).orElseThrow().clone()));
  }

  /** How much each channel (row) attends to each (column), {@code [B, C, C]}; rows add up to 1. */
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
   * What the given positions attend to.
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
    tensors().forEach(Tensor::close);
  }

  private Stream<Tensor> tensors() {
    return Stream.of(
            gates.stream(),
            Stream.of(channel, spatial, channelAffinity).filter(Objects::nonNull),
            affinity == null ? Stream.<Tensor>empty() : Stream.of(affinity.sources()))
        .flatMap(each -> each);
  }
}
