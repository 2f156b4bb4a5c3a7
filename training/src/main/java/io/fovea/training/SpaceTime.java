package io.fovea.training;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionMaps;
import io.fovea.models.Classifier;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * What one point of a clip draws from, across all frames, in one attention module: figure 3 of the
 * non-local paper.
 *
 * @param layer where the module stands in the network
 * @param times how many points in time are attended to: the frames, after the network's pooling
 * @param height of what is attended to
 * @param width of it
 * @param values {@code [times * height * width]}; they add up to 1 where the mechanism has a softmax
 */
public record SpaceTime(String layer, int times, int height, int width, float[] values) {
  /** A point of a clip: a frame, and where in it, 0 (left, top) to below 1. */
  public record Point(int frame, double x, double y) {}

  /**
   * Looks into a network.
   *
   * @param network in evaluation mode, for video
   * @param clip {@code [C, T, H, W]}, unsigned bytes
   * @param frames T
   * @param height H
   * @param width W
   * @param normalization as in training
   * @param point whose affinity is wanted
   * @return one for each attention module that compares positions, in the order they compute
   * @throws IllegalArgumentException if the clip has another shape, or the point is not in it
   */
  public static List<SpaceTime> of(
      Classifier network,
      byte[] clip,
      int frames,
      int height,
      int width,
      Normalization normalization,
      Point point) {
    if (point.frame() < 0
        || point.frame() >= frames
        || !(point.x() >= 0 && point.x() < 1 && point.y() >= 0 && point.y() < 1)) {
      throw new IllegalArgumentException(
          point + " is not in a clip of " + frames + " frames, whose sides go from 0 to 1");
    }
    IdentityHashMap<Attention, String> names = new IdentityHashMap<>();
    network.attentions().forEach((name, attention) -> names.put(attention, name));
    List<SpaceTime> all = new ArrayList<>();
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Tensor x = BatchLoader.toTensor(clip, frames, height, width, normalization);
      Attention.observing(
          (attention, input) -> {
            try (PointerScope inner = new PointerScope();
                AttentionMaps maps = attention.explain(input)) {
              if (maps.hasAffinity()) {
                all.add(row(names.get(attention), maps, point, frames));
              }
            }
          },
          () -> network.forward(x));
    }
    return all;
  }

  private static SpaceTime row(String layer, AttentionMaps maps, Point point, int frames) {
    long[] from = maps.querySize();
    long[] to = maps.keySize();
    long t = point.frame() * from[0] / frames;
    long y = (long) (point.y() * from[1]);
    long x = (long) (point.x() * from[2]);
    Tensor row = maps.affinity((t * from[1] + y) * from[2] + x).to(ScalarType.Float).contiguous();
    float[] values = new float[(int) row.numel()];
    row.<FloatBuffer>createBuffer().get(values);
    return new SpaceTime(layer, (int) to[0], (int) to[1], (int) to[2], values);
  }

  /** The positions with the highest values, the highest first; each is {@code (t * height + y) * width + x}. */
  public int[] highest(int count) {
    return IntStream.range(0, values.length)
        .boxed()
        .sorted(Comparator.comparingDouble((Integer i) -> values[i]).reversed())
        .limit(count)
        .mapToInt(Integer::intValue)
        .toArray();
  }
}
