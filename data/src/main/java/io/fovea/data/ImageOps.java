package io.fovea.data;

import java.util.Arrays;

/**
 * Operations on 8-bit images {@code [C, H, W]}, each with the arithmetic of torchvision's transforms
 * v2 on tensors of unsigned bytes. All of them return a new image and leave their argument
 * unchanged. They are thread-safe.
 */
public final class ImageOps {
  private static final float MOST = 255;

  private ImageOps() {}

  /** How values between pixels are computed. */
  public enum Interpolation {
    /** The nearest pixel. */
    NEAREST,
    /** Linear between four pixels; images that become smaller are averaged. */
    BILINEAR
  }

  /** The new value of a value of a channel. */
  private interface ValueFunction {
    float of(int channel, int value);
  }

  /** Changes each value by itself, which needs a table of 256 values for each channel. */
  private static Image map(Image image, ValueFunction function) {
    byte[] pixels = image.pixels();
    byte[] result = new byte[pixels.length];
    int area = image.height() * image.width();
    byte[] table = new byte[256];
    for (int channel = 0; channel < image.channels(); channel++) {
      for (int value = 0; value < table.length; value++) {
        table[value] = clamped(function.of(channel, value));
      }
      for (int i = channel * area; i < (channel + 1) * area; i++) {
        result[i] = table[pixels[i] & 0xff];
      }
    }
    return with(image, result);
  }

  /** A value from 0 to 255; its fraction is cut off, as by a cast to uint8. */
  private static byte clamped(float value) {
    return (byte) (int) Math.max(0, Math.min(MOST, value));
  }

  private static Image with(Image image, byte[] pixels) {
    return new Image(image.channels(), image.height(), image.width(), pixels);
  }

  /** Mirrors left and right. */
  public static Image horizontalFlip(Image image) {
    byte[] pixels = image.pixels();
    int width = image.width();
    byte[] result = new byte[pixels.length];
    for (int row = 0; row < pixels.length; row += width) {
      for (int x = 0; x < width; x++) {
        result[row + x] = pixels[row + width - 1 - x];
      }
    }
    return with(image, result);
  }

  /** Mirrors top to bottom. */
  public static Image verticalFlip(Image image) {
    byte[] pixels = image.pixels();
    int width = image.width();
    int area = image.height() * width;
    byte[] result = new byte[pixels.length];
    for (int plane = 0; plane < pixels.length; plane += area) {
      for (int row = 0; row < area; row += width) {
        System.arraycopy(pixels, plane + row, result, plane + area - width - row, width);
      }
    }
    return with(image, result);
  }

  /**
   * Cuts out a rectangle and scales it, with antialiasing if it becomes smaller.
   *
   * @param size the height and width of the result
   */
  public static Image resizedCrop(
      Image image,
      int top,
      int left,
      int height,
      int width,
      int size,
      Interpolation interpolation) {
    Weights rows = new Weights(height, size, 0, size, interpolation);
    Weights columns = new Weights(width, size, 0, size, interpolation);
    return scaled(image, top, left, rows, columns);
  }

  /**
   * Scales the shorter side and cuts out the centred square, as torchvision's {@code Resize} (linear,
   * with antialiasing) and {@code CenterCrop} do.
   */
  public static Image centre(Image image, SquareCrop crop) {
    int height = image.height();
    int width = image.width();
    int shorter = Math.min(height, width);
    int newHeight = (int) ((long) crop.resize() * height / shorter);
    int newWidth = (int) ((long) crop.resize() * width / shorter);
    return scaled(
        image,
        0,
        0,
        new Weights(
            height, newHeight, margin(newHeight, crop), crop.size(), Interpolation.BILINEAR),
        new Weights(width, newWidth, margin(newWidth, crop), crop.size(), Interpolation.BILINEAR));
  }

  /**
   * Scales an image, as torchvision's {@code Resize} (linear, with antialiasing) does.
   *
   * @param height the height of the result, at least 1
   * @param width the width of the result, at least 1
   */
  public static Image resized(Image image, int height, int width) {
    return scaled(
        image,
        0,
        0,
        new Weights(image.height(), height, 0, height, Interpolation.BILINEAR),
        new Weights(image.width(), width, 0, width, Interpolation.BILINEAR));
  }

  /** Half of a pixel is rounded to the even number, as in Python. */
  private static int margin(int side, SquareCrop crop) {
    return (int) Math.rint((side - crop.size()) / 2.0);
  }

  private static Image scaled(Image image, int top, int left, Weights rows, Weights columns) {
    int height = rows.first.length;
    int width = columns.first.length;
    int channels = image.channels();
    byte[] result = new byte[channels * height * width];
    int begin = rows.begin();
    int needed = rows.end() - begin;
    double[] lines = new double[needed * width];
    double[] sums = new double[width];
    for (int channel = 0; channel < channels; channel++) {
      for (int y = 0; y < needed; y++) {
        int from = (channel * image.height() + top + begin + y) * image.width() + left;
        columns.across(image.pixels(), from, lines, y * width);
      }
      for (int y = 0; y < height; y++) {
        rows.down(lines, begin, y, sums);
        int at = (channel * height + y) * width;
        for (int x = 0; x < width; x++) {
          result[at + x] = (byte) (int) Math.rint(sums[x]); // a mean of bytes is one
        }
      }
    }
    return new Image(channels, height, width, result);
  }

  /**
   * The pixels that a pixel of a scaled side is computed from, with their weights. All have the same
   * number of pixels, of which some at the beginning may have the weight 0.
   */
  private static final class Weights {
    final int[] first;
    final int count;
    final double[] weights; // [pixel][count]

    /**
     * Computes the weights of some pixels.
     *
     * @param from the length of the side before
     * @param to the length of the side after
     * @param begin the first pixel of the scaled side
     * @param pixels the number of pixels
     */
    Weights(int from, int to, int begin, int pixels, Interpolation interpolation) {
      first = new int[pixels];
      double[][] own = new double[pixels][];
      double scale = (double) from / to;
      int most = 1;
      for (int i = 0; i < pixels; i++) {
        if (interpolation == Interpolation.NEAREST) {
          first[i] = Math.min(from - 1, (int) Math.floor((float) (begin + i) * (float) scale));
          own[i] = new double[] {1};
        } else {
          double support = Math.max(1, scale);
          double centre = (begin + i + 0.5) * scale;
          first[i] = Math.max(0, (int) (centre - support + 0.5));
          own[i] =
              linear(first[i], Math.min(from, (int) (centre + support + 0.5)), centre, support);
        }
        most = Math.max(most, own[i].length);
      }
      count = most;
      weights = new double[pixels * count];
      for (int i = 0; i < pixels; i++) {
        int zeros = first[i] + count > from ? first[i] + count - from : 0;
        first[i] -= zeros;
        System.arraycopy(own[i], 0, weights, i * count + zeros, own[i].length);
      }
    }

    private static double[] linear(int first, int end, double centre, double support) {
      double[] weights = new double[end - first];
      double sum = 0;
      for (int k = 0; k < weights.length; k++) {
        double distance = Math.abs((first + k - centre + 0.5) / support);
        weights[k] = Math.max(0, 1 - distance);
        sum += weights[k];
      }
      for (int k = 0; k < weights.length; k++) {
        weights[k] /= sum;
      }
      return weights;
    }

    /** Scales a row of bytes. */
    void across(byte[] pixels, int from, double[] line, int at) {
      if (count == 2) { // of an image that becomes larger
        for (int x = 0; x < first.length; x++) {
          int pixel = from + first[x];
          line[at + x] =
              weights[2 * x] * (pixels[pixel] & 0xff)
                  + weights[2 * x + 1] * (pixels[pixel + 1] & 0xff);
        }
        return;
      }
      for (int x = 0; x < first.length; x++) {
        int pixel = from + first[x];
        double sum = 0;
        for (int k = 0; k < count; k++) {
          sum += weights[x * count + k] * (pixels[pixel + k] & 0xff);
        }
        line[at + x] = sum;
      }
    }

    /**
     * Scales columns: computes one row from rows of the same length.
     *
     * @param lines the rows from {@code begin}
     * @param y the row to compute
     */
    void down(double[] lines, int begin, int y, double[] sums) {
      Arrays.fill(sums, 0);
      for (int k = 0; k < count; k++) {
        double weight = weights[y * count + k];
        int at = (first[y] - begin + k) * sums.length;
        for (int x = 0; x < sums.length; x++) {
          sums[x] += weight * lines[at + x];
        }
      }
    }

    /** The first pixel that is needed. */
    int begin() {
      return Arrays.stream(first).min().orElseThrow();
    }

    /** The pixel after the last that is needed. */
    int end() {
      return Arrays.stream(first).max().orElseThrow() + count;
    }
  }

  /**
   * Rotates around the centre, counter-clockwise; what was outside becomes black.
   *
   * @param degrees the angle
   */
  public static Image rotate(Image image, double degrees, Interpolation interpolation) {
    return affine(image, inverse(0, 0, -degrees, 0, 0, 0, 0), interpolation);
  }

  /** Shifts to the right and down by pixels; what was outside becomes black. */
  public static Image translate(Image image, int right, int down, Interpolation interpolation) {
    return affine(image, inverse(0, 0, 0, right, down, 0, 0), interpolation);
  }

  /**
   * Shears from the upper left corner; what was outside becomes black.
   *
   * @param x the horizontal shift for each row, in pixels
   * @param y the vertical shift for each column, in pixels
   */
  public static Image shear(Image image, double x, double y, Interpolation interpolation) {
    return affine(
        image,
        inverse(
            -image.width() * 0.5,
            -image.height() * 0.5,
            0,
            0,
            0,
            Math.toDegrees(Math.atan(x)),
            Math.toDegrees(Math.atan(y))),
        interpolation);
  }

  /** The matrix from positions in the result to positions in the image, from the centre. */
  private static double[] inverse(
      double centreX,
      double centreY,
      double degrees,
      double right,
      double down,
      double shearX,
      double shearY) {
    double angle = Math.toRadians(degrees);
    double sx = Math.toRadians(shearX);
    double sy = Math.toRadians(shearY);
    double a = Math.cos(angle - sy) / Math.cos(sy);
    double b = -Math.cos(angle - sy) * Math.tan(sx) / Math.cos(sy) - Math.sin(angle);
    double c = Math.sin(angle - sy) / Math.cos(sy);
    double d = -Math.sin(angle - sy) * Math.tan(sx) / Math.cos(sy) + Math.cos(angle);
    double x = -centreX - right;
    double y = -centreY - down;
    return new double[] {d, -b, d * x - b * y + centreX, -c, a, -c * x + a * y + centreY};
  }

  private static Image affine(Image image, double[] matrix, Interpolation interpolation) {
    byte[] result = new byte[image.pixels().length];
    int height = image.height();
    int width = image.width();
    for (int line = 0; line < height; line++) {
      double y = line - (height - 1) * 0.5;
      for (int i = 0; i < width; i++) {
        double x = i - (width - 1) * 0.5;
        double column = matrix[0] * x + matrix[1] * y + matrix[2] + (width - 1) * 0.5;
        double row = matrix[3] * x + matrix[4] * y + matrix[5] + (height - 1) * 0.5;
        if (interpolation == Interpolation.NEAREST) {
          nearest(image, (int) Math.rint(row), (int) Math.rint(column), result, line * width + i);
        } else {
          between(image, row, column, result, line * width + i);
        }
      }
    }
    return with(image, result);
  }

  /** Copies a pixel; outside the image it stays black. */
  private static void nearest(Image image, int row, int column, byte[] result, int at) {
    if (row >= 0 && row < image.height() && column >= 0 && column < image.width()) {
      int area = image.height() * image.width();
      int from = row * image.width() + column;
      for (int plane = 0; plane < result.length; plane += area) {
        result[plane + at] = image.pixels()[plane + from];
      }
    }
  }

  private static void between(Image image, double row, double column, byte[] result, int at) {
    int top = (int) Math.floor(row);
    int left = (int) Math.floor(column);
    double down = row - top;
    double right = column - left;
    for (int channel = 0; channel < image.channels(); channel++) {
      double value =
          (1 - down)
                  * ((1 - right) * inside(image, channel, top, left)
                      + right * inside(image, channel, top, left + 1))
              + down
                  * ((1 - right) * inside(image, channel, top + 1, left)
                      + right * inside(image, channel, top + 1, left + 1));
      result[channel * image.height() * image.width() + at] = (byte) (int) Math.rint(value);
    }
  }

  private static int inside(Image image, int channel, int row, int column) {
    boolean inside = row >= 0 && row < image.height() && column >= 0 && column < image.width();
    return inside
        ? image.pixels()[(channel * image.height() + row) * image.width() + column] & 0xff
        : 0;
  }

  /** Multiplies all values. */
  public static Image brightness(Image image, double factor) {
    return map(image, (channel, value) -> value * (float) factor);
  }

  /** Moves all values towards the mean of the grey image (0) or away from it (above 1). */
  public static Image contrast(Image image, double factor) {
    long sum = 0;
    int area = image.height() * image.width();
    for (int at = 0; at < area; at++) {
      sum += grey(image.pixels(), image.channels(), area, at);
    }
    float mean = (float) ((double) sum / area);
    return map(image, (channel, value) -> blend(value, mean, factor));
  }

  /** Moves all values towards their grey (0) or away from it (above 1). */
  public static Image saturation(Image image, double factor) {
    if (image.channels() == 1) {
      return image;
    }
    byte[] pixels = image.pixels();
    byte[] result = new byte[pixels.length];
    int area = image.height() * image.width();
    for (int at = 0; at < area; at++) {
      int grey = grey(pixels, image.channels(), area, at);
      for (int i = at; i < pixels.length; i += area) {
        result[i] = clamped(blend(pixels[i] & 0xff, grey, factor));
      }
    }
    return with(image, result);
  }

  private static float blend(float value, float other, double factor) {
    return value * (float) factor + other * (float) (1 - factor);
  }

  /** The brightness of a pixel in whole numbers. */
  private static int grey(byte[] pixels, int channels, int area, int at) {
    return channels == 1
        ? pixels[at] & 0xff
        : (int)
            ((pixels[at] & 0xff) * 0.2989f
                + 0.587f * (pixels[area + at] & 0xff)
                + 0.114f * (pixels[2 * area + at] & 0xff));
  }

  /**
   * Turns the colours around the colour circle.
   *
   * @param shift -0.5 to 0.5 turns
   */
  public static Image hue(Image image, double shift) {
    if (image.channels() == 1) {
      return image;
    }
    int area = image.height() * image.width();
    byte[] result = new byte[image.pixels().length];
    float[] rgb = new float[3];
    for (int at = 0; at < area; at++) {
      for (int channel = 0; channel < 3; channel++) {
        rgb[channel] = (image.pixels()[channel * area + at] & 0xff) / MOST;
      }
      turn(rgb, (float) shift);
      for (int channel = 0; channel < 3; channel++) {
        result[channel * area + at] = (byte) (int) (rgb[channel] * (256 - 1e-3f));
      }
    }
    return with(image, result);
  }

  private static void turn(float[] rgb, float shift) {
    float most = Math.max(rgb[0], Math.max(rgb[1], rgb[2]));
    float least = Math.min(rgb[0], Math.min(rgb[1], rgb[2]));
    float range = most - least;
    float saturation = most == least ? 0 : range / most;
    float divisor = most == least ? 1 : range;
    float red = (most - rgb[0]) / divisor;
    float green = (most - rgb[1]) / divisor;
    float blue = (most - rgb[2]) / divisor;
    float hue;
    if (most == rgb[0]) {
      hue = blue - green;
    } else if (most == rgb[1]) {
      hue = 2 + red - blue;
    } else {
      hue = 4 + green - red;
    }
    hue = hue / 6 + 1;
    hue = hue - (float) Math.floor(hue);
    hue = hue + shift;
    hue = hue - (float) Math.floor(hue);
    float sixth = hue * 6;
    int sector = (int) Math.floor(sixth);
    float f = sixth - sector;
    float p = unit(most * (1 - saturation));
    float q = unit(most * (1 - saturation * f));
    float t = unit(most * (1 - saturation * (1 - f)));
    switch (sector % 6) {
      case 0 -> set(rgb, most, t, p);
      case 1 -> set(rgb, q, most, p);
      case 2 -> set(rgb, p, most, t);
      case 3 -> set(rgb, p, q, most);
      case 4 -> set(rgb, t, p, most);
      default -> set(rgb, most, p, q);
    }
  }

  private static void set(float[] rgb, float red, float green, float blue) {
    rgb[0] = red;
    rgb[1] = green;
    rgb[2] = blue;
  }

  private static float unit(float value) {
    return Math.max(0, Math.min(1, value));
  }

  /** Moves all values towards their blurred surroundings (0) or away from them (above 1). */
  public static Image sharpness(Image image, double factor) {
    int height = image.height();
    int width = image.width();
    if (height <= 2 || width <= 2) {
      return image;
    }
    byte[] pixels = image.pixels();
    byte[] result = pixels.clone(); // the border stays as it is
    float share = (float) (1 - factor);
    for (int line = 0; line < image.channels() * height; line++) {
      if (line % height == 0 || line % height == height - 1) {
        continue;
      }
      for (int at = line * width + 1; at < (line + 1) * width - 1; at++) {
        int value = pixels[at] & 0xff;
        int sum =
            4 * value + three(pixels, at - width) + three(pixels, at) + three(pixels, at + width);
        float blurred = (float) Math.rint(sum / 13.0);
        result[at] = clamped(value + (blurred - value) * share);
      }
    }
    return with(image, result);
  }

  /** The sum of a value and its two neighbours. */
  private static int three(byte[] pixels, int at) {
    return (pixels[at - 1] & 0xff) + (pixels[at] & 0xff) + (pixels[at + 1] & 0xff);
  }

  /** Keeps the highest bits of each value. */
  public static Image posterize(Image image, int bits) {
    int mask = bits >= 8 ? 255 : ((1 << bits) - 1) << (8 - bits);
    return map(image, (channel, value) -> value & mask);
  }

  /** Inverts values that are at least the threshold. */
  public static Image solarize(Image image, double threshold) {
    return map(image, (channel, value) -> value >= threshold ? MOST - value : value);
  }

  /** Inverts all values. */
  public static Image invert(Image image) {
    return map(image, (channel, value) -> MOST - value);
  }

  /** Stretches the values of each channel to 0 to 255. */
  public static Image autocontrast(Image image) {
    int[][] counts = counts(image);
    float[] least = new float[image.channels()];
    float[] scale = new float[image.channels()];
    for (int channel = 0; channel < least.length; channel++) {
      int low = 0;
      int high = 255;
      while (counts[channel][low] == 0) {
        low++;
      }
      while (counts[channel][high] == 0) {
        high--;
      }
      scale[channel] = low == high ? 1 : (high - low) * (1 / MOST);
      least[channel] = low == high ? 0 : low;
    }
    return map(image, (channel, value) -> (value - least[channel]) / scale[channel]);
  }

  /** How often each channel has each value. */
  private static int[][] counts(Image image) {
    int area = image.height() * image.width();
    int[][] counts = new int[image.channels()][256];
    for (int channel = 0; channel < counts.length; channel++) {
      for (int i = channel * area; i < (channel + 1) * area; i++) {
        counts[channel][image.pixels()[i] & 0xff]++;
      }
    }
    return counts;
  }

  /** Spreads the values of each channel so that all are about equally frequent. */
  public static Image equalize(Image image) {
    int area = image.height() * image.width();
    int[][] all = counts(image);
    int[][] tables = new int[image.channels()][256];
    for (int channel = 0; channel < tables.length; channel++) {
      int[] counts = all[channel];
      int highest = 255;
      while (counts[highest] == 0) {
        highest--;
      }
      int step = (area - counts[highest]) / 255;
      int sum = 0;
      for (int value = 0; value < 256; value++) {
        tables[channel][value] = step == 0 ? value : Math.min(255, (sum + step / 2) / step);
        sum += counts[value];
      }
      if (step > 0) {
        tables[channel][0] = 0;
      }
    }
    return map(image, (channel, value) -> tables[channel][value]);
  }

  /**
   * Fills a rectangle.
   *
   * @param fill the value of each channel, 0 to 255
   */
  public static Image erase(Image image, int top, int left, int height, int width, int... fill) {
    byte[] result = image.pixels().clone();
    int from = Math.max(0, left);
    int to = Math.min(image.width(), left + width);
    for (int channel = 0; channel < image.channels(); channel++) {
      for (int y = Math.max(0, top); y < Math.min(image.height(), top + height); y++) {
        int line = (channel * image.height() + y) * image.width();
        if (from < to) {
          Arrays.fill(result, line + from, line + to, (byte) fill[channel]);
        }
      }
    }
    return with(image, result);
  }
}
