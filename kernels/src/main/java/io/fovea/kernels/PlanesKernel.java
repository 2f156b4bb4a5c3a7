package io.fovea.kernels;

import io.fovea.attention.fast.Kernels.PlaneStatistic;
import io.fovea.attention.fast.Kernels.Shape;
import java.lang.foreign.MemorySegment;
import java.util.function.IntConsumer;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/**
 * Numbers of each plane, and planes that are changed by numbers. What changes planes takes the last plane
 * first, because the pass before it has read that one last, and finds it in the cache.
 */
final class PlanesKernel {
  /** The number of floats that a thread takes at once. */
  private static final int TAKEN = 1 << 15;

  private final int planes;
  private final int positions;
  private final int taken;

  PlanesKernel(Shape shape) {
    planes = shape.images() * shape.channels();
    positions = shape.positions();
    taken = Math.max(1, TAKEN / positions);
  }

  private long at(int plane) {
    return (long) plane * positions;
  }

  private void forEach(IntConsumer body) {
    Parallel.forEach(
        (planes + taken - 1) / taken,
        part -> {
          int end = Math.min(planes, (part + 1) * taken);
          for (int plane = part * taken; plane < end; plane++) {
            body.accept(plane);
          }
        });
  }

  private void forEachFromTheEnd(IntConsumer body) {
    Parallel.forEach(
        (planes + taken - 1) / taken,
        part -> {
          int end = planes - part * taken;
          for (int plane = end - 1; plane >= Math.max(0, end - taken); plane--) {
            body.accept(plane);
          }
        });
  }

  float[] statistics(PlaneStatistic statistic, MemorySegment x) {
    float[] values = new float[statistic == PlaneStatistic.DISTANCES ? 2 * planes : planes];
    switch (statistic) {
      case MEAN -> forEach(plane -> values[plane] = Lanes.sum(x, at(plane), positions) / positions);
      case SQUARES -> forEach(plane -> values[plane] = distances(x, at(plane), 0));
      case DISTANCES ->
          forEach(
              plane -> {
                float mean = Lanes.sum(x, at(plane), positions) / positions;
                values[plane] = mean;
                values[planes + plane] = distances(x, at(plane), mean);
              });
    }
    return values;
  }

  void scale(float[] factors, float[] shifts, MemorySegment x, MemorySegment y) {
    forEachFromTheEnd(
        plane -> {
          float factor = factors == null ? 1 : factors[plane];
          if (shifts == null) {
            scale(x, at(plane), factor, y);
          } else {
            scaleAndAdd(x, at(plane), factor, shifts[plane], y);
          }
        });
  }

  void products(MemorySegment x, MemorySegment dy, float[] products, float[] sums) {
    forEach(
        plane -> {
          if (products != null) {
            products[plane] = product(x, dy, at(plane));
          }
          if (sums != null) {
            sums[plane] = Lanes.sum(dy, at(plane), positions);
          }
        });
  }

  void gradient(
      float[] factors,
      float[] centres,
      float[] slopes,
      float[] shifts,
      MemorySegment x,
      MemorySegment dy,
      MemorySegment dx) {
    forEachFromTheEnd(
        plane ->
            gradient(
                x,
                dy,
                at(plane),
                factors == null ? 1 : factors[plane],
                centres == null ? 0 : centres[plane],
                slopes[plane],
                shifts == null ? 0 : shifts[plane],
                dx));
  }

  /** The sum of the squares of the distances from a number. */
  private float distances(MemorySegment x, long plane, float from) {
    FloatVector centre = Lanes.broadcast(from);
    FloatVector a = FloatVector.zero(Lanes.SPECIES);
    FloatVector b = a;
    int p = 0;
    for (; p <= positions - 2 * Lanes.WIDTH; p += 2 * Lanes.WIDTH) {
      FloatVector first = Lanes.load(x, plane + p).sub(centre);
      FloatVector second = Lanes.load(x, plane + p + Lanes.WIDTH).sub(centre);
      a = first.fma(first, a);
      b = second.fma(second, b);
    }
    for (; p < positions; p += Lanes.WIDTH) {
      VectorMask<Float> mask = Lanes.until(p, positions);
      FloatVector last = Lanes.load(x, plane + p, mask).sub(centre);
      a = a.add(last.mul(last), mask);
    }
    return Lanes.sum(a.add(b));
  }

  private float product(MemorySegment x, MemorySegment dy, long plane) {
    FloatVector a = FloatVector.zero(Lanes.SPECIES);
    FloatVector b = a;
    int p = 0;
    for (; p <= positions - 2 * Lanes.WIDTH; p += 2 * Lanes.WIDTH) {
      long next = plane + p + Lanes.WIDTH;
      a = Lanes.load(x, plane + p).fma(Lanes.load(dy, plane + p), a);
      b = Lanes.load(x, next).fma(Lanes.load(dy, next), b);
    }
    for (; p < positions; p += Lanes.WIDTH) {
      VectorMask<Float> mask = Lanes.until(p, positions);
      a = Lanes.load(x, plane + p, mask).fma(Lanes.load(dy, plane + p, mask), a);
    }
    return Lanes.sum(a.add(b));
  }

  private void scale(MemorySegment x, long plane, float by, MemorySegment y) {
    FloatVector factor = Lanes.broadcast(by);
    int p = 0;
    for (; p <= positions - Lanes.WIDTH; p += Lanes.WIDTH) {
      Lanes.store(Lanes.load(x, plane + p).mul(factor), y, plane + p);
    }
    if (p < positions) {
      VectorMask<Float> mask = Lanes.until(p, positions);
      Lanes.store(Lanes.load(x, plane + p, mask).mul(factor), y, plane + p, mask);
    }
  }

  private void scaleAndAdd(MemorySegment x, long plane, float by, float shift, MemorySegment y) {
    FloatVector factor = Lanes.broadcast(by);
    FloatVector summand = Lanes.broadcast(shift);
    int p = 0;
    for (; p <= positions - Lanes.WIDTH; p += Lanes.WIDTH) {
      Lanes.store(Lanes.load(x, plane + p).fma(factor, summand), y, plane + p);
    }
    if (p < positions) {
      VectorMask<Float> mask = Lanes.until(p, positions);
      Lanes.store(Lanes.load(x, plane + p, mask).fma(factor, summand), y, plane + p, mask);
    }
  }

  private void gradient(
      MemorySegment x,
      MemorySegment dy,
      long plane,
      float by,
      float from,
      float slope,
      float shift,
      MemorySegment dx) {
    FloatVector factor = Lanes.broadcast(by);
    FloatVector centre = Lanes.broadcast(from);
    FloatVector ofX = Lanes.broadcast(slope);
    FloatVector summand = Lanes.broadcast(shift);
    int p = 0;
    for (; p <= positions - Lanes.WIDTH; p += Lanes.WIDTH) {
      FloatVector rest = Lanes.load(x, plane + p).sub(centre).fma(ofX, summand);
      Lanes.store(Lanes.load(dy, plane + p).fma(factor, rest), dx, plane + p);
    }
    if (p < positions) {
      VectorMask<Float> mask = Lanes.until(p, positions);
      FloatVector rest = Lanes.load(x, plane + p, mask).sub(centre).fma(ofX, summand);
      Lanes.store(Lanes.load(dy, plane + p, mask).fma(factor, rest), dx, plane + p, mask);
    }
  }
}
