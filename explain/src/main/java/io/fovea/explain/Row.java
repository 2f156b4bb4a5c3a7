package io.fovea.explain;

import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * What one position attends to.
 *
 * @param t the time of the position, 0 in an image
 * @param y its row
 * @param x its column
 * @param values the attention weights, {@code [to.size()]} of the {@link Affinity}: {@code (t *
 *     height + y) * width + x}; they sum to 1 if the mechanism has a softmax
 */
public record Row(int t, int y, int x, float[] values) {
  /** The positions with the highest values, in descending order. */
  public int[] highest(int count) {
    return IntStream.range(0, values.length)
        .boxed()
        .sorted(Comparator.comparingDouble((Integer i) -> values[i]).reversed())
        .limit(count)
        .mapToInt(Integer::intValue)
        .toArray();
  }
}
