package io.fovea.kernels;

import io.fovea.tensor.Threads;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.function.IntConsumer;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/**
 * Channels-last (NHWC) images as rows of floats. A row holds as many positions as are needed for
 * whole vectors with any number of channels; values of channels are repeated along it. An image is
 * divided into parts, which do not depend on the number of threads. Sums over an image are first
 * computed for each part.
 */
final class Rows {
  /**
   * The number of positions of a part is a multiple of this number, and so of the lanes of a
   * vector.
   */
  static final int BLOCK = 64;

  private static final int LEAST_WIDTH = 16 * Lanes.WIDTH;
  // approximate number of floats, a fraction of a second-level cache
  private static final int PART = 1 << 16;
  // number of rows per step, so that sums are loaded and stored less often
  private static final int TOGETHER = 4;

  private final int channels;
  private final int positions;
  private final int width;
  private final int partPositions;

  Rows(int channels, int positions) {
    this.channels = channels;
    this.positions = positions;
    int whole = channels;
    while (whole % Lanes.WIDTH != 0) {
      whole *= 2; // the length of a vector is a power of two
    }
    width = whole * Math.max(1, LEAST_WIDTH / whole);
    partPositions = Math.max(1, PART / channels / BLOCK) * BLOCK;
  }

  /** Creates the rows of an image. */
  int parts() {
    return (positions + partPositions - 1) / partPositions;
  }

  /** The first position of a part. */
  int start(int part) {
    return part * partPositions;
  }

  /** The position after the end of a part. */
  int end(int part) {
    return Math.min(positions, start(part) + partPositions);
  }

  /** The first float of a part. */
  long from(int image, int part) {
    return ((long) image * positions + start(part)) * channels;
  }

  /** The number of floats of a part. */
  int count(int part) {
    return (end(part) - start(part)) * channels;
  }

  /** The number of floats of a row. */
  int width() {
    return width;
  }

  /** Repeats the values of channels along a row. */
  float[] repeated(float[] ofChannels) {
    float[] row = new float[width];
    for (int i = 0; i < width; i += channels) {
      System.arraycopy(ofChannels, 0, row, i, channels);
    }
    return row;
  }

  /** The sums of the channels, from the sums along the rows of all parts. */
  void fold(float[][] parts, float[] sums) {
    Arrays.fill(sums, 0, channels, 0);
    for (float[] row : parts) {
      for (int i = 0; i < width; i += channels) {
        for (int c = 0; c < channels; c++) {
          sums[c] += row[i + c];
        }
      }
    }
  }

  /** The maxima of the channels, from the maxima along the rows of all parts; NaN is ignored. */
  void foldLargest(float[][] parts, float[] largest) {
    Arrays.fill(largest, 0, channels, Float.NEGATIVE_INFINITY);
    for (float[] row : parts) {
      for (int i = 0; i < width; i += channels) {
        for (int c = 0; c < channels; c++) {
          largest[c] = row[i + c] > largest[c] ? row[i + c] : largest[c];
        }
      }
    }
  }

  /** The maximum of a channel; NaN if any value is NaN. */
  float maximum(MemorySegment x, int image, int channel) {
    float maximum = Float.NEGATIVE_INFINITY;
    long at = (long) image * positions * channels + channel;
    for (int p = 0; p < positions; p++, at += channels) {
      maximum = Math.max(maximum, x.getAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, at));
    }
    return maximum;
  }

  /** Adds the rows of a part to {@code sum}. */
  void add(MemorySegment x, int image, int part, float[] sum) {
    long at = from(image, part);
    int left = count(part);
    for (; left >= TOGETHER * width; left -= TOGETHER * width, at += (long) TOGETHER * width) {
      addFour(x, at, sum);
    }
    for (; left > 0; left -= width, at += width) {
      addOne(x, at, Math.min(left, width), sum);
    }
  }

  private void addFour(MemorySegment x, long at, float[] sum) {
    long second = at + width;
    long third = second + width;
    long fourth = third + width;
    for (int i = 0; i < width; i += Lanes.WIDTH) {
      FloatVector ab = Lanes.load(x, at + i).add(Lanes.load(x, second + i));
      FloatVector cd = Lanes.load(x, third + i).add(Lanes.load(x, fourth + i));
      Lanes.load(sum, i).add(ab.add(cd)).intoArray(sum, i);
    }
  }

  private static void addOne(MemorySegment x, long at, int count, float[] sum) {
    for (int i = 0; i < count; i += Lanes.WIDTH) {
      FloatVector v = Lanes.load(x, at + i, Lanes.until(i, count));
      Lanes.load(sum, i).add(v).intoArray(sum, i);
    }
  }

  /**
   * Adds the rows of a part to {@code sum}, and updates the maxima in {@code max}; NaN is ignored.
   */
  void pool(MemorySegment x, int image, int part, float[] sum, float[] max) {
    long at = from(image, part);
    int left = count(part);
    for (; left >= TOGETHER * width; left -= TOGETHER * width, at += (long) TOGETHER * width) {
      poolFour(x, at, sum, max);
    }
    for (; left > 0; left -= width, at += width) {
      poolOne(x, at, Math.min(left, width), sum, max);
    }
  }

  private void poolFour(MemorySegment x, long at, float[] sum, float[] max) {
    long second = at + width;
    long third = second + width;
    long fourth = third + width;
    for (int i = 0; i < width; i += Lanes.WIDTH) {
      FloatVector a = Lanes.load(x, at + i);
      FloatVector b = Lanes.load(x, second + i);
      FloatVector c = Lanes.load(x, third + i);
      FloatVector d = Lanes.load(x, fourth + i);
      Lanes.load(sum, i).add(a.add(b).add(c.add(d))).intoArray(sum, i);
      FloatVector largest = Lanes.larger(Lanes.larger(a, b), Lanes.larger(c, d));
      Lanes.larger(Lanes.load(max, i), largest).intoArray(max, i);
    }
  }

  private static void poolOne(MemorySegment x, long at, int count, float[] sum, float[] max) {
    for (int i = 0; i < count; i += Lanes.WIDTH) {
      VectorMask<Float> mask = Lanes.until(i, count);
      FloatVector v = Lanes.load(x, at + i, mask);
      Lanes.load(sum, i).add(v).intoArray(sum, i);
      FloatVector before = Lanes.load(max, i);
      before.blend(Lanes.larger(before, v), mask).intoArray(max, i);
    }
  }

  /** Processes a part of an image in a stage. */
  interface Stage {
    void run(int image, int part);
  }

  /** A stage that processes a whole image. */
  static Stage once(IntConsumer image) {
    return (i, part) -> {
      if (part == 0) {
        image.accept(i);
      }
    };
  }

  /**
   * Runs the stages one after the other: image by image, so that all stages after the first find
   * the image in the cache; or part by part for few images, so that no thread is idle. See {@link
   * InliningBarrier} for another reason for stages.
   */
  void forEach(int images, Stage... stages) {
    int threads = Threads.count();
    if (images >= 2 * threads || images % threads == 0 || parts() == 1) {
      Parallel.forEach(
          images,
          image -> {
            for (Stage stage : stages) {
              for (int part = 0; part < parts(); part++) {
                stage.run(image, part);
              }
            }
          });
    } else {
      for (Stage stage : stages) {
        Parallel.forEach(images * parts(), i -> stage.run(i / parts(), i % parts()));
      }
    }
  }
}
