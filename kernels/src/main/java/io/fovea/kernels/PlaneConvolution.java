package io.fovea.kernels;

import jdk.incubator.vector.FloatVector;

/**
 * Convolutions of one plane of H x W positions with an odd kernel and zero padding. The input is a
 * padded array. The output has rows of whole vectors, of which W values are used.
 */
record PlaneConvolution(int height, int width, int kernel) {
  // number of rows computed at once, because the additions of one sum depend on each other
  private static final int ROWS = 4;
  private static final int SEVEN = 7;

  private int heights() {
    return (height + ROWS - 1) / ROWS * ROWS;
  }

  /** The distance in floats from one output row to the next. */
  int stride() {
    return Lanes.rounded(width);
  }

  private int borderedStride() {
    return stride() + kernel - 1;
  }

  float[] out() {
    return new float[heights() * stride()];
  }

  /** Copies a plane into an array with zero padding. */
  float[] bordered(float[] plane) {
    int half = kernel / 2;
    float[] bordered = new float[(heights() + kernel - 1) * borderedStride()];
    for (int y = 0; y < height; y++) {
      System.arraycopy(plane, y * width, bordered, (y + half) * borderedStride() + half, width);
    }
    return bordered;
  }

  /** Copies a plane into rows of whole vectors, padded with zeros. */
  float[] rows(float[] plane) {
    float[] rows = out();
    for (int y = 0; y < height; y++) {
      System.arraycopy(plane, y * width, rows, y * stride(), width);
    }
    return rows;
  }

  /** Copies rows of whole vectors to contiguous positions. */
  void compact(float[] rows, float[] plane) {
    for (int y = 0; y < height; y++) {
      System.arraycopy(rows, y * stride(), plane, y * width, width);
    }
  }

  /** Adds the convolution with the {@code kernel * kernel} weights at {@code from}. */
  void add(float[] bordered, float[] weights, int from, float[] out) {
    for (int y = 0; y < height; y += ROWS) {
      for (int x = 0; x < width; x += Lanes.WIDTH) {
        int of = y * borderedStride() + x;
        int at = y * stride() + x;
        if (kernel == SEVEN) {
          addSeven(bordered, of, weights, from, out, at);
        } else {
          add(bordered, of, weights, from, out, at);
        }
      }
    }
  }

  private void add(float[] bordered, int start, float[] weights, int from, float[] out, int at) {
    int in = borderedStride();
    FloatVector a = Lanes.load(out, at);
    FloatVector b = Lanes.load(out, at + stride());
    FloatVector c = Lanes.load(out, at + 2 * stride());
    FloatVector d = Lanes.load(out, at + 3 * stride());
    for (int i = 0; i < kernel; i++) {
      for (int j = 0; j < kernel; j++) {
        FloatVector weight = Lanes.broadcast(weights[from + i * kernel + j]);
        int of = start + i * in + j;
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

  /**
   * The same for the 7 x 7 kernel of the paper. A column of the kernel is kept in registers, and
   * each input vector is loaded once for all four rows that use it, because the loads, most of
   * which cross two cache lines, were the bottleneck.
   */
  private void addSeven(
      float[] bordered, int start, float[] weights, int from, float[] out, int at) {
    int in = borderedStride();
    FloatVector a = Lanes.load(out, at);
    FloatVector b = Lanes.load(out, at + stride());
    FloatVector c = Lanes.load(out, at + 2 * stride());
    FloatVector d = Lanes.load(out, at + 3 * stride());
    for (int j = 0; j < SEVEN; j++) {
      int w = from + j;
      FloatVector w0 = Lanes.broadcast(weights[w]);
      FloatVector w1 = Lanes.broadcast(weights[w + SEVEN]);
      FloatVector w2 = Lanes.broadcast(weights[w + 2 * SEVEN]);
      FloatVector w3 = Lanes.broadcast(weights[w + 3 * SEVEN]);
      FloatVector w4 = Lanes.broadcast(weights[w + 4 * SEVEN]);
      FloatVector w5 = Lanes.broadcast(weights[w + 5 * SEVEN]);
      FloatVector w6 = Lanes.broadcast(weights[w + 6 * SEVEN]);
      int of = start + j;
      FloatVector row = Lanes.load(bordered, of);
      a = row.fma(w0, a);
      row = Lanes.load(bordered, of + in);
      a = row.fma(w1, a);
      b = row.fma(w0, b);
      row = Lanes.load(bordered, of + 2 * in);
      a = row.fma(w2, a);
      b = row.fma(w1, b);
      c = row.fma(w0, c);
      row = Lanes.load(bordered, of + 3 * in);
      a = row.fma(w3, a);
      b = row.fma(w2, b);
      c = row.fma(w1, c);
      d = row.fma(w0, d);
      row = Lanes.load(bordered, of + 4 * in);
      a = row.fma(w4, a);
      b = row.fma(w3, b);
      c = row.fma(w2, c);
      d = row.fma(w1, d);
      row = Lanes.load(bordered, of + 5 * in);
      a = row.fma(w5, a);
      b = row.fma(w4, b);
      c = row.fma(w3, c);
      d = row.fma(w2, d);
      row = Lanes.load(bordered, of + 6 * in);
      a = row.fma(w6, a);
      b = row.fma(w5, b);
      c = row.fma(w4, c);
      d = row.fma(w3, d);
      row = Lanes.load(bordered, of + 7 * in);
      b = row.fma(w6, b);
      c = row.fma(w5, c);
      d = row.fma(w4, d);
      row = Lanes.load(bordered, of + 8 * in);
      c = row.fma(w6, c);
      d = row.fma(w5, d);
      row = Lanes.load(bordered, of + 9 * in);
      d = row.fma(w6, d);
    }
    a.intoArray(out, at);
    b.intoArray(out, at + stride());
    c.intoArray(out, at + 2 * stride());
    d.intoArray(out, at + 3 * stride());
  }

  /**
   * Computes the gradient of the weights from that of the output in {@code rows}, and writes it to
   * {@code to}, beginning at {@code from}.
   */
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
