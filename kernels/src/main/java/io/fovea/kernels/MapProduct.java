package io.fovea.kernels;

import jdk.incubator.vector.FloatVector;

/**
 * Weighted sums of feature maps: the product of a weight matrix and rows of positions. Four outputs
 * by four vectors of positions are summed in registers, so that each load is used for four
 * multiplications.
 */
final class MapProduct {
  /** The number of positions computed at once. */
  static final int BLOCK = 4 * Lanes.WIDTH;

  private static final int OUTPUTS = 4;

  private final int outputs;
  private final int inputs;
  private final float[] weights;

  /** Creates a product with weights {@code [outputs, inputs]}. */
  MapProduct(int outputs, int inputs, float[] weights) {
    this.outputs = (outputs + OUTPUTS - 1) / OUTPUTS * OUTPUTS;
    this.inputs = inputs;
    this.weights = new float[this.outputs * inputs]; // four consecutive outputs
    for (int o = 0; o < outputs; o++) {
      int first = o / OUTPUTS * OUTPUTS;
      for (int i = 0; i < inputs; i++) {
        this.weights[first * inputs + i * OUTPUTS + o - first] = weights[o * inputs + i];
      }
    }
  }

  /** The number of rows that {@link #add} writes, a multiple of four. */
  int outputs() {
    return outputs;
  }

  /** The number of blocks for a number of positions. */
  static int blocks(int positions) {
    return (positions + BLOCK - 1) / BLOCK;
  }

  /**
   * Adds the contribution of some inputs to blocks of all outputs.
   *
   * @param first the index of the first of these inputs
   * @param offsets the offset of each of them in {@code in}, relative to {@code base}
   * @param step the distance between blocks in {@code in}; in {@code out} they are adjacent
   * @param at the index of the first output in {@code out}
   * @param stride the distance from one output to the next
   */
  void add(
      int first,
      int[] offsets,
      float[] in,
      int base,
      int step,
      float[] out,
      int at,
      int stride,
      int blocks) {
    for (int o = 0; o < outputs; o += OUTPUTS) {
      int from = o * inputs + first * OUTPUTS;
      for (int block = 0; block < blocks; block++) {
        int to = at + o * stride + block * BLOCK;
        add(weights, from, offsets, in, base + block * step, out, to, stride);
      }
    }
  }

  private static void add(
      float[] weights,
      int from,
      int[] offsets,
      float[] in,
      int base,
      float[] out,
      int at,
      int stride) {
    int w = Lanes.WIDTH;
    int b = at + stride;
    int c = b + stride;
    int d = c + stride;
    FloatVector a0 = Lanes.load(out, at);
    FloatVector a1 = Lanes.load(out, at + w);
    FloatVector a2 = Lanes.load(out, at + 2 * w);
    FloatVector a3 = Lanes.load(out, at + 3 * w);
    FloatVector b0 = Lanes.load(out, b);
    FloatVector b1 = Lanes.load(out, b + w);
    FloatVector b2 = Lanes.load(out, b + 2 * w);
    FloatVector b3 = Lanes.load(out, b + 3 * w);
    FloatVector c0 = Lanes.load(out, c);
    FloatVector c1 = Lanes.load(out, c + w);
    FloatVector c2 = Lanes.load(out, c + 2 * w);
    FloatVector c3 = Lanes.load(out, c + 3 * w);
    FloatVector d0 = Lanes.load(out, d);
    FloatVector d1 = Lanes.load(out, d + w);
    FloatVector d2 = Lanes.load(out, d + 2 * w);
    FloatVector d3 = Lanes.load(out, d + 3 * w);
    for (int i = 0; i < offsets.length; i++) {
      int of = base + offsets[i];
      FloatVector x0 = Lanes.load(in, of);
      FloatVector x1 = Lanes.load(in, of + w);
      FloatVector x2 = Lanes.load(in, of + 2 * w);
      FloatVector x3 = Lanes.load(in, of + 3 * w);
      int weight = from + i * OUTPUTS;
      FloatVector ofA = Lanes.broadcast(weights[weight]);
      a0 = x0.fma(ofA, a0);
      a1 = x1.fma(ofA, a1);
      a2 = x2.fma(ofA, a2);
      a3 = x3.fma(ofA, a3);
      FloatVector ofB = Lanes.broadcast(weights[weight + 1]);
      b0 = x0.fma(ofB, b0);
      b1 = x1.fma(ofB, b1);
      b2 = x2.fma(ofB, b2);
      b3 = x3.fma(ofB, b3);
      FloatVector ofC = Lanes.broadcast(weights[weight + 2]);
      c0 = x0.fma(ofC, c0);
      c1 = x1.fma(ofC, c1);
      c2 = x2.fma(ofC, c2);
      c3 = x3.fma(ofC, c3);
      FloatVector ofD = Lanes.broadcast(weights[weight + 3]);
      d0 = x0.fma(ofD, d0);
      d1 = x1.fma(ofD, d1);
      d2 = x2.fma(ofD, d2);
      d3 = x3.fma(ofD, d3);
    }
    a0.intoArray(out, at);
    a1.intoArray(out, at + w);
    a2.intoArray(out, at + 2 * w);
    a3.intoArray(out, at + 3 * w);
    b0.intoArray(out, b);
    b1.intoArray(out, b + w);
    b2.intoArray(out, b + 2 * w);
    b3.intoArray(out, b + 3 * w);
    c0.intoArray(out, c);
    c1.intoArray(out, c + w);
    c2.intoArray(out, c + 2 * w);
    c3.intoArray(out, c + 3 * w);
    d0.intoArray(out, d);
    d1.intoArray(out, d + w);
    d2.intoArray(out, d + 2 * w);
    d3.intoArray(out, d + 3 * w);
  }
}
