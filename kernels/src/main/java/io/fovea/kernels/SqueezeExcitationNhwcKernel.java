package io.fovea.kernels;

import io.fovea.attention.fast.Kernels.Perceptron;
import io.fovea.attention.fast.Kernels.PerceptronGradients;
import io.fovea.attention.fast.Kernels.Saved;
import io.fovea.attention.fast.Kernels.Shape;
import java.lang.foreign.MemorySegment;
import java.util.List;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/** {@link SqueezeExcitationKernel} for channels-last (NHWC) feature maps. */
final class SqueezeExcitationNhwcKernel {
  private final Perceptron mlp;
  private final int images;
  private final int channels;
  private final int positions;
  private final Rows rows;

  SqueezeExcitationNhwcKernel(Shape shape, Perceptron mlp) {
    this.mlp = mlp;
    images = shape.images();
    channels = shape.channels();
    positions = shape.positions();
    rows = new Rows(channels, positions);
  }

  /** The results of an image: means, gates, and the gates repeated along a row. */
  private record Image(float[] means, float[] gates, float[] row) {}

  private record Images(List<Image> images) implements Saved {}

  /** Computes with or without (null) a shortcut; {@code y} may be {@code x}. */
  Saved forward(MemorySegment x, MemorySegment shortcut, MemorySegment y) {
    Image[] all = new Image[images];
    float[][][] sums = new float[images][rows.parts()][rows.width()];
    rows.forEach(
        images,
        (image, part) -> rows.add(x, image, part, sums[image][part]),
        Rows.once(image -> all[image] = gated(sums[image])),
        shortcut == null
            ? (image, part) -> scale(image, part, all[image].row, x, y)
            : (image, part) -> scaleAndAdd(image, part, all[image].row, x, shortcut, y));
    return new Images(List.of(all));
  }

  private Image gated(float[][] sums) {
    float[] means = new float[channels];
    rows.fold(sums, means);
    for (int c = 0; c < channels; c++) {
      means[c] /= positions;
    }
    float[] gates = new float[Lanes.rounded(channels)];
    Mlp.gates(mlp, gates, Mlp.hidden(mlp, means));
    return new Image(means, gates, rows.repeated(gates));
  }

  private void scale(int image, int part, float[] row, MemorySegment x, MemorySegment y) {
    long at = rows.from(image, part);
    int left = rows.count(part);
    for (; left >= row.length; left -= row.length, at += row.length) {
      for (int i = 0; i < row.length; i += Lanes.WIDTH) {
        Lanes.store(Lanes.load(x, at + i).mul(Lanes.load(row, i)), y, at + i);
      }
    }
    for (int i = 0; i < left; i += Lanes.WIDTH) {
      VectorMask<Float> mask = Lanes.until(i, left);
      Lanes.store(Lanes.load(x, at + i, mask).mul(Lanes.load(row, i)), y, at + i, mask);
    }
  }

  private void scaleAndAdd(
      int image, int part, float[] row, MemorySegment x, MemorySegment shortcut, MemorySegment y) {
    long at = rows.from(image, part);
    int left = rows.count(part);
    for (; left >= row.length; left -= row.length, at += row.length) {
      for (int i = 0; i < row.length; i += Lanes.WIDTH) {
        FloatVector sum =
            Lanes.load(x, at + i).mul(Lanes.load(row, i)).add(Lanes.load(shortcut, at + i));
        Lanes.store(Lanes.rectified(sum, sum), y, at + i);
      }
    }
    for (int i = 0; i < left; i += Lanes.WIDTH) {
      VectorMask<Float> mask = Lanes.until(i, left);
      FloatVector sum =
          Lanes.load(x, at + i, mask)
              .mul(Lanes.load(row, i))
              .add(Lanes.load(shortcut, at + i, mask));
      Lanes.store(Lanes.rectified(sum, sum), y, at + i, mask);
    }
  }

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
    List<Image> saved = ((Images) forward).images();
    float[][] logits = new float[images][channels];
    Mlp.Back[] backs = new Mlp.Back[images];
    float[][][] sums = new float[images][rows.parts()][rows.width()];
    float[][] means = new float[images][];
    MemorySegment through = y == null ? dy : ofShortcut;
    rows.forEach(
        images,
        y == null
            ? (image, part) -> product(image, part, x, dy, sums[image][part])
            : (image, part) ->
                rectifiedProduct(image, part, x, y, dy, ofShortcut, sums[image][part]),
        Rows.once(
            image -> {
              backs[image] = back(saved.get(image), sums[image], logits[image]);
              means[image] = rows.repeated(divided(backs[image].input()));
            }),
        (image, part) ->
            scaleAndSpread(image, part, saved.get(image).row, means[image], through, dx));
    Mlp.Sum sum = new Mlp.Sum(mlp, channels);
    // in the order of the images, so that every call gives the same bits
    for (int image = 0; image < images; image++) {
      sum.add(saved.get(image).means, backs[image], logits[image]);
    }
    return sum.gradients();
  }

  private Mlp.Back back(Image saved, float[][] sums, float[] logits) {
    rows.fold(sums, logits);
    for (int c = 0; c < channels; c++) {
      float gate = saved.gates[c];
      logits[c] *= gate * (1 - gate);
    }
    return Mlp.back(mlp, saved.means, logits);
  }

  /** The part of a mean's gradient for each position. */
  private float[] divided(float[] ofMeans) {
    float[] each = new float[channels];
    for (int c = 0; c < channels; c++) {
      each[c] = ofMeans[c] / positions;
    }
    return each;
  }

  private void product(int image, int part, MemorySegment x, MemorySegment dy, float[] sum) {
    long at = rows.from(image, part);
    int left = rows.count(part);
    for (; left >= sum.length; left -= sum.length, at += sum.length) {
      for (int i = 0; i < sum.length; i += Lanes.WIDTH) {
        Lanes.load(x, at + i).fma(Lanes.load(dy, at + i), Lanes.load(sum, i)).intoArray(sum, i);
      }
    }
    for (int i = 0; i < left; i += Lanes.WIDTH) {
      VectorMask<Float> mask = Lanes.until(i, left);
      Lanes.load(x, at + i, mask)
          .fma(Lanes.load(dy, at + i, mask), Lanes.load(sum, i))
          .intoArray(sum, i);
    }
  }

  /** Also writes the gradient after the ReLU. */
  private void rectifiedProduct(
      int image,
      int part,
      MemorySegment x,
      MemorySegment y,
      MemorySegment dy,
      MemorySegment through,
      float[] sum) {
    long at = rows.from(image, part);
    int left = rows.count(part);
    for (; left >= sum.length; left -= sum.length, at += sum.length) {
      for (int i = 0; i < sum.length; i += Lanes.WIDTH) {
        FloatVector d = Lanes.rectified(Lanes.load(dy, at + i), Lanes.load(y, at + i));
        Lanes.store(d, through, at + i);
        Lanes.load(x, at + i).fma(d, Lanes.load(sum, i)).intoArray(sum, i);
      }
    }
    for (int i = 0; i < left; i += Lanes.WIDTH) {
      VectorMask<Float> mask = Lanes.until(i, left);
      FloatVector d = Lanes.rectified(Lanes.load(dy, at + i, mask), Lanes.load(y, at + i, mask));
      Lanes.store(d, through, at + i, mask);
      Lanes.load(x, at + i, mask).fma(d, Lanes.load(sum, i)).intoArray(sum, i);
    }
  }

  private void scaleAndSpread(
      int image, int part, float[] gates, float[] more, MemorySegment from, MemorySegment to) {
    long at = rows.from(image, part);
    int left = rows.count(part);
    for (; left >= gates.length; left -= gates.length, at += gates.length) {
      for (int i = 0; i < gates.length; i += Lanes.WIDTH) {
        FloatVector d = Lanes.load(from, at + i).fma(Lanes.load(gates, i), Lanes.load(more, i));
        Lanes.store(d, to, at + i);
      }
    }
    for (int i = 0; i < left; i += Lanes.WIDTH) {
      VectorMask<Float> mask = Lanes.until(i, left);
      FloatVector d = Lanes.load(from, at + i, mask).fma(Lanes.load(gates, i), Lanes.load(more, i));
      Lanes.store(d, to, at + i, mask);
    }
  }
}
