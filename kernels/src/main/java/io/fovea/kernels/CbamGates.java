package io.fovea.kernels;

import io.fovea.attention.fast.Kernels.CbamGradients;
import io.fovea.attention.fast.Kernels.CbamWeights;
import io.fovea.attention.fast.Kernels.Perceptron;
import io.fovea.attention.fast.Kernels.Saved;
import io.fovea.attention.fast.Kernels.Shape;
import java.util.List;

/**
 * The computations of CBAM between its passes over the feature map. They do not depend on the
 * memory order.
 */
final class CbamGates {
  private final CbamWeights weights;
  private final int channels;
  private final int positions;
  private final PlaneConvolution plane;
  private final int taps;

  CbamGates(Shape shape, CbamWeights weights) {
    this.weights = weights;
    channels = shape.channels();
    positions = shape.positions();
    plane = new PlaneConvolution(shape.height(), shape.width(), weights.kernel());
    taps = weights.kernel() * weights.kernel();
  }

  /**
   * The results of an image's forward pass: mean, maximum and gate of each channel; mean and
   * maximum of the gated channels and the gate of each position. Gates and values of positions are
   * padded to whole vectors.
   */
  record Image(
      float[] average,
      float[] maximum,
      float[] gates,
      float[] describedAverage,
      float[] describedMaximum,
      float[] spatialGates) {}

  record Images(List<Image> images) implements Saved {}

  Image image() {
    int room = Lanes.rounded(positions);
    return new Image(
        new float[channels],
        new float[channels],
        new float[Lanes.rounded(channels)],
        new float[room],
        new float[room],
        new float[room]);
  }

  /** Computes the channel gates from the means and maxima of the channels. */
  void ofChannels(Image image) {
    Perceptron mlp = weights.perceptron();
    float[] ofAverage = Mlp.hidden(mlp, image.average());
    float[] ofMaximum = Mlp.hidden(mlp, image.maximum());
    Mlp.gates(mlp, image.gates(), ofAverage, ofMaximum);
  }

  /** Computes the spatial gates from the means and maxima of the positions. */
  void ofPositions(Image image) {
    float[] logits = plane.out();
    plane.add(plane.bordered(image.describedAverage()), weights.conv(), 0, logits);
    plane.add(plane.bordered(image.describedMaximum()), weights.conv(), taps, logits);
    Lanes.sigmoid(logits);
    plane.compact(logits, image.spatialGates());
  }

  /**
   * The gradients through the convolution: those of its weights, and those of the sums and maxima
   * over the gated channels of each position, padded to whole vectors.
   */
  record Described(float[] conv, float[] toEach, float[] toMaximum) {}

  /** Computes the gradients from that of the logits of the spatial gates. */
  Described back(Image image, float[] ofLogits) {
    float[] rows = plane.rows(ofLogits);
    float[] conv = new float[2 * taps];
    plane.weights(plane.bordered(image.describedAverage()), rows, conv, 0);
    plane.weights(plane.bordered(image.describedMaximum()), rows, conv, taps);
    float[] bordered = plane.bordered(ofLogits);
    float[] toEach = throughConvolution(bordered, 0);
    for (int p = 0; p < positions; p++) {
      toEach[p] /= channels;
    }
    return new Described(conv, toEach, throughConvolution(bordered, taps));
  }

  /**
   * The gradient of the convolution's input, which is a convolution with the kernel rotated by 180
   * degrees.
   */
  private float[] throughConvolution(float[] bordered, int from) {
    float[] turned = new float[taps];
    for (int i = 0; i < taps; i++) {
      turned[i] = weights.conv()[from + taps - 1 - i];
    }
    float[] out = plane.out();
    plane.add(bordered, turned, 0, out);
    float[] compact = new float[Lanes.rounded(positions)];
    plane.compact(out, compact);
    return compact;
  }

  /**
   * The gradients through the gates of an image: those of the logits, and those of means and maxima
   * through the layers.
   */
  record Back(float[] logits, Mlp.Back average, Mlp.Back maximum, float[] conv) {}

  /** Computes the gradients from that of the logits of the channel gates. */
  Back back(Image image, float[] ofLogits, float[] conv) {
    Perceptron mlp = weights.perceptron();
    return new Back(
        ofLogits,
        Mlp.back(mlp, image.average(), ofLogits),
        Mlp.back(mlp, image.maximum(), ofLogits),
        conv);
  }

  /**
   * The gradients of the weights, summed over the images in their order, so that every call gives
   * the same bits.
   */
  CbamGradients sum(List<Image> images, List<Back> backs) {
    Mlp.Sum sum = new Mlp.Sum(weights.perceptron(), channels);
    float[] conv = new float[2 * taps];
    for (int i = 0; i < images.size(); i++) {
      Back back = backs.get(i);
      sum.add(images.get(i).average(), back.average(), back.logits());
      sum.add(images.get(i).maximum(), back.maximum(), back.logits());
      for (int j = 0; j < conv.length; j++) {
        conv[j] += back.conv()[j];
      }
    }
    return new CbamGradients(sum.gradients(), conv);
  }
}
