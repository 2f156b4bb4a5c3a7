package io.fovea.kernels;

import io.fovea.attention.fast.Kernels.Shape;
import java.lang.foreign.MemorySegment;
import java.util.function.IntConsumer;

/**
 * SimAM and its gradient, one plane after the other, each in the first-level cache: with {@code u = x -
 * mean(x)} and {@code s = 1 / (4 (Σ u² / (N - 1) + λ))}, {@code y = x · σ(s u² + 1/2)}.
 */
final class SimamKernel {
  private static final float SHIFT = 0.5f;

  /** The number of floats that a thread takes at once. */
  private static final int TAKEN = 1 << 14;

  private final int planes;
  private final int positions;
  private final float others;
  private final float lambda;

  SimamKernel(Shape shape, float lambda) {
    planes = shape.images() * shape.channels();
    positions = shape.positions();
    others = Math.max(positions - 1, 1);
    this.lambda = lambda;
  }

  /** The arrays of a thread, and what is computed of a plane in stages. */
  private final class Scratch {
    private final PlaneArrays arrays = new PlaneArrays(positions);
    private final float[] centred = arrays.zeros();
    private final float[] squares = arrays.zeros();
    private final float[] gates = arrays.zeros();
    private float scale;
    private float ofVariance;
    private float ofMean;

    void centre(MemorySegment x, long plane) {
      float mean = Lanes.sum(x, plane, positions) / positions;
      float sum = arrays.centre(x, plane, mean, centred, squares);
      scale = 1 / (4 * (sum / others + lambda));
    }

    void gate() {
      PlaneArrays.gates(squares, scale, SHIFT, gates);
    }

    /** The variance in s depends on all values, and so does the mean. */
    void throughStatistics(float[] scores) {
      ofVariance = -4 * scale * scale * PlaneArrays.product(scores, squares);
      ofMean = -2 * scale * PlaneArrays.product(scores, centred);
    }

    void finish(MemorySegment dy, MemorySegment dx, long plane, float[] scores) {
      PlaneArrays.multiply(centred, scores, 2 * scale, 2 * ofVariance / others);
      arrays.scaleAndAdd(dy, plane, gates, centred, 1, ofMean / positions, dx);
    }
  }

  private void forEachTaken(IntConsumer body) {
    int taken = Math.max(1, TAKEN / positions);
    Parallel.forEach((planes + taken - 1) / taken, i -> body.accept(i * taken));
  }

  private int end(int from) {
    return Math.min(planes, from + Math.max(1, TAKEN / positions));
  }

  void forward(MemorySegment x, MemorySegment y) {
    forEachTaken(
        from -> {
          Scratch scratch = new Scratch();
          for (int i = from; i < end(from); i++) {
            long plane = (long) i * positions;
            InliningBarrier.inTurn(
                () -> scratch.centre(x, plane),
                scratch::gate,
                () -> scratch.arrays.scale(x, plane, scratch.gates, y));
          }
        });
  }

  void gradient(MemorySegment x, MemorySegment dy, MemorySegment dx) {
    forEachTaken(
        from -> {
          Scratch scratch = new Scratch();
          float[] scores = scratch.arrays.zeros();
          for (int i = from; i < end(from); i++) {
            gradient(x, dy, dx, (long) i * positions, scratch, scores);
          }
        });
  }

  private void gradient(
      MemorySegment x,
      MemorySegment dy,
      MemorySegment dx,
      long plane,
      Scratch scratch,
      float[] scores) {
    InliningBarrier.inTurn(
        () -> scratch.centre(x, plane),
        scratch::gate,
        () -> scratch.arrays.ofGates(x, dy, plane, scratch.gates, scores),
        () -> scratch.throughStatistics(scores),
        () -> scratch.finish(dy, dx, plane, scores));
  }
}
