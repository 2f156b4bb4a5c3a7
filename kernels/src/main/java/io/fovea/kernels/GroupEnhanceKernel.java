package io.fovea.kernels;

import io.fovea.attention.fast.Kernels.GroupEnhanceGradients;
import io.fovea.attention.fast.Kernels.GroupEnhanceWeights;
import io.fovea.attention.fast.Kernels.Shape;
import java.lang.foreign.MemorySegment;

/**
 * Spatial group-wise enhance and its gradient, one group of channels after the other: with {@code t = Σ_c
 * x_c mean(x_c)}, {@code u = t - mean(t)} and {@code r = 1 / (sqrt(Σ u² / (N - 1)) + ε)}, {@code y_c =
 * x_c · σ(w r u + b)}.
 */
final class GroupEnhanceKernel {
  private final int images;
  private final int groups;
  private final int channels; // of a group
  private final int positions;
  private final float others;
  private final float[] weight;
  private final float[] bias;
  private final float epsilon;

  GroupEnhanceKernel(Shape shape, GroupEnhanceWeights weights) {
    images = shape.images();
    weight = weights.weight();
    bias = weights.bias();
    epsilon = weights.epsilon();
    groups = weight.length;
    channels = shape.channels() / groups;
    positions = shape.positions();
    others = Math.max(positions - 1, 1);
  }

  private long at(int group, int channel) {
    return ((long) group * channels + channel) * positions;
  }

  /** What a group's gates are computed from. */
  private final class Group {
    private final int group; // in the batch
    private final PlaneArrays arrays = new PlaneArrays(positions);
    private final float[] means = new float[channels];
    private final float[] centred = arrays.zeros();
    private final float[] gates = arrays.zeros();
    private float deviation;
    private float inverse;
    private float sum;
    private float similar;

    Group(int group, MemorySegment x) {
      this.group = group;
      InliningBarrier.inTurn(() -> describe(x), this::centre, this::gate);
    }

    private void describe(MemorySegment x) {
      for (int c = 0; c < channels; c++) {
        means[c] = Lanes.sum(x, at(group, c), positions) / positions;
        arrays.add(x, at(group, c), means[c], centred);
      }
    }

    private void centre() {
      arrays.subtract(centred, PlaneArrays.sum(centred) / positions);
      deviation = (float) Math.sqrt(PlaneArrays.product(centred, centred) / others);
      inverse = 1 / (deviation + epsilon);
    }

    private void gate() {
      PlaneArrays.gates(centred, weight[group % groups] * inverse, bias[group % groups], gates);
    }

    void forward(MemorySegment x, MemorySegment y) {
      InliningBarrier.inTurn(() -> scale(x, y));
    }

    private void scale(MemorySegment x, MemorySegment y) {
      for (int c = 0; c < channels; c++) {
        arrays.scale(x, at(group, c), gates, y);
      }
    }

    /** Also writes the gradients of the group's weight and bias. */
    void gradient(
        MemorySegment x, MemorySegment dy, MemorySegment dx, float[] ofWeight, float[] ofBias) {
      float[] scores = arrays.zeros();
      InliningBarrier.inTurn(
          () -> ofGates(x, dy, scores), () -> ofSimilarity(scores), () -> ofMap(x, dy, dx, scores));
      ofBias[group] = sum;
      ofWeight[group] = similar * inverse;
    }

    private void ofGates(MemorySegment x, MemorySegment dy, float[] scores) {
      for (int c = 0; c < channels; c++) {
        arrays.addProducts(x, dy, at(group, c), scores);
      }
      PlaneArrays.throughGates(scores, gates);
      sum = PlaneArrays.sum(scores);
      similar = PlaneArrays.product(scores, centred);
    }

    /** Turns the gradients of scores into those of t. */
    private void ofSimilarity(float[] scores) {
      float factor = weight[group % groups] * inverse;
      float throughDeviation = // is 0 for a constant map, as the gradient of a norm
          deviation == 0 ? 0 : -factor * similar * inverse / (deviation * others);
      arrays.combine(scores, sum / positions, factor, centred, throughDeviation);
    }

    private void ofMap(MemorySegment x, MemorySegment dy, MemorySegment dx, float[] scores) {
      for (int c = 0; c < channels; c++) {
        float ofMean = arrays.product(x, at(group, c), scores) / positions;
        arrays.scaleAndAdd(dy, at(group, c), gates, scores, means[c], ofMean, dx);
      }
    }
  }

  void forward(MemorySegment x, MemorySegment y) {
    Parallel.forEach(images * groups, group -> new Group(group, x).forward(x, y));
  }

  GroupEnhanceGradients gradient(MemorySegment x, MemorySegment dy, MemorySegment dx) {
    float[] ofWeight = new float[images * groups];
    float[] ofBias = new float[images * groups];
    Parallel.forEach(
        images * groups, group -> new Group(group, x).gradient(x, dy, dx, ofWeight, ofBias));
    return new GroupEnhanceGradients(overImages(ofWeight), overImages(ofBias));
  }

  private float[] overImages(float[] values) {
    float[] sums = new float[groups];
    for (int i = 0; i < values.length; i++) {
      sums[i % groups] += values[i];
    }
    return sums;
  }
}
