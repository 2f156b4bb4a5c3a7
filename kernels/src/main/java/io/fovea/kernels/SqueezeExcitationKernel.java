package io.fovea.kernels;

import io.fovea.attention.fast.Kernels.Perceptron;
import io.fovea.attention.fast.Kernels.PerceptronGradients;
import io.fovea.attention.fast.Kernels.Saved;
import io.fovea.attention.fast.Kernels.Shape;
import java.lang.foreign.MemorySegment;
import java.util.List;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/** Squeeze-and-excitation, alone or with the addition and ReLU of its block, and the gradient of both. */
final class SqueezeExcitationKernel {
  private final Shape shape;
  private final Perceptron mlp;
  private final int channels;
  private final int positions;

  SqueezeExcitationKernel(Shape shape, Perceptron mlp) {
    this.shape = shape;
    this.mlp = mlp;
    channels = shape.channels();
    positions = shape.positions();
  }

  private long at(int image, int channel) {
    return ((long) image * channels + channel) * positions;
  }

  private record Image(float[] means, float[] gates) {}

  private record Images(List<Image> images) implements Saved {}

  /** Computes with or without (null) a shortcut. */
  Saved forward(MemorySegment x, MemorySegment shortcut, MemorySegment y) {
    Image[] images = new Image[shape.images()];
    Parallel.forEach(images.length, image -> images[image] = forward(image, x, shortcut, y));
    return new Images(List.of(images));
  }

  private Image forward(int image, MemorySegment x, MemorySegment shortcut, MemorySegment y) {
    float[] means = new float[channels];
    for (int c = 0; c < channels; c++) {
      means[c] = Lanes.sum(x, at(image, c), positions) / positions;
    }
    float[] hidden = Mlp.hidden(mlp, means);
    float[] gates = new float[channels];
    for (int c = 0; c < channels; c++) {
      gates[c] = Lanes.sigmoid(Mlp.out(mlp, hidden, c));
      if (shortcut == null) {
        scale(x, y, at(image, c), gates[c]);
      } else {
        scaleAndAdd(x, shortcut, y, at(image, c), gates[c]);
      }
    }
    return new Image(means, gates);
  }

  private void scale(MemorySegment x, MemorySegment y, long plane, float by) {
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

  private void scaleAndAdd(
      MemorySegment x, MemorySegment shortcut, MemorySegment y, long plane, float by) {
    FloatVector gate = FloatVector.broadcast(Lanes.SPECIES, by);
    int p = 0;
    for (; p <= positions - Lanes.WIDTH; p += Lanes.WIDTH) {
      FloatVector sum = Lanes.load(x, plane + p).mul(gate).add(Lanes.load(shortcut, plane + p));
      Lanes.store(Lanes.rectified(sum, sum), y, plane + p);
    }
    if (p < positions) {
      VectorMask<Float> mask = Lanes.until(p, positions);
      FloatVector sum =
          Lanes.load(x, plane + p, mask).mul(gate).add(Lanes.load(shortcut, plane + p, mask));
      Lanes.store(Lanes.rectified(sum, sum), y, plane + p, mask);
    }
  }

  private record Back(Mlp.Back pooled, float[] logits) {}

  /**
   * Computes the gradient with the output and the shortcut's gradient of a block, or null for both.
   */
  PerceptronGradients gradient(
      Saved forward,
      MemorySegment x,
      MemorySegment y,
      MemorySegment dy,
      MemorySegment dx,
      MemorySegment ofShortcut) {
    List<Image> images = ((Images) forward).images();
    Back[] backs = new Back[images.size()];
    Parallel.forEach(
        backs.length,
        image -> backs[image] = gradient(image, images.get(image), x, y, dy, dx, ofShortcut));
    Mlp.Sum sum = new Mlp.Sum(mlp, channels);
    for (int image = 0; image < backs.length; image++) {
      sum.add(images.get(image).means(), backs[image].pooled(), backs[image].logits());
    }
    return sum.gradients();
  }

  private Back gradient(
      int image,
      Image saved,
      MemorySegment x,
      MemorySegment y,
      MemorySegment dy,
      MemorySegment dx,
      MemorySegment ofShortcut) {
    float[] logits = new float[channels];
    for (int c = 0; c < channels; c++) {
      long plane = at(image, c);
      float gate = saved.gates()[c];
      float sum = y == null ? product(x, dy, plane) : rectifiedProduct(x, y, dy, ofShortcut, plane);
      logits[c] = sum * gate * (1 - gate);
    }
    Mlp.Back pooled = Mlp.back(mlp, saved.means(), logits);
    for (int c = 0; c < channels; c++) {
      float mean = pooled.input()[c] / positions;
      scaleAndAdd(y == null ? dy : ofShortcut, dx, at(image, c), saved.gates()[c], mean);
    }
    return new Back(pooled, logits);
  }

  private float product(MemorySegment x, MemorySegment dy, long plane) {
    FloatVector sum = FloatVector.zero(Lanes.SPECIES);
    int p = 0;
    for (; p <= positions - Lanes.WIDTH; p += Lanes.WIDTH) {
      sum = Lanes.load(x, plane + p).fma(Lanes.load(dy, plane + p), sum);
    }
    if (p < positions) {
      VectorMask<Float> mask = Lanes.until(p, positions);
      sum = Lanes.load(x, plane + p, mask).fma(Lanes.load(dy, plane + p, mask), sum);
    }
    return Lanes.sum(sum);
  }

  /** Also writes the gradient after the ReLU. */
  private float rectifiedProduct(
      MemorySegment x, MemorySegment y, MemorySegment dy, MemorySegment through, long plane) {
    FloatVector sum = FloatVector.zero(Lanes.SPECIES);
    int p = 0;
    for (; p <= positions - Lanes.WIDTH; p += Lanes.WIDTH) {
      FloatVector d = Lanes.rectified(Lanes.load(dy, plane + p), Lanes.load(y, plane + p));
      Lanes.store(d, through, plane + p);
      sum = Lanes.load(x, plane + p).fma(d, sum);
    }
    if (p < positions) {
      VectorMask<Float> mask = Lanes.until(p, positions);
      FloatVector d =
          Lanes.rectified(Lanes.load(dy, plane + p, mask), Lanes.load(y, plane + p, mask));
      Lanes.store(d, through, plane + p, mask);
      sum = Lanes.load(x, plane + p, mask).fma(d, sum);
    }
    return Lanes.sum(sum);
  }

  private void scaleAndAdd(MemorySegment from, MemorySegment to, long plane, float by, float add) {
    FloatVector gate = FloatVector.broadcast(Lanes.SPECIES, by);
    FloatVector more = FloatVector.broadcast(Lanes.SPECIES, add);
    int p = 0;
    for (; p <= positions - Lanes.WIDTH; p += Lanes.WIDTH) {
      Lanes.store(Lanes.load(from, plane + p).fma(gate, more), to, plane + p);
    }
    if (p < positions) {
      VectorMask<Float> mask = Lanes.until(p, positions);
      Lanes.store(Lanes.load(from, plane + p, mask).fma(gate, more), to, plane + p, mask);
    }
  }
}
