package io.fovea.attention;

import io.fovea.attention.Mechanism.Shows;
import io.fovea.tensor.internal.Scopes;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * The gates of an attention module for one input, as factors, and what its positions or channels
 * attend to. {@link Mechanism#shows} tells what each mechanism has.
 *
 * <p>The affinity is stored as the tensors from which it is computed. Its rows are computed on
 * request, so that the whole N × N map is never in memory.
 *
 * <p>Several threads may read it. It is closed when none of them does any more.
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

  /**
   * What the positions of a part attend to that is no attention module, such as a head.
   *
   * @param queries the spatial sizes of the map whose positions attend
   * @param keys the spatial sizes of the map whose positions are attended to
   * @param rows maps positions {@code [P]} (int64) to affinities {@code [B, P, N']}
   * @param sources the tensors that {@code rows} uses; they are freed with the maps
   */
  public static AttentionMaps ofPositions(
      long[] queries, long[] keys, UnaryOperator<Tensor> rows, Tensor... sources) {
    return new AttentionMaps(
        List.of(), null, null, null, new Affinity(queries, keys, rows, sources));
  }

  /** Observes an equation while it computes. Kept tensors belong to the enclosing scope. */
  static AttentionMaps of(Tensor x, Set<Shows> shows, BiConsumer<Look, Tensor> equation) {
    Look look = new Look(x);
    AttentionMaps[] maps = new AttentionMaps[1];
    Scopes.computeAll(
        () -> {
          equation.accept(look, x);
          maps[0] =
              new AttentionMaps(
                  look.hasInnerGate() ? List.of() : look.gates(),
                  shows.contains(Shows.CHANNEL_GATES) && look.gatesChannels()
                      ? channel(look.gates())
                      : null,
                  shows.contains(Shows.SPATIAL_GATES) && look.gatesPositions()
                      ? spatial(look.gates())
                      : null,
                  look.channelAffinity(),
                  look.affinity());
          return maps[0].tensors().toList();
        });
    return maps[0];
  }

  /**
   * The gate of each channel: the product of the gates that are equal at all positions, or else the
   * mean of all gates over the positions.
   */
  private static Tensor channel(List<Tensor> gates) {
    return product(gates, gate -> gate.size(1) > 1 && positions(gate) == 1).flatten(2, -1).mean(2);
  }

  /**
   * The gate of each position: the product of the gates that are equal in all channels, or else the
   * mean of all gates over the channels.
   */
  private static Tensor spatial(List<Tensor> gates) {
    return product(gates, gate -> gate.size(1) == 1 && positions(gate) > 1)
        .mean(new long[] {1}, true, null);
  }

  private static long positions(Tensor gate) {
    return gate.numel() / (gate.size(0) * gate.size(1));
  }

  /**
   * The product of the gates of one kind if every gate is either of channels or of positions, else
   * the product of all gates.
   */
  private static Tensor product(List<Tensor> gates, Predicate<Tensor> kind) {
    boolean pure = gates.stream().allMatch(gate -> gate.size(1) == 1 || positions(gate) == 1);
    List<Tensor> own = pure ? gates.stream().filter(kind).toList() : gates;
    return (own.isEmpty() ? gates : own).stream().reduce(Tensor::mul).orElseThrow();
  }

  /**
   * An affinity that is computed by rows.
   *
   * @param queries the spatial sizes of the input; their product is N
   * @param keys the spatial sizes of what is attended to, smaller than {@code queries} after
   *     subsampling; their product is N'
   * @param rows maps positions {@code [P]} (int64) to affinities {@code [B, P, N']}
   * @param sources the tensors that {@code rows} uses; they are freed with the maps
   */
  record Affinity(long[] queries, long[] keys, Function<Tensor, Tensor> rows, Tensor... sources) {}

  /**
   * The gate of each channel, {@code [B, C]}: the factor of its values. If the factor differs
   * between positions, as for BAM, it is the mean over the positions. Empty if no gate can differ
   * between channels.
   */
  public Optional<Tensor> channel() {
    return Optional.ofNullable(channel);
  }

  /**
   * The gate of each position, {@code [B, 1, spatial...]}: the factor of its values. If the factor
   * differs between channels, as for BAM, it is the mean over the channels. Empty if no gate can
   * differ between positions.
   */
  public Optional<Tensor> spatial() {
    return Optional.ofNullable(spatial);
  }

  /**
   * The factor of each value of the input, broadcastable to {@code [B, C, spatial...]}: the product
   * of all gates. The caller or the caller's scope closes it. Empty if the mechanism has no gate, or
   * if its gates scale a feature map that it computes from the input.
   */
  public Optional<Tensor> factor() {
    return gates.isEmpty()
        ? Optional.empty()
        : Optional.of(
            Scopes.compute(() -> gates.stream().reduce(Tensor::mul).orElseThrow().clone()));
  }

  /**
   * How much each channel (row) attends to each channel (column), {@code [B, C, C]}; each row sums
   * to 1.
   */
  public Optional<Tensor> channelAffinity() {
    return Optional.ofNullable(channelAffinity);
  }

  /** Whether {@link #affinity} and {@link #received} are available. */
  public boolean hasAffinity() {
    return affinity != null;
  }

  /** The spatial sizes of the input, whose positions {@link #affinity} counts row by row. */
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
   * @return {@code [B, positions, N']}, where N' is the product of {@link #keySize}. Each row sums
   *     to 1 if the mechanism has a softmax
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
          "the maps are closed, or the scope in which they were created is closed");
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
