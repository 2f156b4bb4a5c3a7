package io.fovea.kernels;

import java.util.List;
import java.util.stream.IntStream;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;

/**
 * The lanes of many vectors, added up vector by vector, or the largest of each: as many vectors as one has
 * lanes become one, in halves of halves. Of two vectors each step makes one whose lanes belong to the two
 * in turn, each the sum of two that were neighbours at the step's distance. Always in the same order.
 */
final class Crosswise {
  /** A step: whether a lane belongs to the second vector, and the lane that it is added to. */
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

  /** The vectors that {@link #addFour} and {@link #largestOfFour} take at once. */
  static final int FOUR = 4;

  private static final VectorMask<Float> SECOND = STEPS.get(0).second();
  private static final VectorMask<Float> SECOND_PAIR = STEPS.get(1).second();
  private static final VectorShuffle<Float> NEIGHBOUR = STEPS.get(0).neighbour();
  private static final VectorShuffle<Float> NEIGHBOURING_PAIR = STEPS.get(1).neighbour();
  private static final List<Step> BEHIND_FOUR = STEPS.subList(2, STEPS.size());

  private Crosswise() {}

  /** The first two steps, of four vectors: their lanes belong to the four in turn. */
  static FloatVector addFour(FloatVector a, FloatVector b, FloatVector c, FloatVector d) {
    FloatVector ab = a.blend(b, SECOND).add(b.blend(a, SECOND).rearrange(NEIGHBOUR));
    FloatVector cd = c.blend(d, SECOND).add(d.blend(c, SECOND).rearrange(NEIGHBOUR));
    return ab.blend(cd, SECOND_PAIR).add(cd.blend(ab, SECOND_PAIR).rearrange(NEIGHBOURING_PAIR));
  }

  /** The same for the largest. */
  static FloatVector largestOfFour(FloatVector a, FloatVector b, FloatVector c, FloatVector d) {
    FloatVector ab = Lanes.larger(a.blend(b, SECOND), b.blend(a, SECOND).rearrange(NEIGHBOUR));
    FloatVector cd = Lanes.larger(c.blend(d, SECOND), d.blend(c, SECOND).rearrange(NEIGHBOUR));
    return Lanes.larger(
        ab.blend(cd, SECOND_PAIR), cd.blend(ab, SECOND_PAIR).rearrange(NEIGHBOURING_PAIR));
  }

  /**
   * The steps behind {@link #addFour}.
   *
   * @param vectors one for each four; then in their place, one float for each of what they are made of
   * @param count of the floats that matter, from the first on
   */
  static void add(float[] vectors, int count) {
    int left = Lanes.rounded(count) / FOUR;
    for (Step step : BEHIND_FOUR) {
      left /= 2;
      add(vectors, left, step.second(), step.neighbour());
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

  /** The same behind {@link #largestOfFour}. */
  static void larger(float[] vectors, int count) {
    int left = Lanes.rounded(count) / FOUR;
    for (Step step : BEHIND_FOUR) {
      left /= 2;
      larger(vectors, left, step.second(), step.neighbour());
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
