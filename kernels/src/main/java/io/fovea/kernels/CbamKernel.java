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
 * CBAM and its gradient, one image after the other, so that all passes after the first find the
 * image in the cache.
 */
final class CbamKernel {
  // number of channels per step, so that sums are loaded and stored less often
  private static final int TOGETHER = 4;

  private final Shape shape;
  private final CbamGates gating;
  private final int channels;
  private final int positions;

  CbamKernel(Shape shape, CbamWeights weights) {
    this.shape = shape;
    gating = new CbamGates(shape, weights);
    channels = shape.channels();
    positions = shape.positions();
  }

  private long at(int image, int channel) {
    return ((long) image * channels + channel) * positions;
  }

  Saved forward(MemorySegment x, MemorySegment y) {
    Image[] saved = new Image[shape.images()];
    Parallel.forEachAhead(saved.length, (image, next) -> forward(image, next, x, y, saved));
    return new Images(List.of(saved));
  }

  private void forward(int image, int next, MemorySegment x, MemorySegment y, Image[] saved) {
    if (saved[image] == null) { // the first image of this thread
      saved[image] = gating.image();
      InliningBarrier.inTurn(() -> pool(image, x, saved[image]));
    }
    if (next >= 0) {
      saved[next] = gating.image();
    }
    Image of = saved[image];
    InliningBarrier.inTurn(
        () -> gating.ofChannels(of),
        () -> describe(image, x, of),
        () -> gating.ofPositions(of),
        () -> scale(image, x, y, of, next, next < 0 ? null : saved[next]));
  }

  private void pool(int image, MemorySegment x, Image saved) {
    for (int c = 0; c < channels; c++) {
      pool(x, at(image, c), saved, c);
    }
  }

  /**
   * Also pools the next image, whose data is loaded from memory while this image is processed from
   * the cache.
   */
  private void scale(
      int image, MemorySegment x, MemorySegment y, Image saved, int next, Image ahead) {
    for (int c = 0; c < channels; c++) {
      if (next >= 0 && positions % (2 * Lanes.WIDTH) == 0) {
        scaleAndPool(
            at(image, c), x, y, saved.gates()[c], saved.spatialGates(), at(next, c), ahead, c);
      } else {
        scale(at(image, c), x, y, saved.gates()[c], saved.spatialGates());
        if (next >= 0) {
          pool(x, at(next, c), ahead, c);
        }
      }
    }
  }

  private void scale(long plane, MemorySegment x, MemorySegment y, float by, float[] spatial) {
    FloatVector gate = FloatVector.broadcast(Lanes.SPECIES, by);
    int p = 0;
    for (; p <= positions - Lanes.WIDTH; p += Lanes.WIDTH) {
      Lanes.store(Lanes.load(x, plane + p).mul(gate).mul(Lanes.load(spatial, p)), y, plane + p);
    }
    if (p < positions) {
      VectorMask<Float> mask = Lanes.until(p, positions);
      FloatVector gates = gate.mul(Lanes.load(spatial, p));
      Lanes.store(Lanes.load(x, plane + p, mask).mul(gates), y, plane + p, mask);
    }
  }

  private void scaleAndPool(
      long plane,
      MemorySegment x,
      MemorySegment y,
      float by,
      float[] spatial,
      long next,
      Image ahead,
      int c) {
    FloatVector gate = FloatVector.broadcast(Lanes.SPECIES, by);
    FloatVector sum0 = FloatVector.zero(Lanes.SPECIES);
    FloatVector sum1 = sum0;
    FloatVector max0 = FloatVector.broadcast(Lanes.SPECIES, Float.NEGATIVE_INFINITY);
    FloatVector max1 = max0;
    for (int p = 0; p < positions; p += 2 * Lanes.WIDTH) {
      int q = p + Lanes.WIDTH;
      FloatVector v0 = Lanes.load(x, next + p);
      FloatVector v1 = Lanes.load(x, next + q);
      FloatVector r0 = Lanes.load(x, plane + p).mul(gate).mul(Lanes.load(spatial, p));
      FloatVector r1 = Lanes.load(x, plane + q).mul(gate).mul(Lanes.load(spatial, q));
      sum0 = sum0.add(v0);
      sum1 = sum1.add(v1);
      max0 = Lanes.larger(max0, v0);
      max1 = Lanes.larger(max1, v1);
      Lanes.store(r0, y, plane + p);
      Lanes.store(r1, y, plane + q);
    }
    pooled(x, next, sum0.add(sum1), Lanes.larger(max0, max1), ahead, c);
  }

  /** Computes mean and maximum of a channel in one pass. */
  private void pool(MemorySegment x, long plane, Image saved, int c) {
    FloatVector sum0 = FloatVector.zero(Lanes.SPECIES);
    FloatVector sum1 = sum0;
    FloatVector max0 = FloatVector.broadcast(Lanes.SPECIES, Float.NEGATIVE_INFINITY);
    FloatVector max1 = max0;
    int p = 0;
    for (; p <= positions - 2 * Lanes.WIDTH; p += 2 * Lanes.WIDTH) {
      FloatVector v0 = Lanes.load(x, plane + p);
      FloatVector v1 = Lanes.load(x, plane + p + Lanes.WIDTH);
      sum0 = sum0.add(v0);
      sum1 = sum1.add(v1);
      max0 = Lanes.larger(max0, v0);
      max1 = Lanes.larger(max1, v1);
    }
    for (; p < positions; p += Lanes.WIDTH) {
      VectorMask<Float> mask = Lanes.until(p, positions);
      FloatVector v = Lanes.load(x, plane + p, mask);
      sum0 = sum0.add(v);
      max0 = max0.blend(Lanes.larger(max0, v), mask);
    }
    pooled(x, plane, sum0.add(sum1), Lanes.larger(max0, max1), saved, c);
  }

  /**
   * A comparison ignores NaN and takes a third of the time of Java's maximum, which does not. If
   * there is a NaN, the sum shows it.
   */
  private void pooled(
      MemorySegment x, long plane, FloatVector sums, FloatVector largest, Image saved, int c) {
    float sum = Lanes.sum(sums);
    saved.average()[c] = sum / positions;
    saved.maximum()[c] =
        Float.isNaN(sum)
            ? Lanes.max(x, plane, positions)
            : largest.reduceLanes(VectorOperators.MAX);
  }

  /** Computes mean and maximum over the gated channels. */
  private void describe(int image, MemorySegment x, Image saved) {
    float[] sum = saved.describedAverage();
    float[] max = saved.describedMaximum();
    Arrays.fill(max, Float.NEGATIVE_INFINITY);
    int c = 0;
    for (; c <= channels - TOGETHER; c += TOGETHER) {
      describeFour(at(image, c), x, saved.gates(), c, sum, max);
    }
    for (; c < channels; c++) {
      describeOne(at(image, c), x, saved.gates()[c], sum, max);
    }
    FloatVector all = FloatVector.zero(Lanes.SPECIES);
    for (int p = 0; p < sum.length; p += Lanes.WIDTH) {
      FloatVector sums = Lanes.load(sum, p);
      all = all.add(sums);
      sums.div(channels).intoArray(sum, p);
    }
    if (Float.isNaN(Lanes.sum(all))) {
      for (int p = 0; p < positions; p++) {
        max[p] = Float.isNaN(sum[p]) ? maximum(image, p, x, saved.gates()) : max[p];
      }
    }
  }

  /**
   * The maximum of one position, or NaN if any value is NaN. This must be checked, because
   * infinities of both signs also have the sum NaN.
   */
  private float maximum(int image, int position, MemorySegment x, float[] gates) {
    float maximum = Float.NEGATIVE_INFINITY;
    for (int c = 0; c < channels; c++) {
      float value = x.getAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, at(image, c) + position);
      maximum = Math.max(maximum, gates[c] * value);
    }
    return maximum;
  }

  private void describeFour(
      long plane, MemorySegment x, float[] gates, int c, float[] sum, float[] max) {
    FloatVector g0 = FloatVector.broadcast(Lanes.SPECIES, gates[c]);
    FloatVector g1 = FloatVector.broadcast(Lanes.SPECIES, gates[c + 1]);
    FloatVector g2 = FloatVector.broadcast(Lanes.SPECIES, gates[c + 2]);
    FloatVector g3 = FloatVector.broadcast(Lanes.SPECIES, gates[c + 3]);
    long second = plane + positions;
    long third = second + positions;
    long fourth = third + positions;
    int p = 0;
    for (; p <= positions - Lanes.WIDTH; p += Lanes.WIDTH) {
      FloatVector r0 = Lanes.load(x, plane + p).mul(g0);
      FloatVector r1 = Lanes.load(x, second + p).mul(g1);
      FloatVector r2 = Lanes.load(x, third + p).mul(g2);
      FloatVector r3 = Lanes.load(x, fourth + p).mul(g3);
      Lanes.load(sum, p).add(r0.add(r1).add(r2.add(r3))).intoArray(sum, p);
      FloatVector largest = Lanes.larger(Lanes.larger(r0, r1), Lanes.larger(r2, r3));
      Lanes.larger(Lanes.load(max, p), largest).intoArray(max, p);
    }
    if (p < positions) {
      VectorMask<Float> mask = Lanes.until(p, positions);
      FloatVector r0 = Lanes.load(x, plane + p, mask).mul(g0);
      FloatVector r1 = Lanes.load(x, second + p, mask).mul(g1);
      FloatVector r2 = Lanes.load(x, third + p, mask).mul(g2);
      FloatVector r3 = Lanes.load(x, fourth + p, mask).mul(g3);
      Lanes.load(sum, p).add(r0.add(r1).add(r2.add(r3))).intoArray(sum, p);
      FloatVector largest = Lanes.larger(Lanes.larger(r0, r1), Lanes.larger(r2, r3));
      Lanes.larger(Lanes.load(max, p), largest).intoArray(max, p);
    }
  }

  private void describeOne(long plane, MemorySegment x, float gate, float[] sum, float[] max) {
    for (int p = 0; p < positions; p += Lanes.WIDTH) {
      VectorMask<Float> mask = Lanes.until(p, positions);
      FloatVector r = Lanes.load(x, plane + p, mask).mul(gate);
      Lanes.load(sum, p).add(r).intoArray(sum, p);
      Lanes.larger(Lanes.load(max, p), r).intoArray(max, p);
    }
  }

  CbamGradients gradient(Saved forward, MemorySegment x, MemorySegment dy, MemorySegment dx) {
    List<Image> saved = ((Images) forward).images();
    Back[] backs = new Back[shape.images()];
    Parallel.forEach(
        backs.length, image -> backs[image] = gradient(image, saved.get(image), x, dy, dx));
    return gating.sum(saved, List.of(backs));
  }

  private Back gradient(
      int image, Image saved, MemorySegment x, MemorySegment dy, MemorySegment dx) {
    float[] spatial = new float[Lanes.rounded(positions)];
    InliningBarrier.inTurn(() -> spatialGradient(image, saved, x, dy, spatial));
    Described described = gating.back(saved, spatial);
    float[] logits = new float[channels];
    InliningBarrier.inTurn(() -> channelGradient(image, saved, x, dy, dx, described, logits));
    Back back = gating.back(saved, logits, described.conv());
    InliningBarrier.inTurn(
        () -> pooledGradient(image, saved, x, dx, back.average().input(), back.maximum().input()));
    return back;
  }

  /**
   * The gradient of the logits of the spatial gates: {@code Σ_c dy · c x} times that of the
   * sigmoid.
   */
  private void spatialGradient(
      int image, Image saved, MemorySegment x, MemorySegment dy, float[] sum) {
    for (int c = 0; c < channels; c++) {
      long plane = at(image, c);
      FloatVector gate = FloatVector.broadcast(Lanes.SPECIES, saved.gates()[c]);
      int p = 0;
      for (; p <= positions - Lanes.WIDTH; p += Lanes.WIDTH) {
        Lanes.load(x, plane + p)
            .mul(gate)
            .fma(Lanes.load(dy, plane + p), Lanes.load(sum, p))
            .intoArray(sum, p);
      }
      if (p < positions) {
        VectorMask<Float> mask = Lanes.until(p, positions);
        Lanes.load(x, plane + p, mask)
            .mul(gate)
            .fma(Lanes.load(dy, plane + p, mask), Lanes.load(sum, p))
            .intoArray(sum, p);
      }
    }
    for (int p = 0; p < positions; p++) {
      float gate = saved.spatialGates()[p];
      sum[p] *= gate * (1 - gate);
    }
  }

  /**
   * Computes the gradient through the gated channels. If several channels equal the maximum, the
   * first one receives the gradient.
   */
  private void channelGradient(
      int image,
      Image saved,
      MemorySegment x,
      MemorySegment dy,
      MemorySegment dx,
      Described described,
      float[] logits) {
    for (int c = 0; c < channels; c++) {
      float gate = saved.gates()[c];
      float sum =
          ofChannel(
              at(image, c),
              gate,
              x,
              dy,
              dx,
              saved.spatialGates(),
              saved.describedMaximum(),
              described.toEach(),
              described.toMaximum());
      logits[c] = sum * gate * (1 - gate);
    }
  }

  /**
   * Processes one channel. With {@code d} the gradient of c x, writes {@code c d} to dx and returns
   * {@code Σ d x}, the gradient of the gate.
   */
  private float ofChannel(
      long plane,
      float gate,
      MemorySegment x,
      MemorySegment dy,
      MemorySegment dx,
      float[] gates,
      float[] maximum,
      float[] toEach,
      float[] toMaximum) {
    FloatVector channelGate = FloatVector.broadcast(Lanes.SPECIES, gate);
    FloatVector sum = FloatVector.zero(Lanes.SPECIES);
    int p = 0;
    for (; p <= positions - Lanes.WIDTH; p += Lanes.WIDTH) {
      FloatVector values = Lanes.load(x, plane + p);
      FloatVector d =
          Lanes.load(dy, plane + p)
              .fma(Lanes.load(gates, p), Lanes.load(toEach, p))
              .add(taken(values.mul(channelGate), maximum, toMaximum, p));
      sum = d.fma(values, sum);
      Lanes.store(d.mul(channelGate), dx, plane + p);
    }
    if (p < positions) {
      VectorMask<Float> mask = Lanes.until(p, positions);
      FloatVector values = Lanes.load(x, plane + p, mask);
      FloatVector d =
          Lanes.load(dy, plane + p, mask)
              .fma(Lanes.load(gates, p), Lanes.load(toEach, p))
              .add(taken(values.mul(channelGate), maximum, toMaximum, p));
      sum = sum.add(d.mul(values), mask);
      Lanes.store(d.mul(channelGate), dx, plane + p, mask);
    }
    return Lanes.sum(sum);
  }

  /**
   * The part of the maxima's gradient for this channel. It is removed, so that later channels do
   * not receive it.
   */
  private static FloatVector taken(FloatVector gated, float[] maximum, float[] toMaximum, int p) {
    FloatVector left = Lanes.load(toMaximum, p);
    VectorMask<Float> here = gated.eq(Lanes.load(maximum, p));
    left.blend(0, here).intoArray(toMaximum, p);
    return FloatVector.zero(Lanes.SPECIES).blend(left, here);
  }

  /** Adds the gradient of the input through mean and maximum. */
  private void pooledGradient(
      int image,
      Image saved,
      MemorySegment x,
      MemorySegment dx,
      float[] ofAverage,
      float[] ofMaximum) {
    for (int c = 0; c < channels; c++) {
      long plane = at(image, c);
      FloatVector more = FloatVector.broadcast(Lanes.SPECIES, ofAverage[c] / positions);
      int p = 0;
      for (; p <= positions - Lanes.WIDTH; p += Lanes.WIDTH) {
        Lanes.store(Lanes.load(dx, plane + p).add(more), dx, plane + p);
      }
      if (p < positions) {
        VectorMask<Float> mask = Lanes.until(p, positions);
        Lanes.store(Lanes.load(dx, plane + p, mask).add(more), dx, plane + p, mask);
      }
      long largest = plane + Lanes.first(x, plane, positions, saved.maximum()[c]);
      VectorMask<Float> one = Lanes.until(0, 1);
      Lanes.store(Lanes.load(dx, largest, one).add(ofMaximum[c]), dx, largest, one);
    }
  }
}
