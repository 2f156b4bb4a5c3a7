package io.fovea.kernels;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/**
 * Planes of {@code count} positions in arrays of whole pairs of vectors. The values after the last
 * position are zeros wherever they are summed, so that loops over arrays need no masks. Only what
 * reads or writes a feature map has a masked last vector.
 */
final class PlaneArrays {
  private static final int PAIR = 2 * Lanes.WIDTH;

  private final int count;

  PlaneArrays(int count) {
    this.count = count;
  }

  /** An array of zeros for a plane. */
  float[] zeros() {
    return new float[(count + PAIR - 1) / PAIR * PAIR];
  }

  /** Adds {@code by} times a plane of a feature map. */
  void add(MemorySegment x, long plane, float by, float[] to) {
    FloatVector factor = Lanes.broadcast(by);
    int p = 0;
    for (; p <= count - Lanes.WIDTH; p += Lanes.WIDTH) {
      Lanes.load(x, plane + p).fma(factor, Lanes.load(to, p)).intoArray(to, p);
    }
    if (p < count) {
      VectorMask<Float> mask = Lanes.until(p, count);
      Lanes.load(x, plane + p, mask).fma(factor, Lanes.load(to, p)).intoArray(to, p);
    }
  }

  /** Adds the products of two planes. */
  void addProducts(MemorySegment x, MemorySegment dy, long plane, float[] to) {
    int p = 0;
    for (; p <= count - Lanes.WIDTH; p += Lanes.WIDTH) {
      Lanes.load(x, plane + p).fma(Lanes.load(dy, plane + p), Lanes.load(to, p)).intoArray(to, p);
    }
    if (p < count) {
      VectorMask<Float> mask = Lanes.until(p, count);
      Lanes.load(x, plane + p, mask)
          .fma(Lanes.load(dy, plane + p, mask), Lanes.load(to, p))
          .intoArray(to, p);
    }
  }

  /** Writes the values without their mean, and their squares, whose sum it returns. */
  float centre(MemorySegment x, long plane, float mean, float[] centred, float[] squares) {
    FloatVector shift = Lanes.broadcast(mean);
    FloatVector sum = FloatVector.zero(Lanes.SPECIES);
    int p = 0;
    for (; p <= count - Lanes.WIDTH; p += Lanes.WIDTH) {
      FloatVector value = Lanes.load(x, plane + p).sub(shift);
      FloatVector square = value.mul(value);
      value.intoArray(centred, p);
      square.intoArray(squares, p);
      sum = sum.add(square);
    }
    if (p < count) {
      VectorMask<Float> mask = Lanes.until(p, count);
      FloatVector zero = FloatVector.zero(Lanes.SPECIES);
      FloatVector value = zero.blend(Lanes.load(x, plane + p, mask).sub(shift), mask);
      FloatVector square = value.mul(value);
      value.intoArray(centred, p);
      square.intoArray(squares, p);
      sum = sum.add(square);
    }
    return Lanes.sum(sum);
  }

  /** Writes the gradients of the scores of gates: {@code x · dy · gates · (1 - gates)}. */
  void ofGates(MemorySegment x, MemorySegment dy, long plane, float[] gates, float[] scores) {
    FloatVector one = Lanes.broadcast(1);
    int p = 0;
    for (; p <= count - Lanes.WIDTH; p += Lanes.WIDTH) {
      FloatVector gate = Lanes.load(gates, p);
      FloatVector slope = gate.mul(one.sub(gate));
      Lanes.load(x, plane + p).mul(Lanes.load(dy, plane + p)).mul(slope).intoArray(scores, p);
    }
    if (p < count) {
      VectorMask<Float> mask = Lanes.until(p, count);
      FloatVector gate = Lanes.load(gates, p);
      FloatVector slope = gate.mul(one.sub(gate));
      Lanes.load(x, plane + p, mask)
          .mul(Lanes.load(dy, plane + p, mask))
          .mul(slope)
          .intoArray(scores, p);
    }
  }

  /** Writes the products of a plane with factors of its positions. */
  void scale(MemorySegment x, long plane, float[] by, MemorySegment y) {
    int p = 0;
    for (; p <= count - Lanes.WIDTH; p += Lanes.WIDTH) {
      Lanes.store(Lanes.load(x, plane + p).mul(Lanes.load(by, p)), y, plane + p);
    }
    if (p < count) {
      VectorMask<Float> mask = Lanes.until(p, count);
      Lanes.store(Lanes.load(x, plane + p, mask).mul(Lanes.load(by, p)), y, plane + p, mask);
    }
  }

  /** Writes {@code dy · gates + more · by + shift}. */
  void scaleAndAdd(
      MemorySegment dy,
      long plane,
      float[] gates,
      float[] more,
      float by,
      float shift,
      MemorySegment dx) {
    FloatVector factor = Lanes.broadcast(by);
    FloatVector summand = Lanes.broadcast(shift);
    int p = 0;
    for (; p <= count - Lanes.WIDTH; p += Lanes.WIDTH) {
      FloatVector rest = Lanes.load(more, p).fma(factor, summand);
      Lanes.store(Lanes.load(dy, plane + p).fma(Lanes.load(gates, p), rest), dx, plane + p);
    }
    if (p < count) {
      VectorMask<Float> mask = Lanes.until(p, count);
      FloatVector rest = Lanes.load(more, p).fma(factor, summand);
      Lanes.store(
          Lanes.load(dy, plane + p, mask).fma(Lanes.load(gates, p), rest), dx, plane + p, mask);
    }
  }

  /** The sum of the products of a plane with an array that ends with zeros. */
  float product(MemorySegment x, long plane, float[] by) {
    FloatVector a = FloatVector.zero(Lanes.SPECIES);
    FloatVector b = a;
    int p = 0;
    for (; p <= count - PAIR; p += PAIR) {
      a = Lanes.load(x, plane + p).fma(Lanes.load(by, p), a);
      b = Lanes.load(x, plane + p + Lanes.WIDTH).fma(Lanes.load(by, p + Lanes.WIDTH), b);
    }
    for (; p < count; p += Lanes.WIDTH) {
      a = Lanes.load(x, plane + p, Lanes.until(p, count)).fma(Lanes.load(by, p), a);
    }
    return Lanes.sum(a.add(b));
  }

  /** Subtracts a number from each position; zeros follow them. */
  void subtract(float[] values, float mean) {
    FloatVector shift = Lanes.broadcast(mean);
    for (int p = 0; p < values.length; p += Lanes.WIDTH) {
      Lanes.load(values, p).sub(shift).intoArray(values, p);
    }
    Arrays.fill(values, count, values.length, 0);
  }

  /** The sum of an array. */
  static float sum(float[] values) {
    FloatVector a = FloatVector.zero(Lanes.SPECIES);
    FloatVector b = a;
    for (int p = 0; p < values.length; p += PAIR) {
      a = a.add(Lanes.load(values, p));
      b = b.add(Lanes.load(values, p + Lanes.WIDTH));
    }
    return Lanes.sum(a.add(b));
  }

  /** The sum of the products of two arrays. */
  static float product(float[] values, float[] by) {
    FloatVector a = FloatVector.zero(Lanes.SPECIES);
    FloatVector b = a;
    for (int p = 0; p < values.length; p += PAIR) {
      a = Lanes.load(values, p).fma(Lanes.load(by, p), a);
      b = Lanes.load(values, p + Lanes.WIDTH).fma(Lanes.load(by, p + Lanes.WIDTH), b);
    }
    return Lanes.sum(a.add(b));
  }

  /** Writes {@code σ(values · by + shift)}. */
  static void gates(float[] values, float by, float shift, float[] gates) {
    FloatVector factor = Lanes.broadcast(by);
    FloatVector summand = Lanes.broadcast(shift);
    for (int p = 0; p < values.length; p += Lanes.WIDTH) {
      Lanes.sigmoid(Lanes.load(values, p).fma(factor, summand)).intoArray(gates, p);
    }
  }

  /** Turns gradients of gates into those of their scores: {@code values · gates · (1 - gates)}. */
  static void throughGates(float[] values, float[] gates) {
    FloatVector one = Lanes.broadcast(1);
    for (int p = 0; p < values.length; p += Lanes.WIDTH) {
      FloatVector gate = Lanes.load(gates, p);
      Lanes.load(values, p).mul(gate).mul(one.sub(gate)).intoArray(values, p);
    }
  }

  /**
   * {@code (values - mean) · by + more · of}, in place; zeros follow the positions. The mean comes off
   * first, so that equal values give exactly 0 however large the factor is.
   */
  void combine(float[] values, float mean, float by, float[] more, float of) {
    FloatVector shift = Lanes.broadcast(mean);
    FloatVector factor = Lanes.broadcast(by);
    FloatVector other = Lanes.broadcast(of);
    for (int p = 0; p < values.length; p += Lanes.WIDTH) {
      FloatVector rest = Lanes.load(more, p).mul(other);
      Lanes.load(values, p).sub(shift).fma(factor, rest).intoArray(values, p);
    }
    Arrays.fill(values, count, values.length, 0);
  }

  /** {@code values · (by · factors + shift)}, in place. */
  static void multiply(float[] values, float[] factors, float by, float shift) {
    FloatVector scale = Lanes.broadcast(by);
    FloatVector summand = Lanes.broadcast(shift);
    for (int p = 0; p < values.length; p += Lanes.WIDTH) {
      Lanes.load(values, p).mul(Lanes.load(factors, p).fma(scale, summand)).intoArray(values, p);
    }
  }
}
