package io.fovea.training;

import io.fovea.data.MaskedImage;
import io.fovea.data.Normalization;
import io.fovea.data.SampleSource;
import io.fovea.data.SegmentationDataset;
import java.util.Arrays;
import java.util.Random;

/**
 * Random crops of randomly scaled and mirrored images. Pixels are interpolated bilinearly and
 * labels are taken from the nearest pixel, at {@code (i + 0.5) / scale - 0.5}. Nothing larger than
 * the crop is allocated.
 */
record SegmentationSamples(
    SegmentationDataset data, float[][] table, SegmentationExtras spec, boolean flipped)
    implements SampleSource {

  SegmentationSamples(
      SegmentationDataset data,
      Normalization normalization,
      SegmentationExtras spec,
      boolean flipped) {
    this(data, normalization.table(), spec, flipped);
  }

  @Override
  public int size() {
    return data.size();
  }

  @Override
  public long[] inputShape() {
    return new long[] {data.channels(), spec.cropSize(), spec.cropSize()};
  }

  @Override
  public long[] labelShape() {
    return new long[] {spec.cropSize(), spec.cropSize()};
  }

  @Override
  public void read(int index, Random random, float[] input, long[] label) {
    double scale = spec.minScale() + random.nextDouble() * (spec.maxScale() - spec.minScale());
    double down = random.nextDouble();
    double right = random.nextDouble();
    boolean flip = flipped && random.nextBoolean();
    MaskedImage image = data.sample(index);
    int height = Math.max(1, (int) Math.round(image.height() * scale));
    int width = Math.max(1, (int) Math.round(image.width() * scale));
    int top = offset(height, down);
    int left = offset(width, right);
    crop(image, height, width, top, left, flip, input, label);
  }

  /**
   * The start of the crop along a side. For smaller sides it is 0, and the crop is filled up after
   * the end of the image.
   */
  private int offset(int side, double share) {
    return (int) (share * (Math.max(0, side - spec.cropSize()) + 1));
  }

  /**
   * Crops a square from a scaled image.
   *
   * @param height the height of the scaled image
   * @param width the width of the scaled image
   * @param top the upper edge of the crop in the scaled image
   * @param left the left edge of the crop in the scaled image
   * @param flip whether the crop is mirrored
   */
  void crop(
      MaskedImage image,
      int height,
      int width,
      int top,
      int left,
      boolean flip,
      float[] input,
      long[] label) {
    int side = spec.cropSize();
    Axis rows = new Axis(image.height(), height, top, side);
    Axis columns = new Axis(image.width(), width, left, side);
    Arrays.fill(label, MaskedImage.IGNORED);
    Arrays.fill(input, 0); // the mean colour
    int plane = image.height() * image.width();
    byte[] pixels = image.image().pixels();
    for (int y = 0; y < rows.inside; y++) {
      for (int x = 0; x < columns.inside; x++) {
        int at = y * side + (flip ? side - 1 - x : x);
        label[at] = image.label(rows.nearest[y], columns.nearest[x]);
        for (int channel = 0; channel < table.length; channel++) {
          float[] values = table[channel];
          int upper = channel * plane + rows.low[y] * image.width();
          int lower = channel * plane + rows.high[y] * image.width();
          float above =
              mixed(
                  values[pixels[upper + columns.low[x]] & 255],
                  values[pixels[upper + columns.high[x]] & 255],
                  columns.share[x]);
          float below =
              mixed(
                  values[pixels[lower + columns.low[x]] & 255],
                  values[pixels[lower + columns.high[x]] & 255],
                  columns.share[x]);
          input[channel * side * side + at] = mixed(above, below, rows.share[y]);
        }
      }
    }
  }

  private static float mixed(float a, float b, float share) {
    return a + (b - a) * share;
  }

  /** The source positions of the pixels of a crop along one side. */
  private static final class Axis {
    final int inside;
    final int[] low;
    final int[] high;
    final int[] nearest;
    final float[] share;

    Axis(int source, int scaled, int offset, int side) {
      inside = Math.min(side, scaled - offset);
      low = new int[inside];
      high = new int[inside];
      nearest = new int[inside];
      share = new float[inside];
      double step = (double) source / scaled;
      for (int i = 0; i < inside; i++) {
        double at = (offset + i + 0.5) * step - 0.5;
        double clamped = Math.max(0, Math.min(source - 1, at));
        low[i] = (int) clamped;
        high[i] = Math.min(source - 1, low[i] + 1);
        share[i] = (float) (clamped - low[i]);
        nearest[i] =
            (int) ((2L * (offset + i) + 1) * source / (2L * scaled)); // exactly between two pixels
      }
    }
  }
}
