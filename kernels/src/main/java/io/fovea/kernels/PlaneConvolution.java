package io.fovea.kernels;

import jdk.incubator.vector.FloatVector;

/**
 * Convolutions of one plane of H x W positions with a kernel of odd side, zeros around. What goes in lies
 * in a bordered array; what comes out in rows of whole vectors, of which W are used.
 */
record PlaneConvolution(int height, int width, int kernel) {
  private static final int ROWS = 4; // computed at once, as a sum has to wait for itself

  private int heights() {
    return (height + ROWS - 1) / ROWS * ROWS;
  }

  /** Floats from one row to the next of what comes out. */
  int stride() {
    return Lanes.rounded(width);
  }

  private int borderedStride() {
    return stride() + kernel - 1;
  }

  float[] out() {
    return new float[heights() * stride()];
  }

  /** A plane with zeros around. */
  float[] bordered(float[] plane) {
    int half = kernel / 2;
    float[] bordered = new float[(heights() + kernel - 1) * borderedStride()];
    for (int y = 0; y < height; y++) {
      System.arraycopy(plane, y * width, bordered, (y + half) * borderedStride() + half, width);
    }
    return bordered;
  }

  /** A plane in rows of whole vectors, with zeros behind. */
  float[] rows(float[] plane) {
    float[] rows = out();
    for (int y = 0; y < height; y++) {
      System.arraycopy(plane, y * width, rows, y * stride(), width);
    }
    return rows;
  }

  /** Rows of whole vectors as positions one after the other. */
  void compact(float[] rows, float[] plane) {
    for (int y = 0; y < height; y++) {
      System.arraycopy(rows, y * stride(), plane, y * width, width);
    }
  }

  /** Adds the convolution with the {@code kernel * kernel} weights at {@code from}. */
  void add(float[] bordered, float[] weights, int from, float[] out) {
    int in = borderedStride();
    for (int y = 0; y < height; y += ROWS) {
      for (int x = 0; x < width; x += Lanes.WIDTH) {
        int at = y * stride() + x;
        FloatVector a = Lanes.load(out, at);
        FloatVector b = Lanes.load(out, at + stride());
        FloatVector c = Lanes.load(out, at + 2 * stride());
        FloatVector d = Lanes.load(out, at + 3 * stride());
        for (int i = 0; i < kernel; i++) {
          for (int j = 0; j < kernel; j++) {
            FloatVector weight =
                FloatVector.broadcast(Lanes.SPECIES, weights[from + i * kernel + j]);
            int of = (y + i) * in + x + j;
            a = Lanes.load(bordered, of).fma(weight, a);
            b = Lanes.load(bordered, of + in).fma(weight, b);
            c = Lanes.load(bordered, of + 2 * in).fma(weight, c);
            d = Lanes.load(bordered, of + 3 * in).fma(weight, d);
          }
        }
        a.intoArray(out, at);
        b.intoArray(out, at + stride());
        c.intoArray(out, at + 2 * stride());
        d.intoArray(out, at + 3 * stride());
      }
    }
  }

  /** The gradient of the weights, where {@code rows} is that of the output; to {@code from} of {@code to}. */
  void weights(float[] bordered, float[] rows, float[] to, int from) {
    int in = borderedStride();
    for (int i = 0; i < kernel; i++) {
      for (int j = 0; j < kernel; j++) {
        FloatVector a = FloatVector.zero(Lanes.SPECIES);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        for (int y = 0; y < height; y += ROWS) {
          for (int x = 0; x < width; x += Lanes.WIDTH) {
            int at = y * stride() + x;
            int of = (y + i) * in + x + j;
            a = Lanes.load(bordered, of).fma(Lanes.load(rows, at), a);
            b = Lanes.load(bordered, of + in).fma(Lanes.load(rows, at + stride()), b);
            c = Lanes.load(bordered, of + 2 * in).fma(Lanes.load(rows, at + 2 * stride()), c);
            d = Lanes.load(bordered, of + 3 * in).fma(Lanes.load(rows, at + 3 * stride()), d);
          }
        }
        to[from + i * kernel + j] = Lanes.sum(a.add(b).add(c.add(d)));
      }
    }
  }
}
