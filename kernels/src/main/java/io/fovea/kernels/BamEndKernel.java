package io.fovea.kernels;

import io.fovea.attention.fast.Kernels.BamGradients;
import io.fovea.attention.fast.Kernels.Shape;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** The last step of BAM, {@code y = (1 + σ(c · s)) · x}, and its gradient. */
final class BamEndKernel {
  private final Shape shape;
  private final float[] channel;
  private final float[] spatial;
  private final int positions;

  BamEndKernel(Shape shape, float[] channel, float[] spatial) {
    this.shape = shape;
    this.channel = channel;
    this.spatial = spatial;
    positions = shape.positions();
  }

  /** The spatial logits of an image, padded to whole vectors. */
  private float[] spatial(int image) {
    float[] own = new float[Lanes.rounded(positions)];
    System.arraycopy(spatial, image * positions, own, 0, positions);
    return own;
  }

  void forward(MemorySegment x, MemorySegment y) {
    Parallel.forEach(
        shape.images(),
        image -> {
          Logits ofPositions = Logits.of(spatial(image));
          for (int c = 0; c < shape.channels(); c++) {
            int of = image * shape.channels() + c;
            ofPositions.scale(x, y, (long) of * positions, positions, channel[of]);
          }
        });
  }

  /**
   * The spatial logits that scale the channels of an image.
   *
   * @param values the value of each position, padded to whole vectors
   * @param largest the largest absolute value; NaN if any value is NaN
   */
  record Logits(float[] values, float largest) {
    /** 2ⁿ is a normal float for n from -126 to 127, which corresponds to logits up to 87. */
    private static final float LIMIT = 126;

    private static final float LOG2_E = 1.442695f;

    static Logits of(float[] values) {
      float largest = 0;
      for (float value : values) {
        largest = Math.max(largest, Math.abs(value));
      }
      return new Logits(values, largest);
    }

    /** One channel, from {@code plane}: {@code y = x + x / (1 + exp(-c s))}. */
    void scale(MemorySegment x, MemorySegment y, long plane, int positions, float ofChannel) {
      float exponent = -LOG2_E * ofChannel;
      if (positions < Lanes.WIDTH) {
        scaleFew(x, y, plane, positions, exponent);
      } else {
        boolean within = Math.abs(exponent) * largest < LIMIT; // not for NaN
        scale(x, y, plane, positions, exponent, within);
      }
    }

    /**
     * The last vector repeats some positions of the vector before it, because a second loop body
     * would cost more.
     */
    private void scale(
        MemorySegment x,
        MemorySegment y,
        long plane,
        int positions,
        float exponent,
        boolean within) {
      FloatVector by = Lanes.broadcast(exponent);
      for (int i = 0; i < positions; i += Lanes.WIDTH) {
        int p = Math.min(i, positions - Lanes.WIDTH);
        FloatVector e = Lanes.load(values, p).mul(by);
        if (!within) {
          e = clamped(e);
        }
        Lanes.store(scaled(Lanes.load(x, plane + p), e), y, plane + p);
      }
    }

    private void scaleFew(
        MemorySegment x, MemorySegment y, long plane, int positions, float exponent) {
      VectorMask<Float> mask = Lanes.until(0, positions);
      FloatVector e = clamped(Lanes.load(values, 0).mul(exponent));
      Lanes.store(scaled(Lanes.load(x, plane, mask), e), y, plane, mask);
    }

    /** Uses comparisons, which keep NaN. */
    private static FloatVector clamped(FloatVector exponent) {
      FloatVector below = exponent.blend(LIMIT, exponent.compare(VectorOperators.GT, LIMIT));
      return below.blend(-LIMIT, below.compare(VectorOperators.LT, -LIMIT));
    }

    /**
     * {@code x + x / (1 + 2^exponent)}. The power is 2ⁿ 2ᶠ with f from -1/2 to 1/2, where a
     * polynomial of degree 5 has an error below 10⁻⁷. The error of the gate is at most a quarter of
     * that.
     */
    private static FloatVector scaled(FloatVector x, FloatVector exponent) {
      FloatVector shifted = exponent.add(Lanes.INTEGERS); // the last bits are n
      FloatVector f = exponent.sub(shifted.sub(Lanes.INTEGERS));
      FloatVector p = Lanes.broadcast(1.3264727e-3f).fma(f, Lanes.broadcast(9.671513e-3f));
      p = p.fma(f, Lanes.broadcast(5.5507336e-2f));
      p = p.fma(f, Lanes.broadcast(2.4022242e-1f));
      p = p.fma(f, Lanes.broadcast(6.93147e-1f));
      p = p.fma(f, Lanes.broadcast(1));
      return x.div(p.fma(Lanes.powerOfTwo(shifted), Lanes.broadcast(1))).add(x);
    }
  }

  BamGradients gradient(MemorySegment x, MemorySegment dy, MemorySegment dx) {
    BamGradients gradients = new BamGradients(new float[channel.length], new float[spatial.length]);
    Parallel.forEach(
        shape.images(),
        image -> {
          float[] ofPositions = spatial(image);
          float[] sum = new float[ofPositions.length];
          for (int c = 0; c < shape.channels(); c++) {
            int of = image * shape.channels() + c;
            gradients.channel()[of] =
                gradient(x, dy, dx, (long) of * positions, channel[of], ofPositions, sum);
          }
          System.arraycopy(sum, 0, gradients.spatial(), image * positions, positions);
        });
    return gradients;
  }

  /**
   * With {@code d = dy x σ (1 - σ)}, adds {@code c d} to the sums of the positions and returns
   * {@code Σ s d}.
   */
  private float gradient(
      MemorySegment x,
      MemorySegment dy,
      MemorySegment dx,
      long plane,
      float ofChannel,
      float[] ofPositions,
      float[] sum) {
    FloatVector c = FloatVector.broadcast(Lanes.SPECIES, ofChannel);
    FloatVector products = FloatVector.zero(Lanes.SPECIES);
    int p = 0;
    for (; p <= positions - Lanes.WIDTH; p += Lanes.WIDTH) {
      FloatVector s = Lanes.load(ofPositions, p);
      FloatVector gate = Lanes.sigmoid(s.mul(c));
      FloatVector upstream = Lanes.load(dy, plane + p);
      FloatVector kept = upstream.mul(gate);
      Lanes.store(kept.add(upstream), dx, plane + p);
      FloatVector d = kept.sub(kept.mul(gate)).mul(Lanes.load(x, plane + p));
      d.fma(c, Lanes.load(sum, p)).intoArray(sum, p);
      products = d.fma(s, products);
    }
    if (p < positions) {
      VectorMask<Float> mask = Lanes.until(p, positions);
      FloatVector s = Lanes.load(ofPositions, p);
      FloatVector gate = Lanes.sigmoid(s.mul(c));
      FloatVector upstream = Lanes.load(dy, plane + p, mask);
      FloatVector kept = upstream.mul(gate);
      Lanes.store(kept.add(upstream), dx, plane + p, mask);
      FloatVector d = kept.sub(kept.mul(gate)).mul(Lanes.load(x, plane + p, mask));
      d.fma(c, Lanes.load(sum, p)).intoArray(sum, p);
      products = d.fma(s, products);
    }
    return Lanes.sum(products);
  }
}
