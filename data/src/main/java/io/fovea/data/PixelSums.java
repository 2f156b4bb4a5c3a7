package io.fovea.data;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Exact integer sums over the pixels of images, from which mean and standard deviation are
 * computed.
 */
public final class PixelSums {
  /** A tenth of the values of a byte: what photographs with less hold is seen by nobody. */
  private static final int DARK = 25;

  private final long[] sum;
  private final long[] squares;
  private long pixels;
  private int highest;

  public PixelSums(int channels) {
    sum = new long[channels];
    squares = new long[channels];
  }

  /** Adds an image [C, H, W]. */
  public void add(byte[] image) {
    int area = image.length / sum.length;
    for (int channel = 0; channel < sum.length; channel++) {
      long channelSum = 0;
      long channelSquares = 0;
      for (int at = channel * area; at < (channel + 1) * area; at++) {
        long value = Byte.toUnsignedLong(image[at]);
        channelSum += value;
        channelSquares += value * value;
        highest = Math.max(highest, (int) value);
      }
      sum[channel] += channelSum;
      squares[channel] += channelSquares;
    }
    pixels += area;
  }

  /** Adds the sums of another object. */
  public void add(PixelSums other) {
    for (int channel = 0; channel < sum.length; channel++) {
      sum[channel] += other.sum[channel];
      squares[channel] += other.squares[channel];
    }
    pixels += other.pixels;
    highest = Math.max(highest, other.highest);
  }

  /**
   * What is wrong with images that are all nearly black, such as 12 bits in files of 16, which are
   * divided by 256; empty if they are not.
   */
  public Optional<String> darkness() {
    return highest > DARK
        ? Optional.empty()
        : Optional.of(
            "all training images are nearly black, with no value above "
                + highest
                + " of 255; if they are 16-bit files with values of fewer bits, scale these to 16"
                + " bits first (12 bits: times 16)");
  }

  public Normalization normalization() {
    List<Double> means = new ArrayList<>();
    List<Double> stds = new ArrayList<>();
    for (int channel = 0; channel < sum.length; channel++) {
      double mean = (double) sum[channel] / pixels;
      double variance = Math.max(0, (double) squares[channel] / pixels - mean * mean);
      means.add(mean / 255);
      // A channel with a single value has nothing to scale and becomes zero.
      stds.add(variance == 0 ? 1 : Math.sqrt(variance) / 255);
    }
    return new Normalization(means, stds);
  }
}
