package io.fovea.explain;

import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * What a network says about the pixels of an image: the class of each, and how uncertain it is.
 *
 * @param height the height of the image in pixels
 * @param width the width of the image in pixels
 * @param labels the class with the highest score of each pixel, {@code [height * width]}, unsigned
 *     bytes
 * @param entropy the entropy of the probabilities of each pixel's classes, {@code [height * width]}:
 *     0 if one class has all the probability, 1 if all classes have the same
 */
public record Scene(int height, int width, byte[] labels, float[] entropy) {
  /** Reads the scores of one image, {@code [1, classes, H, W]}. */
  static Scene of(Tensor scores) {
    Tensor probabilities = scores.detach().softmax(1);
    Tensor entropy = torch.special_entr(probabilities).sum(1L);
    float[] values = Values.of(entropy);
    double most = Math.log((double) scores.size(1));
    for (int i = 0; i < values.length; i++) {
      values[i] = most == 0 ? 0 : (float) Math.min(1, values[i] / most);
    }
    float[] best = Values.of(scores.argmax(new LongOptional(1), false).to(ScalarType.Float));
    byte[] labels = new byte[best.length];
    for (int i = 0; i < best.length; i++) {
      labels[i] = (byte) (int) best[i];
    }
    return new Scene((int) scores.size(2), (int) scores.size(3), labels, values);
  }

  /** The share of the pixels that each class has. */
  public float[] shares(int classes) {
    long[] counts = new long[classes];
    for (byte label : labels) {
      counts[Byte.toUnsignedInt(label)]++;
    }
    float[] shares = new float[classes];
    for (int i = 0; i < classes; i++) {
      shares[i] = (float) counts[i] / labels.length;
    }
    return shares;
  }

  /** The uncertainty of the pixels as a map. */
  public Plane uncertainty() {
    return Plane.of(height, width, entropy);
  }
}
