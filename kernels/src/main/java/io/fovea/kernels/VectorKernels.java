package io.fovea.kernels;

import io.fovea.attention.Kernels;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/**
 * The kernels by {@code jdk.incubator.vector}. Memory is touched through segments alone, which check
 * their bounds.
 */
public final class VectorKernels implements Kernels {
  /** For the service loader; fails where the Java has no Vector API. */
  public VectorKernels() {
    if (Lanes.WIDTH < 2) {
      throw new UnsupportedOperationException("this processor has no vectors of floats");
    }
  }

  @Override
  public String describe() {
    return "Vector API of Java "
        + Runtime.version().feature()
        + ", "
        + Lanes.WIDTH
        + " floats at once";
  }

  private static MemorySegment segment(Shape shape, String name, ByteBuffer buffer) {
    long bytes = (long) shape.images() * shape.channels() * shape.positions() * Float.BYTES;
    if (buffer.remaining() != bytes) {
      throw new IllegalArgumentException(
          name + ": expected " + bytes + " bytes for " + shape + ", got " + buffer.remaining());
    }
    return MemorySegment.ofBuffer(buffer);
  }

  @Override
  public Saved cbam(Shape shape, CbamWeights weights, ByteBuffer x, ByteBuffer y) {
    return new CbamKernel(shape, weights).forward(segment(shape, "x", x), segment(shape, "y", y));
  }

  @Override
  public CbamGradients cbamGradient(
      Shape shape, CbamWeights weights, Saved saved, ByteBuffer x, ByteBuffer dy, ByteBuffer dx) {
    return new CbamKernel(shape, weights)
        .gradient(
            saved, segment(shape, "x", x), segment(shape, "dy", dy), segment(shape, "dx", dx));
  }

  @Override
  public void squeezeExcitation(
      Shape shape, Perceptron perceptron, ByteBuffer x, ByteBuffer shortcut, ByteBuffer y) {
    MemorySegment in = segment(shape, "x", x);
    MemorySegment added = shortcut == null ? null : segment(shape, "shortcut", shortcut);
    MemorySegment out = segment(shape, "y", y);
    Parallel.forEach(
        shape.images(), image -> squeezeExcitation(shape, perceptron, in, added, out, image));
  }

  private static void squeezeExcitation(
      Shape shape,
      Perceptron perceptron,
      MemorySegment x,
      MemorySegment shortcut,
      MemorySegment y,
      int image) {
    int channels = shape.channels();
    int positions = shape.positions();
    float[] means = new float[channels];
    long from = (long) image * channels * positions;
    for (int c = 0; c < channels; c++) {
      means[c] = Lanes.sum(x, from + (long) c * positions, positions) / positions;
    }
    float[] hidden = Mlp.hidden(perceptron, means, channels);
    for (int c = 0; c < channels; c++) {
      float gate = Lanes.sigmoid(Mlp.out(perceptron, hidden, c));
      long plane = from + (long) c * positions;
      if (shortcut == null) {
        scale(x, y, plane, positions, gate);
      } else {
        scaleAndAdd(x, shortcut, y, plane, positions, gate);
      }
    }
  }

  private static void scale(MemorySegment x, MemorySegment y, long plane, int positions, float by) {
    FloatVector gate = FloatVector.broadcast(Lanes.SPECIES, by);
    int p = 0;
    for (; p <= positions - Lanes.WIDTH; p += Lanes.WIDTH) {
      Lanes.store(Lanes.load(x, plane + p).mul(gate), y, plane + p);
    }
    if (p < positions) {
      VectorMask<Float> mask = Lanes.until(p, positions);
      Lanes.store(Lanes.load(x, plane + p, mask).mul(gate), y, plane + p, mask);
    }
  }

  private static void scaleAndAdd(
      MemorySegment x,
      MemorySegment shortcut,
      MemorySegment y,
      long plane,
      int positions,
      float by) {
    FloatVector gate = FloatVector.broadcast(Lanes.SPECIES, by);
    int p = 0;
    for (; p <= positions - Lanes.WIDTH; p += Lanes.WIDTH) {
      Lanes.store(
          Lanes.load(x, plane + p).mul(gate).add(Lanes.load(shortcut, plane + p)).max(0),
          y,
          plane + p);
    }
    if (p < positions) {
      VectorMask<Float> mask = Lanes.until(p, positions);
      Lanes.store(
          Lanes.load(x, plane + p, mask)
              .mul(gate)
              .add(Lanes.load(shortcut, plane + p, mask))
              .max(0),
          y,
          plane + p,
          mask);
    }
  }

  @Override
  public void bam(Shape shape, float[] channel, float[] spatial, ByteBuffer x, ByteBuffer y) {
    MemorySegment in = segment(shape, "x", x);
    MemorySegment out = segment(shape, "y", y);
    Parallel.forEach(shape.images(), image -> bam(shape, channel, spatial, in, out, image));
  }

  private static void bam(
      Shape shape, float[] channel, float[] spatial, MemorySegment x, MemorySegment y, int image) {
    int positions = shape.positions();
    float[] ofPositions = new float[Lanes.rounded(positions)];
    System.arraycopy(spatial, image * positions, ofPositions, 0, positions);
    for (int c = 0; c < shape.channels(); c++) {
      int of = image * shape.channels() + c;
      FloatVector ofChannel = FloatVector.broadcast(Lanes.SPECIES, channel[of]);
      long plane = (long) of * positions;
      for (int p = 0; p < positions; p += Lanes.WIDTH) {
        VectorMask<Float> mask = Lanes.until(p, positions);
        FloatVector gate = Lanes.sigmoid(ofChannel.mul(Lanes.load(ofPositions, p))).add(1);
        Lanes.store(Lanes.load(x, plane + p, mask).mul(gate), y, plane + p, mask);
      }
    }
  }
}
