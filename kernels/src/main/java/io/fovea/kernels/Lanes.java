package io.fovea.kernels;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.List;
import java.util.stream.IntStream;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/** Loads, stores and mathematical functions of float vectors for the kernels. */
final class Lanes {
  static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  static final int WIDTH = SPECIES.length();
  private static final ByteOrder ORDER = ByteOrder.nativeOrder();

  /** Adding this constant to a float leaves the rounded integer in its last bits. */
  static final float INTEGERS = 0x1.8p23f;

  /**
   * Shuffles that move the upper half of the lanes to the lower half, then the upper quarter, and
   * so on.
   */
  private static final List<VectorShuffle<Float>> HALVES =
      IntStream.iterate(WIDTH / 2, half -> half >= 1, half -> half / 2)
          .mapToObj(half -> VectorShuffle.iota(SPECIES, half, 1, true))
          .toList();

  private Lanes() {}

  static FloatVector load(MemorySegment from, long index) {
    return FloatVector.fromMemorySegment(SPECIES, from, index * Float.BYTES, ORDER);
  }

  static FloatVector load(MemorySegment from, long index, VectorMask<Float> mask) {
    return FloatVector.fromMemorySegment(SPECIES, from, index * Float.BYTES, ORDER, mask);
  }

  static FloatVector load(float[] from, int index) {
    return FloatVector.fromArray(SPECIES, from, index);
  }

  static void store(FloatVector values, MemorySegment to, long index) {
    values.intoMemorySegment(to, index * Float.BYTES, ORDER);
  }

  static void store(FloatVector values, MemorySegment to, long index, VectorMask<Float> mask) {
    values.intoMemorySegment(to, index * Float.BYTES, ORDER, mask);
  }

  /** The mask of lanes before {@code end}, for the vector at {@code index}. */
  static VectorMask<Float> until(int index, int end) {
    return SPECIES.indexInRange(index, end);
  }

  /** 1 / (1 + exp(-x)). */
  static FloatVector sigmoid(FloatVector x) {
    FloatVector one = FloatVector.broadcast(SPECIES, 1);
    return one.div(exp(x.neg()).add(one));
  }

  /** Computes in place, for whole vectors. */
  static void sigmoid(float[] values) {
    for (int i = 0; i < values.length; i += WIDTH) {
      sigmoid(load(values, i)).intoArray(values, i);
    }
  }

  /**
   * The exponential with an error of at most the last bit but one, for numbers between -87 and 88.
   * Below, it stays constant; above, it is infinite, so that the sigmoid of -∞ is 0. Java's own
   * function changes its last bits when it is compiled, but a training must be repeatable bit for
   * bit.
   *
   * <p>2ⁿ eʳ with n = round(x / ln 2), r by a polynomial of degree 6 (Cephes, expf).
   */
  private static FloatVector exp(FloatVector x) {
    // n is 128 for these, which gives an infinite power of two
    return expWithin(x.max(-87f).min(89f));
  }

  /** The same for numbers that are not positive, of which -87 is the least that counts. */
  static FloatVector expOfNegative(FloatVector x) {
    return expWithin(larger(x, broadcast(-87f)));
  }

  private static FloatVector expWithin(FloatVector within) {
    FloatVector shifted = within.fma(1.442695f, INTEGERS); // the last bits are n
    FloatVector n = shifted.sub(INTEGERS);
    FloatVector r = n.fma(broadcast(-6.933594e-1f), within);
    r = n.fma(broadcast(2.1219444e-4f), r);
    FloatVector p = broadcast(1.9875691e-4f);
    p = p.fma(r, broadcast(1.3981999e-3f));
    p = p.fma(r, broadcast(8.333452e-3f));
    p = p.fma(r, broadcast(4.1665796e-2f));
    p = p.fma(r, broadcast(1.6666666e-1f));
    p = p.fma(r, broadcast(5e-1f));
    p = p.fma(r.mul(r), r).add(1f);
    return p.mul(powerOfTwo(shifted));
  }

  /**
   * 2ⁿ for n from -126 to 127 (∞ for 128), where n is in the last bits of a sum with {@link
   * #INTEGERS}.
   */
  static FloatVector powerOfTwo(FloatVector shifted) {
    return shifted
        .reinterpretAsInts()
        .lanewise(VectorOperators.LSHL, 23)
        .add(127 << 23)
        .reinterpretAsFloats();
  }

  static FloatVector broadcast(float value) {
    return FloatVector.broadcast(SPECIES, value);
  }

  /**
   * The larger of two values, or the first one if either is NaN. {@code max}, which returns NaN, is
   * slower.
   */
  static FloatVector larger(FloatVector a, FloatVector b) {
    return a.blend(b, b.compare(VectorOperators.GT, a));
  }

  /** Sets values to zero where {@code by} is not positive. NaN is kept, as in libtorch. */
  static FloatVector rectified(FloatVector values, FloatVector by) {
    return values.blend(0, by.compare(VectorOperators.LE, 0));
  }

  /**
   * The sum of the lanes, added in pairs and always in the same order, which Java's own reduction
   * does not guarantee.
   */
  static float sum(FloatVector x) {
    FloatVector sum = x;
    for (VectorShuffle<Float> half : HALVES) {
      sum = sum.add(sum.rearrange(half));
    }
    return sum.lane(0);
  }

  /**
   * Rounds up to a multiple of the vector length. Arrays of positions have such lengths, so that no
   * masks are needed.
   */
  static int rounded(int count) {
    return (count + WIDTH - 1) / WIDTH * WIDTH;
  }

  static float sigmoid(float x) {
    return (float) (1 / (1 + Math.exp(-x)));
  }

  /** The sum of {@code count} products of floats from {@code i} in {@code a} and {@code j} in {@code b}. */
  static float product(float[] a, int i, float[] b, int j, int count) {
    float sum = 0;
    int k = 0;
    if (count >= WIDTH) {
      FloatVector sums = FloatVector.zero(SPECIES);
      for (; k <= count - WIDTH; k += WIDTH) {
        sums = load(a, i + k).fma(load(b, j + k), sums);
      }
      sum = sum(sums);
    }
    for (; k < count; k++) {
      sum += a[i + k] * b[j + k];
    }
    return sum;
  }

  /** The sum of {@code count} floats, beginning at {@code from}. */
  static float sum(MemorySegment x, long from, int count) {
    FloatVector a = FloatVector.zero(SPECIES);
    FloatVector b = a;
    FloatVector c = a;
    FloatVector d = a;
    int i = 0;
    for (; i <= count - 4 * WIDTH; i += 4 * WIDTH) {
      a = a.add(load(x, from + i));
      b = b.add(load(x, from + i + WIDTH));
      c = c.add(load(x, from + i + 2L * WIDTH));
      d = d.add(load(x, from + i + 3L * WIDTH));
    }
    for (; i < count; i += WIDTH) {
      a = a.add(load(x, from + i, until(i, count)));
    }
    return sum(a.add(b).add(c.add(d)));
  }

  /** The maximum of {@code count} floats, beginning at {@code from}; NaN if any value is NaN. */
  static float max(MemorySegment x, long from, int count) {
    FloatVector a = FloatVector.broadcast(SPECIES, Float.NEGATIVE_INFINITY);
    FloatVector b = a;
    int i = 0;
    for (; i <= count - 2 * WIDTH; i += 2 * WIDTH) {
      a = a.max(load(x, from + i));
      b = b.max(load(x, from + i + WIDTH));
    }
    for (; i < count; i += WIDTH) {
      VectorMask<Float> mask = until(i, count);
      a = a.lanewise(VectorOperators.MAX, load(x, from + i, mask), mask);
    }
    return a.max(b).reduceLanes(VectorOperators.MAX);
  }

  /**
   * The index of the first float that equals {@code value}, or that is NaN if {@code value} is NaN.
   */
  static int first(MemorySegment x, long from, int count, float value) {
    boolean nan = Float.isNaN(value);
    for (int i = 0; i < count; i += WIDTH) {
      VectorMask<Float> mask = until(i, count);
      FloatVector values = load(x, from + i, mask);
      VectorMask<Float> found =
          (nan ? values.test(VectorOperators.IS_NAN) : values.eq(value)).and(mask);
      if (found.anyTrue()) {
        return i + found.firstTrue();
      }
    }
    throw new IllegalStateException(
        "the maximum of a channel was not found in it; the tensor was changed during the"
            + " computation");
  }
}
