package io.fovea.kernels;

import jdk.incubator.vector.FloatVector;

/**
 * Products of small matrices that are in the cache: three rows by three vectors are summed in
 * registers. AVX2 has sixteen registers: nine hold the sums, three the columns, and three the
 * factors, which Java's compiler loads before it uses any of them. With more sums, the compiler
 * keeps some of them in memory, and a product takes twice as long. Strides are constants, because
 * otherwise the bounds are checked in each step.
 */
final class Tiles {
  /** The number of rows that are summed together. */
  static final int ROWS = 3;

  /** The number of columns that are summed together: a panel. */
  static final int PANEL = 3 * Lanes.WIDTH;

  private Tiles() {}

  /**
   * Adds the product of three rows with a panel. It is summed before it is added, because one sum over
   * thousands of terms would be several times as inexact.
   *
   * @param a the rows, interleaved: three factors for each term, from {@code ai} on
   * @param b the panel, {@code [terms, PANEL]}, from {@code bi} on
   * @param c the sums, {@code [ROWS, PANEL]}, from {@code ci} on
   */
  static void add(float[] a, int ai, float[] b, int bi, int terms, float[] c, int ci) {
    int w = Lanes.WIDTH;
    FloatVector x = Lanes.load(b, bi);
    FloatVector y = Lanes.load(b, bi + w);
    FloatVector z = Lanes.load(b, bi + 2 * w);
    FloatVector first = Lanes.broadcast(a[ai]);
    FloatVector a0 = x.mul(first);
    FloatVector a1 = y.mul(first);
    FloatVector a2 = z.mul(first);
    FloatVector second = Lanes.broadcast(a[ai + 1]);
    FloatVector b0 = x.mul(second);
    FloatVector b1 = y.mul(second);
    FloatVector b2 = z.mul(second);
    FloatVector third = Lanes.broadcast(a[ai + 2]);
    FloatVector c0 = x.mul(third);
    FloatVector c1 = y.mul(third);
    FloatVector c2 = z.mul(third);
    int end = ai + terms * ROWS;
    int of = bi + PANEL;
    for (int at = ai + ROWS; at < end; at += ROWS) {
      FloatVector p = Lanes.load(b, of);
      FloatVector q = Lanes.load(b, of + w);
      FloatVector r = Lanes.load(b, of + 2 * w);
      FloatVector ofA = Lanes.broadcast(a[at]);
      a0 = p.fma(ofA, a0);
      a1 = q.fma(ofA, a1);
      a2 = r.fma(ofA, a2);
      FloatVector ofB = Lanes.broadcast(a[at + 1]);
      b0 = p.fma(ofB, b0);
      b1 = q.fma(ofB, b1);
      b2 = r.fma(ofB, b2);
      FloatVector ofC = Lanes.broadcast(a[at + 2]);
      c0 = p.fma(ofC, c0);
      c1 = q.fma(ofC, c1);
      c2 = r.fma(ofC, c2);
      of += PANEL;
    }
    a0.add(Lanes.load(c, ci)).intoArray(c, ci);
    a1.add(Lanes.load(c, ci + w)).intoArray(c, ci + w);
    a2.add(Lanes.load(c, ci + 2 * w)).intoArray(c, ci + 2 * w);
    b0.add(Lanes.load(c, ci + PANEL)).intoArray(c, ci + PANEL);
    b1.add(Lanes.load(c, ci + PANEL + w)).intoArray(c, ci + PANEL + w);
    b2.add(Lanes.load(c, ci + PANEL + 2 * w)).intoArray(c, ci + PANEL + 2 * w);
    c0.add(Lanes.load(c, ci + 2 * PANEL)).intoArray(c, ci + 2 * PANEL);
    c1.add(Lanes.load(c, ci + 2 * PANEL + w)).intoArray(c, ci + 2 * PANEL + w);
    c2.add(Lanes.load(c, ci + 2 * PANEL + 2 * w)).intoArray(c, ci + 2 * PANEL + 2 * w);
  }
}
