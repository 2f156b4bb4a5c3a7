package io.fovea.kernels;

import io.fovea.attention.Kernels.BamGradients;
import io.fovea.attention.Kernels.Shape;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/** What BAM ends with, {@code y = (1 + σ(c · s)) · x}, and its gradient. */
final class BamKernel {
  private final Shape shape;
  private final float[] channel;
  private final float[] spatial;
  private final int positions;

  BamKernel(Shape shape, float[] channel, float[] spatial) {
    this.shape = shape;
    this.channel = channel;
    this.spatial = spatial;
    positions = shape.positions();
  }

  /** The spatial logits of an image, with room for whole vectors. */
  private float[] spatial(int image) {
    float[] own = new float[Lanes.rounded(positions)];
    System.arraycopy(spatial, image * positions, own, 0, positions);
    return own;
  }

  void forward(MemorySegment x, MemorySegment y) {
    Parallel.forEach(
        shape.images(),
        image -> {
          float[] ofPositions = spatial(image);
          for (int c = 0; c < shape.channels(); c++) {
            int of = image * shape.channels() + c;
            forward(x, y, (long) of * positions, channel[of], ofPositions);
          }
        });
  }

  private void forward(
      MemorySegment x, MemorySegment y, long plane, float ofChannel, float[] ofPositions) {
    FloatVector c = FloatVector.broadcast(Lanes.SPECIES, ofChannel);
    int p = 0;
    for (; p <= positions - Lanes.WIDTH; p += Lanes.WIDTH) {
      FloatVector gate = Lanes.sigmoid(Lanes.load(ofPositions, p).mul(c)).add(1);
      Lanes.store(Lanes.load(x, plane + p).mul(gate), y, plane + p);
    }
    if (p < positions) {
      VectorMask<Float> mask = Lanes.until(p, positions);
      FloatVector gate = Lanes.sigmoid(Lanes.load(ofPositions, p).mul(c)).add(1);
      Lanes.store(Lanes.load(x, plane + p, mask).mul(gate), y, plane + p, mask);
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

  /** With {@code d = dy x σ (1 - σ)}: adds {@code c d} to the positions' sums, and returns {@code Σ s d}. */
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
