package io.fovea.kernels;

import io.fovea.attention.fast.Kernels.CbamGradients;
import io.fovea.attention.fast.Kernels.CbamWeights;
import io.fovea.attention.fast.Kernels.Saved;
import io.fovea.attention.fast.Kernels.Shape;
import io.fovea.kernels.CbamGates.Back;
import io.fovea.kernels.CbamGates.Described;
import io.fovea.kernels.CbamGates.Image;
import io.fovea.kernels.CbamGates.Images;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * {@link CbamKernel} for channels-last (NHWC) feature maps, alone or with the addition and ReLU of
 * a residual block. Sums over the channels of a position are first sums of vectors. Then the lanes
 * of the remaining vector of each position are added up ({@link LaneTranspose}).
 */
final class CbamNhwcKernel {
  private static final int TOGETHER =
      4; // number of positions per step, so that values of channels are loaded less often

  private final CbamGates gating;
  private final int images;
  private final int channels;
  private final int positions;
  private final int whole; // number of channels in whole vectors
  // TOGETHER if all channels are in whole vectors, otherwise more than the number of positions
  private final int fours;
  private final Rows rows;

  CbamNhwcKernel(Shape shape, CbamWeights weights) {
    gating = new CbamGates(shape, weights);
    images = shape.images();
    channels = shape.channels();
    positions = shape.positions();
    whole = channels / Lanes.WIDTH * Lanes.WIDTH;
    fours = whole == channels ? TOGETHER : positions + 1;
    rows = new Rows(channels, positions);
  }

  private long at(int image, int position) {
    return ((long) image * positions + position) * channels;
  }

  /** Computes with or without (null) a shortcut; {@code y} may be {@code x}. */
  Saved forward(MemorySegment x, MemorySegment shortcut, MemorySegment y) {
    Image[] saved = new Image[images];
    Arrays.setAll(saved, i -> gating.image());
    float[][][] sums = new float[images][rows.parts()][rows.width()];
    float[][][] largest = new float[images][rows.parts()][rows.width()];
    rows.forEach(
        images,
        (image, part) -> {
          Arrays.fill(largest[image][part], Float.NEGATIVE_INFINITY);
          rows.pool(x, image, part, sums[image][part], largest[image][part]);
        },
        Rows.once(image -> channelGates(image, x, sums[image], largest[image], saved[image])),
        (image, part) -> describe(image, part, x, saved[image]),
        Rows.once(image -> gating.ofPositions(saved[image])),
        shortcut == null
            ? (image, part) -> scale(image, part, x, y, saved[image])
            : (image, part) -> scaleAndAdd(image, part, x, shortcut, y, saved[image]));
    return new Images(List.of(saved));
  }

  private void channelGates(
      int image, MemorySegment x, float[][] sums, float[][] largest, Image saved) {
    float[] average = saved.average();
    float[] maximum = saved.maximum();
    rows.fold(sums, average);
    rows.foldLargest(largest, maximum);
    for (int c = 0; c < channels; c++) {
      // comparisons have ignored a NaN, or there are infinities of both signs
      if (Float.isNaN(average[c])) {
        maximum[c] = rows.maximum(x, image, c);
      }
      average[c] /= positions;
    }
    gating.ofChannels(saved);
  }

  /** Computes mean and maximum over the gated channels. */
  private void describe(int image, int part, MemorySegment x, Image saved) {
    float[] sums = new float[Rows.BLOCK * Lanes.WIDTH];
    float[] largest = new float[Rows.BLOCK * Lanes.WIDTH];
    int end = rows.end(part);
    for (int from = rows.start(part); from < end; from += Rows.BLOCK) {
      int count = Math.min(Rows.BLOCK, end - from);
      describe(at(image, from), count, x, saved.gates(), sums, largest);
      LaneTranspose.add(sums, count);
      LaneTranspose.larger(largest, count);
      for (int i = 0; i < count; i += Lanes.WIDTH) {
        FloatVector sum = Lanes.load(sums, i);
        sum.div(channels).intoArray(saved.describedAverage(), from + i);
        Lanes.load(largest, i).intoArray(saved.describedMaximum(), from + i);
        if (sum.test(VectorOperators.IS_NAN).anyTrue()) {
          correct(image, from + i, Math.min(from + i + Lanes.WIDTH, end), x, saved);
        }
      }
    }
  }

  /** Corrects the maxima if there may be NaN, which comparisons ignore; the mean shows it. */
  private void correct(int image, int from, int end, MemorySegment x, Image saved) {
    for (int p = from; p < end; p++) {
      if (Float.isNaN(saved.describedAverage()[p])) {
        float maximum = Float.NEGATIVE_INFINITY;
        for (int c = 0; c < channels; c++) {
          float value = x.getAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, at(image, p) + c);
          maximum = Math.max(maximum, saved.gates()[c] * value);
        }
        saved.describedMaximum()[p] = maximum;
      }
    }
  }

  /** Computes a vector of sums and one of maxima for each of {@code count} positions. */
  private void describe(
      long at, int count, MemorySegment x, float[] gates, float[] sums, float[] largest) {
    int p = 0;
    for (; p <= count - fours; p += TOGETHER) {
      describeFour(at + (long) p * channels, x, gates, sums, largest, p * Lanes.WIDTH);
    }
    for (; p < count; p++) {
      describeOne(at + (long) p * channels, x, gates, sums, largest, p * Lanes.WIDTH);
    }
  }

  private void describeFour(
      long at, MemorySegment x, float[] gates, float[] sums, float[] largest, int to) {
    long second = at + channels;
    long third = second + channels;
    long fourth = third + channels;
    FloatVector s0 = FloatVector.zero(Lanes.SPECIES);
    FloatVector s1 = s0;
    FloatVector s2 = s0;
    FloatVector s3 = s0;
    FloatVector m0 = FloatVector.broadcast(Lanes.SPECIES, Float.NEGATIVE_INFINITY);
    FloatVector m1 = m0;
    FloatVector m2 = m0;
    FloatVector m3 = m0;
    for (int c = 0; c < channels; c += Lanes.WIDTH) {
      FloatVector gate = Lanes.load(gates, c);
      FloatVector r0 = Lanes.load(x, at + c).mul(gate);
      FloatVector r1 = Lanes.load(x, second + c).mul(gate);
      FloatVector r2 = Lanes.load(x, third + c).mul(gate);
      FloatVector r3 = Lanes.load(x, fourth + c).mul(gate);
      s0 = s0.add(r0);
      s1 = s1.add(r1);
      s2 = s2.add(r2);
      s3 = s3.add(r3);
      m0 = Lanes.larger(m0, r0);
      m1 = Lanes.larger(m1, r1);
      m2 = Lanes.larger(m2, r2);
      m3 = Lanes.larger(m3, r3);
    }
    s0.intoArray(sums, to);
    s1.intoArray(sums, to + Lanes.WIDTH);
    s2.intoArray(sums, to + 2 * Lanes.WIDTH);
    s3.intoArray(sums, to + 3 * Lanes.WIDTH);
    m0.intoArray(largest, to);
    m1.intoArray(largest, to + Lanes.WIDTH);
    m2.intoArray(largest, to + 2 * Lanes.WIDTH);
    m3.intoArray(largest, to + 3 * Lanes.WIDTH);
  }

  private void describeOne(
      long at, MemorySegment x, float[] gates, float[] sums, float[] largest, int to) {
    FloatVector sum = FloatVector.zero(Lanes.SPECIES);
    FloatVector max = FloatVector.broadcast(Lanes.SPECIES, Float.NEGATIVE_INFINITY);
    for (int c = 0; c < channels; c += Lanes.WIDTH) {
      VectorMask<Float> mask = Lanes.until(c, channels);
      FloatVector r = Lanes.load(x, at + c, mask).mul(Lanes.load(gates, c));
      sum = sum.add(r, mask);
      max = max.blend(Lanes.larger(max, r), mask);
    }
    sum.intoArray(sums, to);
    max.intoArray(largest, to);
  }

  private void scale(int image, int part, MemorySegment x, MemorySegment y, Image saved) {
    float[] gates = saved.gates();
    int end = rows.end(part);
    int p = rows.start(part);
    for (; p <= end - fours; p += TOGETHER) {
      scaleFour(at(image, p), x, y, gates, saved.spatialGates(), p);
    }
    for (; p < end; p++) {
      long at = at(image, p);
      FloatVector spatial = FloatVector.broadcast(Lanes.SPECIES, saved.spatialGates()[p]);
      for (int c = 0; c < channels; c += Lanes.WIDTH) {
        VectorMask<Float> mask = Lanes.until(c, channels);
        FloatVector gated = Lanes.load(x, at + c, mask).mul(Lanes.load(gates, c));
        Lanes.store(gated.mul(spatial), y, at + c, mask);
      }
    }
  }

  private void scaleFour(
      long at, MemorySegment x, MemorySegment y, float[] gates, float[] spatial, int p) {
    long second = at + channels;
    long third = second + channels;
    long fourth = third + channels;
    FloatVector s0 = FloatVector.broadcast(Lanes.SPECIES, spatial[p]);
    FloatVector s1 = FloatVector.broadcast(Lanes.SPECIES, spatial[p + 1]);
    FloatVector s2 = FloatVector.broadcast(Lanes.SPECIES, spatial[p + 2]);
    FloatVector s3 = FloatVector.broadcast(Lanes.SPECIES, spatial[p + 3]);
    for (int c = 0; c < channels; c += Lanes.WIDTH) {
      FloatVector gate = Lanes.load(gates, c);
      Lanes.store(Lanes.load(x, at + c).mul(gate).mul(s0), y, at + c);
      Lanes.store(Lanes.load(x, second + c).mul(gate).mul(s1), y, second + c);
      Lanes.store(Lanes.load(x, third + c).mul(gate).mul(s2), y, third + c);
      Lanes.store(Lanes.load(x, fourth + c).mul(gate).mul(s3), y, fourth + c);
    }
  }

  private void scaleAndAdd(
      int image, int part, MemorySegment x, MemorySegment shortcut, MemorySegment y, Image saved) {
    float[] gates = saved.gates();
    int end = rows.end(part);
    int p = rows.start(part);
    for (; p <= end - fours; p += TOGETHER) {
      scaleAndAddFour(at(image, p), x, shortcut, y, gates, saved.spatialGates(), p);
    }
    for (; p < end; p++) {
      long at = at(image, p);
      FloatVector spatial = FloatVector.broadcast(Lanes.SPECIES, saved.spatialGates()[p]);
      for (int c = 0; c < channels; c += Lanes.WIDTH) {
        VectorMask<Float> mask = Lanes.until(c, channels);
        FloatVector gated = Lanes.load(x, at + c, mask).mul(Lanes.load(gates, c)).mul(spatial);
        FloatVector sum = gated.add(Lanes.load(shortcut, at + c, mask));
        Lanes.store(Lanes.rectified(sum, sum), y, at + c, mask);
      }
    }
  }

  private void scaleAndAddFour(
      long at,
      MemorySegment x,
      MemorySegment shortcut,
      MemorySegment y,
      float[] gates,
      float[] spatial,
      int p) {
    long second = at + channels;
    long third = second + channels;
    long fourth = third + channels;
    FloatVector s0 = FloatVector.broadcast(Lanes.SPECIES, spatial[p]);
    FloatVector s1 = FloatVector.broadcast(Lanes.SPECIES, spatial[p + 1]);
    FloatVector s2 = FloatVector.broadcast(Lanes.SPECIES, spatial[p + 2]);
    FloatVector s3 = FloatVector.broadcast(Lanes.SPECIES, spatial[p + 3]);
    for (int c = 0; c < channels; c += Lanes.WIDTH) {
      FloatVector gate = Lanes.load(gates, c);
      FloatVector r0 = Lanes.load(x, at + c).mul(gate).mul(s0).add(Lanes.load(shortcut, at + c));
      FloatVector r1 =
          Lanes.load(x, second + c).mul(gate).mul(s1).add(Lanes.load(shortcut, second + c));
      FloatVector r2 =
          Lanes.load(x, third + c).mul(gate).mul(s2).add(Lanes.load(shortcut, third + c));
      FloatVector r3 =
          Lanes.load(x, fourth + c).mul(gate).mul(s3).add(Lanes.load(shortcut, fourth + c));
      Lanes.store(Lanes.rectified(r0, r0), y, at + c);
      Lanes.store(Lanes.rectified(r1, r1), y, second + c);
      Lanes.store(Lanes.rectified(r2, r2), y, third + c);
      Lanes.store(Lanes.rectified(r3, r3), y, fourth + c);
    }
  }

  /** The gradients of an image. */
  private static final class Way {
    private final float[] spatial; // gradient of the logits of the spatial gates
    private final float[][]
        sums; // gradient of the channel gates for each part, padded to whole vectors
    private Described described;
    private Back back;
    // the gradient that each position of a channel receives, repeated along a row
    private float[] each;

    Way(int channels, int positions, int parts) {
      spatial = new float[Lanes.rounded(positions)];
      sums = new float[parts][Lanes.rounded(channels)];
    }
  }

  /**
   * Computes the gradient with the output and the shortcut's gradient of a block, or null for both.
   */
  CbamGradients gradient(
      Saved forward,
      MemorySegment x,
      MemorySegment y,
      MemorySegment dy,
      MemorySegment dx,
      MemorySegment ofShortcut) {
    List<Image> saved = ((Images) forward).images();
    Way[] ways = new Way[images];
    Arrays.setAll(ways, i -> new Way(channels, positions, rows.parts()));
    MemorySegment through = y == null ? dy : ofShortcut;
    rows.forEach(
        images,
        y == null
            ? (image, part) -> {}
            : (image, part) ->
                ResidualEnd.gradient(rows.from(image, part), rows.count(part), y, dy, ofShortcut),
        (image, part) -> spatialGradient(image, part, x, through, saved.get(image), ways[image]),
        Rows.once(
            image -> ways[image].described = gating.back(saved.get(image), ways[image].spatial)),
        (image, part) ->
            channelGradient(image, part, x, through, dx, saved.get(image), ways[image]),
        (image, part) -> toMaxima(image, part, x, dx, saved.get(image), ways[image]),
        Rows.once(image -> throughMlp(saved.get(image), ways[image])),
        (image, part) -> averageGradient(image, part, dx, ways[image]),
        Rows.once(image -> maximumGradient(image, x, dx, saved.get(image), ways[image])));
    return gating.sum(saved, Arrays.stream(ways).map(way -> way.back).toList());
  }

  /**
   * The gradient of the logits of the spatial gates: {@code Σ_c dy · c x} times that of the
   * sigmoid.
   */
  private void spatialGradient(
      int image, int part, MemorySegment x, MemorySegment dy, Image saved, Way way) {
    float[] sums = new float[Rows.BLOCK * Lanes.WIDTH];
    int end = rows.end(part);
    for (int from = rows.start(part); from < end; from += Rows.BLOCK) {
      int count = Math.min(Rows.BLOCK, end - from);
      products(at(image, from), count, x, dy, saved.gates(), sums);
      LaneTranspose.add(sums, count);
      for (int i = 0; i < count; i += Lanes.WIDTH) {
        FloatVector gate = Lanes.load(saved.spatialGates(), from + i);
        FloatVector slope = gate.sub(gate.mul(gate));
        Lanes.load(sums, i).mul(slope).intoArray(way.spatial, from + i);
      }
    }
  }

  /** Computes a vector of sums for each of {@code count} positions. */
  private void products(
      long at, int count, MemorySegment x, MemorySegment dy, float[] gates, float[] sums) {
    int p = 0;
    for (; p <= count - fours; p += TOGETHER) {
      productsOfFour(at + (long) p * channels, x, dy, gates, sums, p * Lanes.WIDTH);
    }
    for (; p < count; p++) {
      long from = at + (long) p * channels;
      FloatVector sum = FloatVector.zero(Lanes.SPECIES);
      for (int c = 0; c < channels; c += Lanes.WIDTH) {
        VectorMask<Float> mask = Lanes.until(c, channels);
        FloatVector gated = Lanes.load(x, from + c, mask).mul(Lanes.load(gates, c));
        sum = sum.add(gated.mul(Lanes.load(dy, from + c, mask)), mask);
      }
      sum.intoArray(sums, p * Lanes.WIDTH);
    }
  }

  private void productsOfFour(
      long at, MemorySegment x, MemorySegment dy, float[] gates, float[] sums, int to) {
    long second = at + channels;
    long third = second + channels;
    long fourth = third + channels;
    FloatVector s0 = FloatVector.zero(Lanes.SPECIES);
    FloatVector s1 = s0;
    FloatVector s2 = s0;
    FloatVector s3 = s0;
    for (int c = 0; c < channels; c += Lanes.WIDTH) {
      FloatVector gate = Lanes.load(gates, c);
      s0 = Lanes.load(x, at + c).mul(gate).fma(Lanes.load(dy, at + c), s0);
      s1 = Lanes.load(x, second + c).mul(gate).fma(Lanes.load(dy, second + c), s1);
      s2 = Lanes.load(x, third + c).mul(gate).fma(Lanes.load(dy, third + c), s2);
      s3 = Lanes.load(x, fourth + c).mul(gate).fma(Lanes.load(dy, fourth + c), s3);
    }
    s0.intoArray(sums, to);
    s1.intoArray(sums, to + Lanes.WIDTH);
    s2.intoArray(sums, to + 2 * Lanes.WIDTH);
    s3.intoArray(sums, to + 3 * Lanes.WIDTH);
  }

  /**
   * With {@code d} the gradient of c x, without that of the positions' maxima, writes {@code c d}
   * to dx and sums {@code d x}, the gradient of the gates.
   */
  private void channelGradient(
      int image,
      int part,
      MemorySegment x,
      MemorySegment dy,
      MemorySegment dx,
      Image saved,
      Way way) {
    float[] sums = way.sums[part];
    float[] gates = saved.gates();
    float[] spatial = saved.spatialGates();
    int end = rows.end(part);
    int p = rows.start(part);
    for (; p <= end - fours; p += TOGETHER) {
      channelGradientOfFour(
          at(image, p), x, dy, dx, gates, spatial, way.described.toEach(), p, sums);
    }
    for (; p < end; p++) {
      channelGradientOfOne(
          at(image, p), x, dy, dx, gates, spatial[p], way.described.toEach()[p], sums);
    }
  }

  private void channelGradientOfOne(
      long at,
      MemorySegment x,
      MemorySegment dy,
      MemorySegment dx,
      float[] gates,
      float spatial,
      float toEach,
      float[] sums) {
    FloatVector s = FloatVector.broadcast(Lanes.SPECIES, spatial);
    FloatVector a = FloatVector.broadcast(Lanes.SPECIES, toEach);
    for (int c = 0; c < channels; c += Lanes.WIDTH) {
      VectorMask<Float> mask = Lanes.until(c, channels);
      FloatVector d = Lanes.load(dy, at + c, mask).fma(s, a);
      Lanes.load(sums, c).add(d.mul(Lanes.load(x, at + c, mask)), mask).intoArray(sums, c);
      Lanes.store(d.mul(Lanes.load(gates, c)), dx, at + c, mask);
    }
  }

  private void channelGradientOfFour(
      long at,
      MemorySegment x,
      MemorySegment dy,
      MemorySegment dx,
      float[] gates,
      float[] spatial,
      float[] toEach,
      int p,
      float[] sums) {
    long second = at + channels;
    long third = second + channels;
    long fourth = third + channels;
    FloatVector s0 = FloatVector.broadcast(Lanes.SPECIES, spatial[p]);
    FloatVector s1 = FloatVector.broadcast(Lanes.SPECIES, spatial[p + 1]);
    FloatVector s2 = FloatVector.broadcast(Lanes.SPECIES, spatial[p + 2]);
    FloatVector s3 = FloatVector.broadcast(Lanes.SPECIES, spatial[p + 3]);
    FloatVector a0 = FloatVector.broadcast(Lanes.SPECIES, toEach[p]);
    FloatVector a1 = FloatVector.broadcast(Lanes.SPECIES, toEach[p + 1]);
    FloatVector a2 = FloatVector.broadcast(Lanes.SPECIES, toEach[p + 2]);
    FloatVector a3 = FloatVector.broadcast(Lanes.SPECIES, toEach[p + 3]);
    for (int c = 0; c < channels; c += Lanes.WIDTH) {
      FloatVector gate = Lanes.load(gates, c);
      FloatVector d0 = Lanes.load(dy, at + c).fma(s0, a0);
      FloatVector d1 = Lanes.load(dy, second + c).fma(s1, a1);
      FloatVector d2 = Lanes.load(dy, third + c).fma(s2, a2);
      FloatVector d3 = Lanes.load(dy, fourth + c).fma(s3, a3);
      FloatVector sum = d0.fma(Lanes.load(x, at + c), Lanes.load(sums, c));
      sum = d1.fma(Lanes.load(x, second + c), sum);
      sum = d2.fma(Lanes.load(x, third + c), sum);
      d3.fma(Lanes.load(x, fourth + c), sum).intoArray(sums, c);
      Lanes.store(d0.mul(gate), dx, at + c);
      Lanes.store(d1.mul(gate), dx, second + c);
      Lanes.store(d2.mul(gate), dx, third + c);
      Lanes.store(d3.mul(gate), dx, fourth + c);
    }
  }

  /**
   * Adds the gradient of a position's maximum to the first channel with this value, or to none if
   * it is NaN.
   */
  private void toMaxima(
      int image, int part, MemorySegment x, MemorySegment dx, Image saved, Way way) {
    float[] gates = saved.gates();
    float[] sums = way.sums[part];
    for (int p = rows.start(part); p < rows.end(part); p++) {
      long at = at(image, p);
      int first = first(at, x, gates, saved.describedMaximum()[p]);
      if (first >= 0) {
        float d = way.described.toMaximum()[p];
        sums[first] += d * x.getAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, at + first);
        add(dx, at + first, d * gates[first]);
      }
    }
  }

  /** The first channel whose gated value equals this value, or -1. */
  private int first(long at, MemorySegment x, float[] gates, float value) {
    int c = 0;
    for (; c < whole; c += Lanes.WIDTH) {
      long here = Lanes.load(x, at + c).mul(Lanes.load(gates, c)).eq(value).toLong();
      if (here != 0) {
        return c + Long.numberOfTrailingZeros(here);
      }
    }
    if (c < channels) {
      VectorMask<Float> mask = Lanes.until(c, channels);
      FloatVector gated = Lanes.load(x, at + c, mask).mul(Lanes.load(gates, c));
      long here = gated.eq(value).and(mask).toLong();
      if (here != 0) {
        return c + Long.numberOfTrailingZeros(here);
      }
    }
    return -1;
  }

  private static void add(MemorySegment to, long index, float more) {
    float before = to.getAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, index);
    to.setAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, index, before + more);
  }

  private void throughMlp(Image saved, Way way) {
    float[] logits = new float[channels];
    for (int c = 0; c < channels; c++) {
      float sum = 0;
      for (float[] part : way.sums) {
        sum += part[c];
      }
      float gate = saved.gates()[c];
      logits[c] = sum * gate * (1 - gate);
    }
    way.back = gating.back(saved, logits, way.described.conv());
    float[] each = new float[channels];
    for (int c = 0; c < channels; c++) {
      each[c] = way.back.average().input()[c] / positions;
    }
    way.each = rows.repeated(each);
  }

  private void averageGradient(int image, int part, MemorySegment dx, Way way) {
    float[] row = way.each;
    long at = rows.from(image, part);
    int left = rows.count(part);
    for (; left >= row.length; left -= row.length, at += row.length) {
      for (int i = 0; i < row.length; i += Lanes.WIDTH) {
        Lanes.store(Lanes.load(dx, at + i).add(Lanes.load(row, i)), dx, at + i);
      }
    }
    for (int i = 0; i < left; i += Lanes.WIDTH) {
      VectorMask<Float> mask = Lanes.until(i, left);
      Lanes.store(Lanes.load(dx, at + i, mask).add(Lanes.load(row, i)), dx, at + i, mask);
    }
  }

  /**
   * Adds the gradient of a channel's maximum to the first position with this value, or to none if
   * it is NaN.
   */
  private void maximumGradient(int image, MemorySegment x, MemorySegment dx, Image saved, Way way) {
    float[] maximum = Arrays.copyOf(saved.maximum(), Lanes.rounded(channels));
    float[] more = way.back.maximum().input();
    long[] left = new long[maximum.length / Lanes.WIDTH];
    for (int i = 0; i < left.length; i++) {
      left[i] = Lanes.until(i * Lanes.WIDTH, channels).toLong();
    }
    int missing = channels;
    for (int p = 0; p < positions && missing > 0; p++) {
      long at = at(image, p);
      int c = 0;
      for (int i = 0; i < left.length; i++, c += Lanes.WIDTH) {
        FloatVector values =
            c < whole ? Lanes.load(x, at + c) : Lanes.load(x, at + c, Lanes.until(c, channels));
        long here = values.eq(Lanes.load(maximum, c)).toLong() & left[i];
        if (here != 0) {
          left[i] &= ~here;
          missing -= Long.bitCount(here);
          for (; here != 0; here &= here - 1) {
            int channel = c + Long.numberOfTrailingZeros(here);
            add(dx, at + channel, more[channel]);
          }
        }
      }
    }
  }
}
