package io.fovea.kernels;

import java.util.List;
import java.util.stream.IntStream;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;

/**
 * Computes the sum or the maximum of the lanes of many vectors at once. As many vectors as a vector
 * has lanes become one vector, in log2 steps. Each step combines two vectors to one whose lanes
 * belong to the two vectors in turn; each lane is the sum of two lanes at the distance of the step.
 * The order is always the same.
 */
final class LaneTranspose {
  /** A step: whether a lane belongs to the second vector, and the lane to which it is added. */
  private record Step(VectorMask<Float> second, VectorShuffle<Float> neighbour) {
    static Step of(int distance) {
      return new Step(
          VectorMask.fromArray(Lanes.SPECIES, lanes(distance), 0),
          VectorShuffle.fromOp(Lanes.SPECIES, lane -> lane ^ distance));
    }

    private static boolean[] lanes(int distance) {
      boolean[] second = new boolean[Lanes.WIDTH];
      for (int lane = 0; lane < second.length; lane++) {
        second[lane] = (lane & distance) != 0;
      }
      return second;
    }
  }

  private static final List<Step> STEPS =
      IntStream.iterate(1, distance -> distance < Lanes.WIDTH, distance -> 2 * distance)
          .mapToObj(Step::of)
          .toList();

  /** The number of vectors that the first two steps process at once. */
  static final int FOUR = 4;

  private static final VectorMask<Float> SECOND = STEPS.get(0).second();
  private static final VectorMask<Float> SECOND_PAIR = STEPS.get(1).second();
  private static final VectorShuffle<Float> NEIGHBOUR = STEPS.get(0).neighbour();
  private static final VectorShuffle<Float> NEIGHBOURING_PAIR = STEPS.get(1).neighbour();
  private static final List<Step> BEHIND_FOUR = STEPS.subList(2, STEPS.size());

  private LaneTranspose() {}

  /**
   * Sums.
   *
   * @param vectors the vectors one after the other, whose number is a multiple of the lanes;
   *     replaced by one float for each vector
   * @param count the number of vectors that are needed, from the first one
   */
  static void add(float[] vectors, int count) {
    int left = Lanes.rounded(count) / FOUR;
    addFours(vectors, left);
    for (Step step : BEHIND_FOUR) {
      left /= 2;
      add(vectors, left, step.second(), step.neighbour());
    }
  }

  private static void addFours(float[] vectors, int count) {
    for (int i = 0; i < count; i++) {
      int at = FOUR * i * Lanes.WIDTH;
      FloatVector a = Lanes.load(vectors, at);
      FloatVector b = Lanes.load(vectors, at + Lanes.WIDTH);
      FloatVector c = Lanes.load(vectors, at + 2 * Lanes.WIDTH);
      FloatVector d = Lanes.load(vectors, at + 3 * Lanes.WIDTH);
      FloatVector ab = a.blend(b, SECOND).add(b.blend(a, SECOND).rearrange(NEIGHBOUR));
      FloatVector cd = c.blend(d, SECOND).add(d.blend(c, SECOND).rearrange(NEIGHBOUR));
      ab.blend(cd, SECOND_PAIR)
          .add(cd.blend(ab, SECOND_PAIR).rearrange(NEIGHBOURING_PAIR))
          .intoArray(vectors, i * Lanes.WIDTH);
    }
  }

  private static void add(
      float[] vectors, int count, VectorMask<Float> second, VectorShuffle<Float> neighbour) {
    for (int i = 0; i < count; i++) {
      FloatVector a = Lanes.load(vectors, 2 * i * Lanes.WIDTH);
      FloatVector b = Lanes.load(vectors, (2 * i + 1) * Lanes.WIDTH);
      a.blend(b, second)
          .add(b.blend(a, second).rearrange(neighbour))
          .intoArray(vectors, i * Lanes.WIDTH);
    }
  }

  /** The same for the maximum, with the semantics of {@link Lanes#larger}. */
  static void larger(float[] vectors, int count) {
    int left = Lanes.rounded(count) / FOUR;
    largestOfFours(vectors, left);
    for (Step step : BEHIND_FOUR) {
      left /= 2;
      larger(vectors, left, step.second(), step.neighbour());
    }
  }

  private static void largestOfFours(float[] vectors, int count) {
    for (int i = 0; i < count; i++) {
      int at = FOUR * i * Lanes.WIDTH;
      FloatVector a = Lanes.load(vectors, at);
      FloatVector b = Lanes.load(vectors, at + Lanes.WIDTH);
      FloatVector c = Lanes.load(vectors, at + 2 * Lanes.WIDTH);
      FloatVector d = Lanes.load(vectors, at + 3 * Lanes.WIDTH);
      FloatVector ab = Lanes.larger(a.blend(b, SECOND), b.blend(a, SECOND).rearrange(NEIGHBOUR));
      FloatVector cd = Lanes.larger(c.blend(d, SECOND), d.blend(c, SECOND).rearrange(NEIGHBOUR));
      Lanes.larger(
              ab.blend(cd, SECOND_PAIR), cd.blend(ab, SECOND_PAIR).rearrange(NEIGHBOURING_PAIR))
          .intoArray(vectors, i * Lanes.WIDTH);
    }
  }

  private static void larger(
      float[] vectors, int count, VectorMask<Float> second, VectorShuffle<Float> neighbour) {
    for (int i = 0; i < count; i++) {
      FloatVector a = Lanes.load(vectors, 2 * i * Lanes.WIDTH);
      FloatVector b = Lanes.load(vectors, (2 * i + 1) * Lanes.WIDTH);
      Lanes.larger(a.blend(b, second), b.blend(a, second).rearrange(neighbour))
          .intoArray(vectors, i * Lanes.WIDTH);
    }
  }
}
