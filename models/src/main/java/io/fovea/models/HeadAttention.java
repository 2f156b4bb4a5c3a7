package io.fovea.models;

import io.fovea.attention.AttentionMaps;
import io.fovea.nn.Ops;
import io.fovea.nn.TensorOps;
import io.fovea.tensor.internal.ThreadValue;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Attention inside of a head: the positions of a map attend to a few descriptions, each of which is a mean
 * over the positions of a map. Through them, positions attend to positions, which an observer sees.
 *
 * <p>Thread-safe; an observer sees what its thread computes.
 */
public final class HeadAttention {
  private static final ThreadValue<Observer> OBSERVER = new ThreadValue<>();

  private HeadAttention() {}

  /** Receives what the positions of a head attend to. */
  @FunctionalInterface
  public interface Observer {
    /**
     * Is called after a part of a head has computed. All values are valid during the call only.
     *
     * @param name the name of the part in the network, one of {@link Network#attending}
     * @param x the map whose positions attend, {@code [B, C, H, W]}, and as many channels of zeros
     * @param y the same with what was attended to in place of the zeros: what the head takes further
     * @param maps what positions attend to
     */
    void computed(String name, Tensor x, Tensor y, AttentionMaps maps);
  }

  /**
   * Runs {@code body}, and shows each part of a head that attends on this thread to an observer.
   *
   * @return what the body returned
   */
  public static <T> T observing(Observer observer, Supplier<T> body) {
    return OBSERVER.during(observer, body);
  }

  /** The operators of a head that computes with tensors. */
  static TensorOps operators() {
    Observer observer = OBSERVER.get();
    return observer == null ? TensorOps.PLAIN : new Observed(observer);
  }

  /**
   * What positions attend to, in one part of a head.
   *
   * @param name the name of the part in the network
   * @param queries {@code [B, E, H, W]}, N positions
   * @param keys the descriptions, {@code [B, E, S]} or with further dimensions
   * @param values the values of the descriptions, {@code [B, D, S]}, likewise
   */
  record Part<T>(String name, T queries, T keys, T values) {
    /** The attended values, {@code [B, D, H, W]}. */
    T attended(Ops<T> ops) {
      return ops.attention(Ops.Similarity.SOFTMAX, queries, keys, values);
    }

    /**
     * Shows the part to an observer, if there is one.
     *
     * @param x the map whose positions attend, {@code [B, C, H, W]}
     * @param y what was attended to, {@code [B, C, H, W]}
     * @param described the map that the descriptions are means of, {@code [B, C', H', W']}
     * @param shares the share of each position in each description, {@code [B, S, N']}, where 1 stands
     *     for any B; it is asked for if there is an observer
     */
    void show(Ops<T> ops, T x, T y, T described, Supplier<Tensor> shares) {
      if (ops instanceof Observed observed) {
        observed.show(
            name,
            List.of((Tensor) x, (Tensor) y),
            (Tensor) queries,
            (Tensor) keys,
            ((Tensor) described).shape(),
            shares.get());
      }
    }
  }

  /** Operators of an observed head. */
  private static final class Observed extends TensorOps {
    private final Observer observer;

    Observed(Observer observer) {
      this.observer = observer;
    }

    void show(
        String name,
        List<Tensor> map,
        Tensor queries,
        Tensor keys,
        long[] described,
        Tensor shares) {
      try (PointerScope scope = new PointerScope();
          NoGradGuard guard =
              new NoGradGuard()) { // the body may turn on gradients, as Grad-CAM does
        Tensor x = map.get(0);
        Tensor q = queries.flatten(2, -1).transpose(1, 2); // [B, N, E]
        Tensor k = keys.flatten(2, -1); // [B, E, S]
        Tensor spread = shares.to(k.scalar_type()).expand(k.size(0), -1, -1); // [B, S, N']
        AttentionMaps maps =
            AttentionMaps.ofPositions(
                spatial(x.shape()),
                spatial(described),
                rows -> q.index_select(1, rows).bmm(k).softmax(2).bmm(spread),
                q,
                k,
                spread);
        observer.computed(
            name,
            torch.cat(new TensorVector(x, torch.zeros_like(x)), 1),
            torch.cat(new TensorVector(x, map.get(1)), 1),
            maps);
      }
    }

    private static long[] spatial(long[] shape) {
      return Arrays.copyOfRange(shape, 2, shape.length);
    }
  }
}
