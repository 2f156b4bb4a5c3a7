package io.fovea.kernels;

import io.fovea.attention.fast.Kernels.Shape;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/** The addition and ReLU of a residual block as separate passes, for any memory order. */
final class ResidualEnd {
  private ResidualEnd() {}

  private static int perImage(Shape shape) {
    return shape.channels() * shape.positions();
  }

  /** {@code y = relu(y + shortcut)}. */
  static void add(Shape shape, MemorySegment shortcut, MemorySegment y) {
    int count = perImage(shape);
    Parallel.forEach(shape.images(), image -> add((long) image * count, count, shortcut, y));
  }

  private static void add(long at, int count, MemorySegment shortcut, MemorySegment y) {
    int i = 0;
    for (; i <= count - Lanes.WIDTH; i += Lanes.WIDTH) {
      FloatVector sum = Lanes.load(y, at + i).add(Lanes.load(shortcut, at + i));
      Lanes.store(Lanes.rectified(sum, sum), y, at + i);
    }
    if (i < count) {
      VectorMask<Float> mask = Lanes.until(i, count);
      FloatVector sum = Lanes.load(y, at + i, mask).add(Lanes.load(shortcut, at + i, mask));
      Lanes.store(Lanes.rectified(sum, sum), y, at + i, mask);
    }
  }

  /** The gradient {@code dy} after the ReLU. */
  static void gradient(Shape shape, MemorySegment y, MemorySegment dy, MemorySegment through) {
    int count = perImage(shape);
    Parallel.forEach(
        shape.images(), image -> gradient((long) image * count, count, y, dy, through));
  }

  /** The same for a number of floats. */
  static void gradient(
      long at, int count, MemorySegment y, MemorySegment dy, MemorySegment through) {
    int i = 0;
    for (; i <= count - Lanes.WIDTH; i += Lanes.WIDTH) {
      FloatVector d = Lanes.rectified(Lanes.load(dy, at + i), Lanes.load(y, at + i));
      Lanes.store(d, through, at + i);
    }
    if (i < count) {
      VectorMask<Float> mask = Lanes.until(i, count);
      FloatVector d = Lanes.rectified(Lanes.load(dy, at + i, mask), Lanes.load(y, at + i, mask));
      Lanes.store(d, through, at + i, mask);
    }
  }
}
