package io.fovea.kernels;

import io.fovea.attention.fast.Kernels.Affine;
import io.fovea.attention.fast.Kernels.BamWeights;
import io.fovea.attention.fast.Kernels.Shape;
import io.fovea.tensor.Threads;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.IntConsumer;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * BAM in evaluation mode, one image after the other. One pass over the image computes the means of
 * the channels and the reducing convolution, and another pass scales it. The intermediate results
 * fit into the second-level cache.
 */
final class BamKernel {
  private static final int GROUP = 32; // number of channels that are loaded into the cache at once
  private static final int TILE = 7; // number of blocks of positions in one step
  private static final int MAPS = 16; // number of reduced channels that are convolved at once
  private static final int SCALED = 16; // number of channels that one step scales

  private final Shape shape;
  private final BamWeights weights;
  private final int channels;
  private final int positions;
  private final int blocks;
  private final MapProduct reduce;
  private final BorderedPlane plane;
  private final List<MapProduct> convolutions;
  private final List<int[]> taps = new ArrayList<>();
  private final float[] inside;
  private final int[] wholeGroup =
      IntStream.range(0, GROUP).map(i -> i * MapProduct.BLOCK).toArray();
  private final Queue<Image> images = new ConcurrentLinkedQueue<>();
  private final Queue<float[]> groups = new ConcurrentLinkedQueue<>();

  BamKernel(Shape shape, BamWeights weights) {
    this.shape = shape;
    this.weights = weights;
    channels = shape.channels();
    positions = shape.positions();
    blocks = MapProduct.blocks(positions);
    int reduced = weights.reduce().outputs();
    reduce = new MapProduct(reduced, channels, weights.reduce().weights());
    plane = BorderedPlane.of(shape.height(), shape.width(), weights.dilation());
    inside = plane.inside();
    List<BorderedPlane.Tap> steps = plane.taps();
    for (int in = 0; in < reduced; in += MAPS) {
      taps.add(
          IntStream.range(in, Math.min(reduced, in + MAPS))
              .flatMap(map -> steps.stream().mapToInt(tap -> map * plane.size() + tap.distance()))
              .toArray());
    }
    convolutions = weights.dilated().stream().map(layer -> convolution(layer, steps)).toList();
  }

  private static MapProduct convolution(Affine layer, List<BorderedPlane.Tap> steps) {
    int maps = layer.outputs() * layer.outputs();
    float[] used = new float[maps * steps.size()];
    for (int map = 0; map < maps; map++) {
      for (int i = 0; i < steps.size(); i++) {
        used[map * steps.size() + i] =
            layer.weights()[map * BorderedPlane.WEIGHTS + steps.get(i).weight()];
      }
    }
    return new MapProduct(layer.outputs(), layer.outputs() * steps.size(), used);
  }

  /**
   * The intermediate results between the two passes over an image. Their memory is reused for the
   * next image.
   */
  private final class Image {
    final float[] sums = new float[tiles(blocks) * channels];
    final float[] reduced = new float[reduce.outputs() * stride()];
    float[] in = new float[reduce.outputs() * plane.size()];
    float[] out = new float[in.length];
    final float[] logits = new float[plane.span()];
    float[] ofChannels;
    BamEndKernel.Logits ofPositions;

    void swap() {
      float[] other = in;
      in = out;
      out = other;
    }
  }

  /** The distance from one reduced feature map to the next. */
  private int stride() {
    return blocks * MapProduct.BLOCK;
  }

  private static int tiles(int blocks) {
    return (blocks + TILE - 1) / TILE;
  }

  /** Runs a body for 0 to {@code count - 1}. */
  private interface Loop {
    void forEach(int count, IntConsumer body);
  }

  /**
   * Each step has a body of its own, so that the compiler compiles them separately; see {@link
   * InliningBarrier}.
   */
  private static void inTurn(int count, IntConsumer body) {
    for (int i = 0; i < count; i++) {
      body.accept(i);
    }
  }

  void forward(MemorySegment x, MemorySegment y) {
    if (shape.images() >= Threads.count()) {
      Parallel.forEach(shape.images(), image -> forward(image, x, y, BamKernel::inTurn));
    } else { // too few images for all threads
      for (int image = 0; image < shape.images(); image++) {
        forward(image, x, y, Parallel::forEach);
      }
    }
  }

  private static <T> T polled(Queue<T> idle, Supplier<T> made) {
    T one = idle.poll();
    return one == null ? made.get() : one;
  }

  private void forward(int number, MemorySegment x, MemorySegment y, Loop loop) {
    long at = (long) number * channels * positions;
    Image image = polled(images, Image::new);
    loop.forEach(tiles(blocks), tile -> reduce(x, at, tile, image));
    image.ofChannels = channel(image);
    loop.forEach(weights.reduce().outputs(), map -> border(map, image));
    int tiles = tiles(plane.span() / MapProduct.BLOCK);
    for (int i = 0; i < convolutions.size(); i++) {
      int layer = i;
      loop.forEach(tiles, tile -> convolve(layer, tile, image));
      image.swap();
    }
    loop.forEach(tiles, tile -> combine(tile, image));
    image.ofPositions = positions(image);
    loop.forEach((channels + SCALED - 1) / SCALED, group -> scale(x, y, at, group, image));
    images.add(image);
  }

  /**
   * Computes the sums of all channels over a tile, and the reduced feature maps of the tile before
   * the ReLU.
   */
  private void reduce(MemorySegment x, long image, int tile, Image to) {
    int from = tile * TILE;
    int until = Math.min(blocks, from + TILE);
    fill(to.reduced, 0, stride(), weights.reduce(), from, until);
    float[] group = polled(groups, () -> new float[GROUP * TILE * MapProduct.BLOCK]);
    for (int c = 0; c < channels; c += GROUP) {
      int count = Math.min(GROUP, channels - c);
      for (int i = 0; i < count; i++) {
        to.sums[tile * channels + c + i] =
            bring(x, image + (long) (c + i) * positions, from, until, group, i);
      }
      int[] offsets = count == GROUP ? wholeGroup : Arrays.copyOf(wholeGroup, count);
      for (int block = from; block < until; block++) {
        int in = (block - from) * GROUP * MapProduct.BLOCK;
        reduce.add(c, offsets, group, in, 0, to.reduced, block * MapProduct.BLOCK, stride(), 1);
      }
    }
    groups.add(group);
  }

  /** Initialises some blocks of all outputs of a layer with its biases. */
  private static void fill(
      float[] maps, int origin, int stride, Affine layer, int from, int until) {
    for (int o = 0; o < layer.outputs(); o++) {
      int at = o * stride + origin;
      Arrays.fill(
          maps, at + from * MapProduct.BLOCK, at + until * MapProduct.BLOCK, layer.bias()[o]);
    }
  }

  /** Copies the blocks of a channel to the memory of its group and returns their sum. */
  private float bring(
      MemorySegment x, long plane, int from, int until, float[] group, int channel) {
    int w = Lanes.WIDTH;
    FloatVector a = FloatVector.zero(Lanes.SPECIES);
    FloatVector b = a;
    FloatVector c = a;
    FloatVector d = a;
    int whole = Math.min(until, positions / MapProduct.BLOCK);
    int to = channel * MapProduct.BLOCK;
    int p = from * MapProduct.BLOCK;
    for (int block = from; block < whole; block++) {
      FloatVector v0 = Lanes.load(x, plane + p);
      FloatVector v1 = Lanes.load(x, plane + p + w);
      FloatVector v2 = Lanes.load(x, plane + p + 2L * w);
      FloatVector v3 = Lanes.load(x, plane + p + 3L * w);
      a = a.add(v0);
      b = b.add(v1);
      c = c.add(v2);
      d = d.add(v3);
      v0.intoArray(group, to);
      v1.intoArray(group, to + w);
      v2.intoArray(group, to + 2 * w);
      v3.intoArray(group, to + 3 * w);
      to += GROUP * MapProduct.BLOCK;
      p += MapProduct.BLOCK;
    }
    if (whole < until) {
      for (; p < positions; p += w) {
        FloatVector v = Lanes.load(x, plane + p, Lanes.until(p, positions));
        a = a.add(v);
        v.intoArray(group, to);
        to += w;
      }
    }
    return Lanes.sum(a.add(b).add(c.add(d)));
  }

  /** The logits of the channel gates. */
  private float[] channel(Image image) {
    float[] values = new float[channels];
    for (int i = 0; i < image.sums.length; i++) {
      values[i % channels] += image.sums[i];
    }
    for (int c = 0; c < channels; c++) {
      values[c] /= positions;
    }
    List<Affine> layers = weights.channel();
    for (int i = 0; i < layers.size(); i++) {
      Affine layer = layers.get(i);
      float[] in = values;
      values = layer.bias().clone();
      for (int j = 0; j < values.length; j++) {
        float value = values[j] + Lanes.product(layer.weights(), j * in.length, in, 0, in.length);
        values[j] = i == layers.size() - 1 ? value : Math.max(0, value);
      }
    }
    return values;
  }

  /** A reduced feature map after its ReLU, with zero padding. */
  private void border(int map, Image image) {
    int from = map * stride();
    for (int p = 0; p < positions; p += Lanes.WIDTH) {
      FloatVector v = Lanes.load(image.reduced, from + p);
      Lanes.rectified(v, v).intoArray(image.reduced, from + p);
    }
    int to = map * plane.size() + plane.origin();
    for (int row = 0; row < shape.height(); row++) {
      System.arraycopy(
          image.reduced,
          from + row * shape.width(),
          image.in,
          to + row * plane.pitch(),
          shape.width());
    }
  }

  /**
   * Computes a tile of the next feature maps with its ReLU, and resets the values between the rows
   * to zero.
   */
  private void convolve(int layer, int tile, Image image) {
    int from = tile * TILE;
    int until = Math.min(plane.span() / MapProduct.BLOCK, from + TILE);
    Affine affine = weights.dilated().get(layer);
    fill(image.out, plane.origin(), plane.size(), affine, from, until);
    int at = plane.origin() + from * MapProduct.BLOCK;
    int first = 0;
    for (int[] offsets : taps) {
      convolutions
          .get(layer)
          .add(
              first,
              offsets,
              image.in,
              at,
              MapProduct.BLOCK,
              image.out,
              at,
              plane.size(),
              until - from);
      first += offsets.length;
    }
    for (int o = 0; o < affine.outputs(); o++) {
      rectify(image.out, o * plane.size() + plane.origin(), from, until);
    }
  }

  private void rectify(float[] out, int map, int from, int until) {
    for (int p = from * MapProduct.BLOCK; p < until * MapProduct.BLOCK; p += Lanes.WIDTH) {
      FloatVector v = Lanes.load(out, map + p);
      VectorMask<Float> zero =
          v.compare(VectorOperators.LE, 0).or(Lanes.load(inside, p).compare(VectorOperators.EQ, 0));
      v.blend(0, zero).intoArray(out, map + p);
    }
  }

  /** The logits of the spatial gates of a tile, including the values between the rows. */
  private void combine(int tile, Image image) {
    int from = tile * TILE * MapProduct.BLOCK;
    int until = Math.min(plane.span(), from + TILE * MapProduct.BLOCK);
    float[] last = weights.last().weights();
    for (int p = from; p < until; p += Lanes.WIDTH) {
      FloatVector sum = Lanes.broadcast(weights.last().bias()[0]);
      for (int i = 0; i < last.length; i++) {
        int at = i * plane.size() + plane.origin() + p;
        sum = Lanes.load(image.in, at).fma(Lanes.broadcast(last[i]), sum);
      }
      sum.intoArray(image.logits, p);
    }
  }

  /** The logits without the values between the rows. */
  private BamEndKernel.Logits positions(Image image) {
    float[] values = new float[Lanes.rounded(positions)];
    for (int row = 0; row < shape.height(); row++) {
      System.arraycopy(
          image.logits, row * plane.pitch(), values, row * shape.width(), shape.width());
    }
    return BamEndKernel.Logits.of(values);
  }

  private void scale(MemorySegment x, MemorySegment y, long image, int group, Image by) {
    for (int c = group * SCALED; c < Math.min(channels, (group + 1) * SCALED); c++) {
      by.ofPositions.scale(x, y, image + (long) c * positions, positions, by.ofChannels[c]);
    }
  }
}
