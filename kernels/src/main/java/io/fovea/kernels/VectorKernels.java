package io.fovea.kernels;

import io.fovea.attention.fast.Kernels;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Optional;

/**
 * The kernels, implemented with {@code jdk.incubator.vector}. Memory is accessed only through
 * segments, which check their bounds.
 */
public final class VectorKernels
    implements Kernels,
        Kernels.Cbam,
        Kernels.SqueezeExcitation,
        Kernels.Bam,
        Kernels.Simam,
        Kernels.GroupEnhance,
        Kernels.Planes {
  /** Is called by the service loader. Fails if Java has no Vector API. */
  public VectorKernels() {
    if (Lanes.WIDTH < LaneTranspose.FOUR) {
      throw new UnsupportedOperationException(
          "this processor has no vectors of at least four floats");
    }
  }

  @Override
  public String describe() {
    return "Vector API of Java "
        + Runtime.version().feature()
        + ", "
        + Lanes.WIDTH
        + " floats at once, on "
        + (OpenMp.found().isPresent() ? "libtorch's threads" : "their own threads");
  }

  @Override
  public <K> Optional<K> kernel(Class<K> kind) {
    return kind.isInstance(this) ? Optional.of(kind.cast(this)) : Optional.empty();
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
  public Saved cbam(
      Shape shape, CbamWeights weights, ByteBuffer x, ByteBuffer shortcut, ByteBuffer y) {
    MemorySegment in = segment(shape, "x", x);
    MemorySegment added = optional(shape, "shortcut", shortcut);
    MemorySegment out = segment(shape, "y", y);
    if (shape.channelsLast()) {
      return new CbamNhwcKernel(shape, weights).forward(in, added, out);
    }
    Saved saved = new CbamKernel(shape, weights).forward(in, out);
    if (added != null) {
      ResidualEnd.add(shape, added, out);
    }
    return saved;
  }

  @Override
  public CbamGradients cbamGradient(
      Shape shape,
      CbamWeights weights,
      Saved saved,
      ByteBuffer x,
      ByteBuffer y,
      ByteBuffer dy,
      ByteBuffer dx,
      ByteBuffer ofShortcut) {
    MemorySegment in = segment(shape, "x", x);
    MemorySegment out = optional(shape, "y", y);
    MemorySegment ofOut = segment(shape, "dy", dy);
    MemorySegment ofIn = segment(shape, "dx", dx);
    MemorySegment through = optional(shape, "the shortcut's gradient", ofShortcut);
    if (shape.channelsLast()) {
      return new CbamNhwcKernel(shape, weights).gradient(saved, in, out, ofOut, ofIn, through);
    }
    if (out != null) {
      ResidualEnd.gradient(shape, out, ofOut, through);
    }
    return new CbamKernel(shape, weights).gradient(saved, in, out == null ? ofOut : through, ofIn);
  }

  private static MemorySegment optional(Shape shape, String name, ByteBuffer buffer) {
    return buffer == null ? null : segment(shape, name, buffer);
  }

  @Override
  public Saved squeezeExcitation(
      Shape shape, Perceptron perceptron, ByteBuffer x, ByteBuffer shortcut, ByteBuffer y) {
    MemorySegment in = segment(shape, "x", x);
    MemorySegment added = optional(shape, "shortcut", shortcut);
    MemorySegment out = segment(shape, "y", y);
    return shape.channelsLast()
        ? new SqueezeExcitationNhwcKernel(shape, perceptron).forward(in, added, out)
        : new SqueezeExcitationKernel(shape, perceptron).forward(in, added, out);
  }

  @Override
  public PerceptronGradients squeezeExcitationGradient(
      Shape shape,
      Perceptron perceptron,
      Saved saved,
      ByteBuffer x,
      ByteBuffer y,
      ByteBuffer dy,
      ByteBuffer dx,
      ByteBuffer ofShortcut) {
    MemorySegment in = segment(shape, "x", x);
    MemorySegment out = optional(shape, "y", y);
    MemorySegment ofOut = segment(shape, "dy", dy);
    MemorySegment ofIn = segment(shape, "dx", dx);
    MemorySegment through = optional(shape, "the shortcut's gradient", ofShortcut);
    return shape.channelsLast()
        ? new SqueezeExcitationNhwcKernel(shape, perceptron)
            .gradient(saved, in, out, ofOut, ofIn, through)
        : new SqueezeExcitationKernel(shape, perceptron)
            .gradient(saved, in, out, ofOut, ofIn, through);
  }

  @Override
  public void bam(Shape shape, BamWeights weights, ByteBuffer x, ByteBuffer y) {
    new BamKernel(shape, weights).forward(segment(shape, "x", x), segment(shape, "y", y));
  }

  @Override
  public void bamEnd(Shape shape, float[] channel, float[] spatial, ByteBuffer x, ByteBuffer y) {
    new BamEndKernel(shape, channel, spatial)
        .forward(segment(shape, "x", x), segment(shape, "y", y));
  }

  @Override
  public BamGradients bamEndGradient(
      Shape shape, float[] channel, float[] spatial, ByteBuffer x, ByteBuffer dy, ByteBuffer dx) {
    return new BamEndKernel(shape, channel, spatial)
        .gradient(segment(shape, "x", x), segment(shape, "dy", dy), segment(shape, "dx", dx));
  }

  @Override
  public void simam(Shape shape, float lambda, ByteBuffer x, ByteBuffer y) {
    new SimamKernel(shape, lambda).forward(segment(shape, "x", x), segment(shape, "y", y));
  }

  @Override
  public void simamGradient(Shape shape, float lambda, ByteBuffer x, ByteBuffer dy, ByteBuffer dx) {
    new SimamKernel(shape, lambda)
        .gradient(segment(shape, "x", x), segment(shape, "dy", dy), segment(shape, "dx", dx));
  }

  @Override
  public void groupEnhance(Shape shape, GroupEnhanceWeights weights, ByteBuffer x, ByteBuffer y) {
    new GroupEnhanceKernel(shape, weights).forward(segment(shape, "x", x), segment(shape, "y", y));
  }

  @Override
  public GroupEnhanceGradients groupEnhanceGradient(
      Shape shape, GroupEnhanceWeights weights, ByteBuffer x, ByteBuffer dy, ByteBuffer dx) {
    return new GroupEnhanceKernel(shape, weights)
        .gradient(segment(shape, "x", x), segment(shape, "dy", dy), segment(shape, "dx", dx));
  }

  @Override
  public float[] statistics(Shape shape, PlaneStatistic statistic, ByteBuffer x) {
    return new PlanesKernel(shape).statistics(statistic, segment(shape, "x", x));
  }

  @Override
  public void scale(Shape shape, float[] factors, float[] shifts, ByteBuffer x, ByteBuffer y) {
    new PlanesKernel(shape).scale(factors, shifts, segment(shape, "x", x), segment(shape, "y", y));
  }

  @Override
  public void products(Shape shape, ByteBuffer x, ByteBuffer dy, float[] products, float[] sums) {
    new PlanesKernel(shape)
        .products(segment(shape, "x", x), segment(shape, "dy", dy), products, sums);
  }

  @Override
  public void gradient(
      Shape shape,
      float[] factors,
      float[] centres,
      float[] slopes,
      float[] shifts,
      ByteBuffer x,
      ByteBuffer dy,
      ByteBuffer dx) {
    MemorySegment in = segment(shape, "x", x);
    MemorySegment ofOut = segment(shape, "dy", dy);
    MemorySegment ofIn = segment(shape, "dx", dx);
    PlanesKernel kernel = new PlanesKernel(shape);
    if (slopes == null) {
      kernel.scale(factors, shifts, ofOut, ofIn);
    } else {
      kernel.gradient(factors, centres, slopes, shifts, in, ofOut, ofIn);
    }
  }
}
