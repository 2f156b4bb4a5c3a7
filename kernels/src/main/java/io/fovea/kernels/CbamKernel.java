package io.fovea.kernels;

import io.fovea.attention.Kernels.CbamGradients;
import io.fovea.attention.Kernels.CbamSaved;
import io.fovea.attention.Kernels.CbamWeights;
import io.fovea.attention.Kernels.Perceptron;
import io.fovea.attention.Kernels.Shape;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/**
 * CBAM and its gradient, image by image: all passes over an image find it in the cache that the first
 * one brought it to.
 */
final class CbamKernel {
  private static final int TOGETHER =
      4; // channels, so that what is summed is loaded and stored less

  private final Shape shape;
  private final CbamWeights weights;
  private final int channels;
  private final int positions;
  private final PlaneConvolution plane;
  private final int taps;

  CbamKernel(Shape shape, CbamWeights weights) {
    this.shape = shape;
    this.weights = weights;
    channels = shape.channels();
    positions = shape.positions();
    plane = new PlaneConvolution(shape.height(), shape.width(), weights.kernel());
    taps = weights.kernel() * weights.kernel();
  }

  private long at(int image, int channel) {
    return ((long) image * channels + channel) * positions;
  }

  CbamSaved forward(MemorySegment x, MemorySegment y) {
    int gates = shape.images() * channels;
    int everywhere = shape.images() * positions;
    CbamSaved saved =
        new CbamSaved(
            new float[gates],
            new float[gates],
            new float[gates],
            new float[everywhere],
            new float[everywhere],
            new float[everywhere]);
    Parallel.forEach(shape.images(), image -> forward(image, x, y, saved));
    return saved;
  }

  private void forward(int image, MemorySegment x, MemorySegment y, CbamSaved saved) {
    int from = image * channels;
    for (int c = 0; c < channels; c++) {
      saved.average()[from + c] = Lanes.sum(x, at(image, c), positions) / positions;
      saved.maximum()[from + c] = Lanes.max(x, at(image, c), positions);
    }
    Perceptron mlp = weights.perceptron();
    float[] ofAverage = Mlp.hidden(mlp, saved.average(), from, channels);
    float[] ofMaximum = Mlp.hidden(mlp, saved.maximum(), from, channels);
    for (int c = 0; c < channels; c++) {
      saved.gates()[from + c] =
          Lanes.sigmoid(Mlp.out(mlp, ofAverage, c) + Mlp.out(mlp, ofMaximum, c));
    }
    describe(image, x, saved);
    float[] spatial = spatialGates(image, saved);
    for (int c = 0; c < channels; c++) {
      long plane = at(image, c);
      FloatVector gate = FloatVector.broadcast(Lanes.SPECIES, saved.gates()[from + c]);
      int p = 0;
      for (; p <= positions - Lanes.WIDTH; p += Lanes.WIDTH) {
        Lanes.store(Lanes.load(x, plane + p).mul(gate).mul(Lanes.load(spatial, p)), y, plane + p);
      }
      if (p < positions) {
        VectorMask<Float> mask = Lanes.until(p, positions);
        Lanes.store(
            Lanes.load(x, plane + p, mask).mul(gate).mul(Lanes.load(spatial, p)),
            y,
            plane + p,
            mask);
      }
    }
  }

  /** Mean and maximum over the gated channels. */
  private void describe(int image, MemorySegment x, CbamSaved saved) {
    float[] sum = new float[Lanes.rounded(positions)];
    float[] max = new float[sum.length];
    Arrays.fill(max, Float.NEGATIVE_INFINITY);
    int c = 0;
    for (; c <= channels - TOGETHER; c += TOGETHER) {
      describeFour(image, c, x, saved.gates(), sum, max);
    }
    for (; c < channels; c++) {
      describeOne(image, c, x, saved.gates(), sum, max);
    }
    int from = image * positions;
    for (int p = 0; p < positions; p++) {
      saved.describedAverage()[from + p] = sum[p] / channels;
      saved.describedMaximum()[from + p] = max[p];
    }
  }

  private void describeFour(
      int image, int c, MemorySegment x, float[] gates, float[] sum, float[] max) {
    int of = image * channels + c;
    FloatVector g0 = FloatVector.broadcast(Lanes.SPECIES, gates[of]);
    FloatVector g1 = FloatVector.broadcast(Lanes.SPECIES, gates[of + 1]);
    FloatVector g2 = FloatVector.broadcast(Lanes.SPECIES, gates[of + 2]);
    FloatVector g3 = FloatVector.broadcast(Lanes.SPECIES, gates[of + 3]);
    long plane = at(image, c);
    int p = 0;
    for (; p <= positions - Lanes.WIDTH; p += Lanes.WIDTH) {
      FloatVector r0 = Lanes.load(x, plane + p).mul(g0);
      FloatVector r1 = Lanes.load(x, plane + positions + p).mul(g1);
      FloatVector r2 = Lanes.load(x, plane + 2L * positions + p).mul(g2);
      FloatVector r3 = Lanes.load(x, plane + 3L * positions + p).mul(g3);
      Lanes.load(sum, p).add(r0.add(r1).add(r2.add(r3))).intoArray(sum, p);
      Lanes.load(max, p).max(r0.max(r1).max(r2.max(r3))).intoArray(max, p);
    }
    if (p < positions) {
      VectorMask<Float> mask = Lanes.until(p, positions);
      FloatVector r0 = Lanes.load(x, plane + p, mask).mul(g0);
      FloatVector r1 = Lanes.load(x, plane + positions + p, mask).mul(g1);
      FloatVector r2 = Lanes.load(x, plane + 2L * positions + p, mask).mul(g2);
      FloatVector r3 = Lanes.load(x, plane + 3L * positions + p, mask).mul(g3);
      Lanes.load(sum, p).add(r0.add(r1).add(r2.add(r3))).intoArray(sum, p);
      Lanes.load(max, p).max(r0.max(r1).max(r2.max(r3))).intoArray(max, p);
    }
  }

  private void describeOne(
      int image, int c, MemorySegment x, float[] gates, float[] sum, float[] max) {
    FloatVector gate = FloatVector.broadcast(Lanes.SPECIES, gates[image * channels + c]);
    long plane = at(image, c);
    for (int p = 0; p < positions; p += Lanes.WIDTH) {
      FloatVector r = Lanes.load(x, plane + p, Lanes.until(p, positions)).mul(gate);
      Lanes.load(sum, p).add(r).intoArray(sum, p);
      Lanes.load(max, p).max(r).intoArray(max, p);
    }
  }

  /** The gates of the positions of an image, which are also saved, with room for whole vectors. */
  private float[] spatialGates(int image, CbamSaved saved) {
    int from = image * positions;
    float[] logits = plane.out();
    plane.add(plane.bordered(saved.describedAverage(), from), weights.conv(), 0, logits);
    plane.add(plane.bordered(saved.describedMaximum(), from), weights.conv(), taps, logits);
    for (int i = 0; i < logits.length; i += Lanes.WIDTH) {
      Lanes.sigmoid(Lanes.load(logits, i)).intoArray(logits, i);
    }
    float[] gates = compact(logits);
    System.arraycopy(gates, 0, saved.spatialGates(), from, positions);
    return gates;
  }

  /** Rows of whole vectors as positions one after the other. */
  private float[] compact(float[] rows) {
    float[] compact = new float[Lanes.rounded(positions)];
    for (int y = 0; y < shape.height(); y++) {
      System.arraycopy(rows, y * plane.stride(), compact, y * shape.width(), shape.width());
    }
    return compact;
  }

  CbamGradients gradient(CbamSaved saved, MemorySegment x, MemorySegment dy, MemorySegment dx) {
    int hidden = weights.perceptron().hidden();
    float[] logits = new float[shape.images() * channels];
    float[] hiddenOfAverage = new float[shape.images() * hidden];
    float[] hiddenOfMaximum = new float[shape.images() * hidden];
    float[] conv = new float[shape.images() * 2 * taps];
    Parallel.forEach(
        shape.images(),
        image -> {
          float[] spatial = spatialGradient(image, saved, x, dy);
          channelGradient(image, saved, x, dy, dx, spatial, conv, logits);
          pooledGradient(image, saved, x, dx, logits, hiddenOfAverage, hiddenOfMaximum);
        });
    return summed(saved, logits, hiddenOfAverage, hiddenOfMaximum, conv);
  }

  /** The gradient of the logits of the positions' gates: {@code Σ_c dy · c x} times that of the sigmoid. */
  private float[] spatialGradient(int image, CbamSaved saved, MemorySegment x, MemorySegment dy) {
    float[] sum = new float[Lanes.rounded(positions)];
    for (int c = 0; c < channels; c++) {
      long plane = at(image, c);
      FloatVector gate = FloatVector.broadcast(Lanes.SPECIES, saved.gates()[image * channels + c]);
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
    int from = image * positions;
    for (int p = 0; p < positions; p++) {
      float gate = saved.spatialGates()[from + p];
      sum[p] *= gate * (1 - gate);
    }
    return sum;
  }

  /** Back through the spatial convolution and the gated channels; the gradient of the channels' logits. */
  private void channelGradient(
      int image,
      CbamSaved saved,
      MemorySegment x,
      MemorySegment dy,
      MemorySegment dx,
      float[] spatial,
      float[] conv,
      float[] logits) {
    int from = image * positions;
    float[] rows = plane.rows(spatial, 0);
    int ofImage = image * 2 * taps;
    plane.weights(plane.bordered(saved.describedAverage(), from), rows, conv, ofImage);
    plane.weights(plane.bordered(saved.describedMaximum(), from), rows, conv, ofImage + taps);
    float[] bordered = plane.bordered(spatial, 0);
    float[] toAverage = throughConvolution(bordered, 0);
    float[] toMaximum =
        throughConvolution(bordered, taps); // the first channel that has it takes it
    for (int p = 0; p < positions; p++) {
      toAverage[p] /= channels;
    }
    float[] gates = Arrays.copyOfRange(saved.spatialGates(), from, from + toAverage.length);
    float[] maximum = Arrays.copyOfRange(saved.describedMaximum(), from, from + toAverage.length);
    for (int c = 0; c < channels; c++) {
      float gate = saved.gates()[image * channels + c];
      float sum = ofChannel(at(image, c), gate, x, dy, dx, gates, maximum, toAverage, toMaximum);
      logits[image * channels + c] = sum * gate * (1 - gate);
    }
  }

  /** The gradient of the convolution's input: once more a convolution, with its kernel turned round. */
  private float[] throughConvolution(float[] bordered, int from) {
    float[] turned = new float[taps];
    for (int i = 0; i < taps; i++) {
      turned[i] = weights.conv()[from + taps - 1 - i];
    }
    float[] out = plane.out();
    plane.add(bordered, turned, 0, out);
    return compact(out);
  }

  /**
   * One channel: with {@code d} the gradient of c x, writes {@code c d} to dx and returns {@code Σ d x},
   * that of its gate.
   */
  private float ofChannel(
      long plane,
      float gate,
      MemorySegment x,
      MemorySegment dy,
      MemorySegment dx,
      float[] gates,
      float[] maximum,
      float[] toAverage,
      float[] toMaximum) {
    FloatVector channelGate = FloatVector.broadcast(Lanes.SPECIES, gate);
    FloatVector sum = FloatVector.zero(Lanes.SPECIES);
    int p = 0;
    for (; p <= positions - Lanes.WIDTH; p += Lanes.WIDTH) {
      FloatVector values = Lanes.load(x, plane + p);
      FloatVector d =
          Lanes.load(dy, plane + p)
              .fma(Lanes.load(gates, p), Lanes.load(toAverage, p))
              .add(taken(values.mul(channelGate), maximum, toMaximum, p));
      sum = d.fma(values, sum);
      Lanes.store(d.mul(channelGate), dx, plane + p);
    }
    if (p < positions) {
      VectorMask<Float> mask = Lanes.until(p, positions);
      FloatVector values = Lanes.load(x, plane + p, mask);
      FloatVector d =
          Lanes.load(dy, plane + p, mask)
              .fma(Lanes.load(gates, p), Lanes.load(toAverage, p))
              .add(taken(values.mul(channelGate), maximum, toMaximum, p));
      sum = sum.add(d.mul(values), mask);
      Lanes.store(d.mul(channelGate), dx, plane + p, mask);
    }
    return Lanes.sum(sum);
  }

  /** What of the maxima's gradient goes to this channel; it is taken away for those behind. */
  private static FloatVector taken(FloatVector gated, float[] maximum, float[] toMaximum, int p) {
    FloatVector left = Lanes.load(toMaximum, p);
    VectorMask<Float> here = gated.eq(Lanes.load(maximum, p));
    left.blend(0, here).intoArray(toMaximum, p);
    return FloatVector.zero(Lanes.SPECIES).blend(left, here);
  }

  /** Back through the shared layers, and to the input through mean and maximum. */
  private void pooledGradient(
      int image,
      CbamSaved saved,
      MemorySegment x,
      MemorySegment dx,
      float[] logits,
      float[] hiddenOfAverage,
      float[] hiddenOfMaximum) {
    Perceptron mlp = weights.perceptron();
    int hidden = mlp.hidden();
    int from = image * channels;
    float[] ofAverage = Mlp.hidden(mlp, saved.average(), from, channels);
    float[] ofMaximum = Mlp.hidden(mlp, saved.maximum(), from, channels);
    for (int j = 0; j < hidden; j++) {
      float sum = 0;
      for (int c = 0; c < channels; c++) {
        sum += mlp.out()[c * hidden + j] * logits[from + c];
      }
      hiddenOfAverage[image * hidden + j] = ofAverage[j] > 0 ? sum : 0;
      hiddenOfMaximum[image * hidden + j] = ofMaximum[j] > 0 ? sum : 0;
    }
    for (int c = 0; c < channels; c++) {
      float average = 0;
      float maximum = 0;
      for (int j = 0; j < hidden; j++) {
        float weight = mlp.in()[j * channels + c];
        average += weight * hiddenOfAverage[image * hidden + j];
        maximum += weight * hiddenOfMaximum[image * hidden + j];
      }
      long plane = at(image, c);
      FloatVector more = FloatVector.broadcast(Lanes.SPECIES, average / positions);
      int p = 0;
      for (; p <= positions - Lanes.WIDTH; p += Lanes.WIDTH) {
        Lanes.store(Lanes.load(dx, plane + p).add(more), dx, plane + p);
      }
      if (p < positions) {
        VectorMask<Float> mask = Lanes.until(p, positions);
        Lanes.store(Lanes.load(dx, plane + p, mask).add(more), dx, plane + p, mask);
      }
      long largest = plane + Lanes.first(x, plane, positions, saved.maximum()[from + c]);
      VectorMask<Float> one = Lanes.until(0, 1);
      Lanes.store(Lanes.load(dx, largest, one).add(maximum), dx, largest, one);
    }
  }

  /** The parameters' gradients, images in their order. */
  private CbamGradients summed(
      CbamSaved saved,
      float[] logits,
      float[] hiddenOfAverage,
      float[] hiddenOfMaximum,
      float[] convs) {
    Perceptron mlp = weights.perceptron();
    int hidden = mlp.hidden();
    float[] in = new float[hidden * channels];
    float[] inBias = new float[hidden];
    float[] out = new float[channels * hidden];
    float[] outBias = new float[channels];
    float[] conv = new float[2 * taps];
    for (int image = 0; image < shape.images(); image++) {
      int from = image * channels;
      float[] ofAverage = Mlp.hidden(mlp, saved.average(), from, channels);
      float[] ofMaximum = Mlp.hidden(mlp, saved.maximum(), from, channels);
      for (int c = 0; c < channels; c++) {
        float logit = logits[from + c];
        outBias[c] += 2 * logit; // the layers run on the mean and on the maximum
        for (int j = 0; j < hidden; j++) {
          out[c * hidden + j] += logit * (ofAverage[j] + ofMaximum[j]);
        }
      }
      for (int j = 0; j < hidden; j++) {
        float average = hiddenOfAverage[image * hidden + j];
        float maximum = hiddenOfMaximum[image * hidden + j];
        inBias[j] += average + maximum;
        for (int c = 0; c < channels; c++) {
          in[j * channels + c] +=
              average * saved.average()[from + c] + maximum * saved.maximum()[from + c];
        }
      }
      for (int i = 0; i < conv.length; i++) {
        conv[i] += convs[image * conv.length + i];
      }
    }
    return new CbamGradients(in, inBias, out, outBias, conv);
  }
}
