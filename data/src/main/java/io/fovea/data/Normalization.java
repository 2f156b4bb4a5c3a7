package io.fovea.data;

import io.fovea.errors.SpecException;
import java.util.List;

/**
 * The normalisation of pixels: scaled to 0 to 1, minus the mean, divided by the standard deviation,
 * for each channel.
 *
 * @param mean the mean of each channel, of pixel values scaled to 0 to 1
 * @param std the standard deviation of each channel, of pixel values scaled to 0 to 1; positive
 */
public record Normalization(List<Double> mean, List<Double> std) {

  /**
   * The statistics of ImageNet for red, green and blue, with which published weights were trained.
   */
  public static final Normalization IMAGENET =
      new Normalization(List.of(0.485, 0.456, 0.406), List.of(0.229, 0.224, 0.225));

  /**
   * Checks the numbers.
   *
   * @throws IllegalArgumentException if there is not one mean and one positive deviation for each
   *     channel
   */
  public Normalization {
    mean = List.copyOf(mean);
    std = List.copyOf(std);
    if (mean.isEmpty() || mean.size() != std.size()) {
      throw new SpecException(
          "normalization: expected a mean and a standard deviation for each channel, got "
              + mean
              + " and "
              + std);
    }
    if (!mean.stream().allMatch(Double::isFinite)
        || !std.stream().allMatch(value -> Double.isFinite(value) && value > 0)) {
      throw new SpecException(
          "normalization: expected finite means and positive standard deviations, got "
              + mean
              + " and "
              + std);
    }
  }

  /**
   * Measures all pixels of a data set. The standard deviation is divided by the number of pixels. A
   * channel with a single value gets 1.
   *
   * @param dataset the data set to measure, usually the training set
   * @return the statistics
   * @throws DataException if an image cannot be read
   */
  public static Normalization of(ImageDataset dataset) {
    PixelSums sums = new PixelSums(dataset.channels());
    for (int index = 0; index < dataset.size(); index++) {
      sums.add(dataset.pixels(index));
    }
    return sums.normalization();
  }

  /**
   * Normalises an image.
   *
   * @param pixels {@code [C, H, W]}, unsigned bytes, as returned by {@code Images#read}
   * @return the normalised values, {@code [C, H, W]}
   * @throws IllegalArgumentException if the bytes cannot be divided among the channels
   */
  public float[] apply(byte[] pixels) {
    if (pixels.length % mean.size() != 0) {
      throw new IllegalArgumentException(
          "normalization: " + pixels.length + " bytes for " + mean.size() + " channels");
    }
    float[][] table = table();
    int area = pixels.length / mean.size();
    float[] values = new float[pixels.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = table[i / area][Byte.toUnsignedInt(pixels[i])];
    }
    return values;
  }

  /**
   * Undoes the normalisation of an image or clip of a batch, for people to look at. Values are
   * rounded, and limited to those of a byte.
   *
   * @param values the values of the whole batch
   * @param index the index of the image in the batch
   * @param shape the shape of the batch: {@code [B, C, H, W]} or {@code [B, C, T, H, W]}
   */
  public Image image(float[] values, int index, long[] shape) {
    boolean clip = shape.length == 5;
    int frames = clip ? (int) shape[2] : 0;
    int height = (int) shape[shape.length - 2];
    int width = (int) shape[shape.length - 1];
    int area = Math.max(1, frames) * height * width;
    byte[] pixels = new byte[mean.size() * area];
    for (int i = 0; i < pixels.length; i++) {
      int channel = i / area;
      double value = values[index * pixels.length + i] * std.get(channel) + mean.get(channel);
      pixels[i] = (byte) Math.max(0, Math.min(255, Math.round(255 * value)));
    }
    return new Image(mean.size(), frames, height, width, pixels);
  }

  /** The normalised value of every byte in every channel: [C][256]. */
  public float[][] table() {
    float[][] table = new float[mean.size()][256];
    for (int channel = 0; channel < table.length; channel++) {
      for (int value = 0; value < 256; value++) {
        table[channel][value] = (float) ((value / 255.0 - mean.get(channel)) / std.get(channel));
      }
    }
    return table;
  }
}
