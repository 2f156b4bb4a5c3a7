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

  private interface PixelFunction {
    float of(int channel, int at, int value);
  }

  /** The values are clamped to 0 to 255, and their fractions are cut off, as by a cast to uint8. */
  private static Image map(Image image, PixelFunction function) {
    byte[] pixels = image.pixels();
    byte[] result = new byte[pixels.length];
    int area = image.height() * image.width();
    for (int i = 0; i < pixels.length; i++) {
      float value = function.of(i / area, i % area, Byte.toUnsignedInt(pixels[i]));
      result[i] = (byte) (int) Math.max(0, Math.min(MOST, value));
    }
    return with(image, result);
  }

  private static Image with(Image image, byte[] pixels) {
    return new Image(image.channels(), image.height(), image.width(), pixels);
  }

  private static int value(Image image, int channel, int at) {
    return Byte.toUnsignedInt(image.pixels()[channel * image.height() * image.width() + at]);
  }

  /** Mirrors left and right. */
  public static Image horizontalFlip(Image image) {
    return moved(image, (y, x) -> y * image.width() + image.width() - 1 - x);
  }

  /** Mirrors top and bottom. */
  public static Image verticalFlip(Image image) {
    return moved(image, (y, x) -> (image.height() - 1 - y) * image.width() + x);
  }

  private interface Source {
    int of(int y, int x);
  }

  private static Image moved(Image image, Source source) {
    int width = image.width();
    int area = image.height() * width;
    byte[] result = new byte[image.pixels().length];
    for (int i = 0; i < result.length; i++) {
      int at = i % area;
      result[i] = image.pixels()[i / area * area + source.of(at / width, at % width)];
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

  /** Half of a pixel is rounded to the even number, as in Python. */
  private static int margin(int side, SquareCrop crop) {
    return (int) Math.rint((side - crop.size()) / 2.0);
  }

  private static Image scaled(Image image, int top, int left, Weights rows, Weights columns) {
    int size = rows.first.length;
    int channels = image.channels();
    byte[] result = new byte[channels * size * size];
    int begin = rows.begin();
    int end = rows.end();
    double[] line = new double[end * size];
    for (int channel = 0; channel < channels; channel++) {
      for (int y = begin; y < end; y++) {
        int from = (channel * image.height() + top + y) * image.width() + left;
        for (int x = 0; x < size; x++) {
          double sum = 0;
          for (int k = 0; k < columns.weights[x].length; k++) {
            sum +=
                columns.weights[x][k]
                    * Byte.toUnsignedInt(image.pixels()[from + columns.first[x] + k]);
          }
          line[y * size + x] = sum;
        }
      }
      for (int y = 0; y < size; y++) {
        for (int x = 0; x < size; x++) {
          double sum = 0;
          for (int k = 0; k < rows.weights[y].length; k++) {
            sum += rows.weights[y][k] * line[(rows.first[y] + k) * size + x];
          }
          result[(channel * size + y) * size + x] =
              (byte) (int) Math.rint(Math.max(0, Math.min(MOST, sum)));
        }
      }
    }
    return new Image(channels, size, size, result);
  }

  /** The pixels that a pixel of a scaled side is computed from, with their weights. */
  private static final class Weights {
    final int[] first;
    final double[][] weights;

    /**
     * Computes the weights of some pixels.
     *
     * @param from the length of the side before
     * @param to the length of the side after
     * @param begin the first pixel of the scaled side
     * @param count the number of pixels
     */
    Weights(int from, int to, int begin, int count, Interpolation interpolation) {
      first = new int[count];
      weights = new double[count][];
      double scale = (double) from / to;
      for (int i = 0; i < count; i++) {
        if (interpolation == Interpolation.NEAREST) {
          first[i] = Math.min(from - 1, (int) Math.floor((float) (begin + i) * (float) scale));
          weights[i] = new double[] {1};
          continue;
        }
        double support = Math.max(1, scale);
        double centre = (begin + i + 0.5) * scale;
        first[i] = Math.max(0, (int) (centre - support + 0.5));
        int end = Math.min(from, (int) (centre + support + 0.5));
        weights[i] = new double[end - first[i]];
        double sum = 0;
        for (int k = 0; k < weights[i].length; k++) {
          double distance = Math.abs((first[i] + k - centre + 0.5) / support);
          weights[i][k] = Math.max(0, 1 - distance);
          sum += weights[i][k];
        }
        for (int k = 0; k < weights[i].length; k++) {
          weights[i][k] /= sum;
        }
      }
    }

    /** The first pixel that is needed. */
    int begin() {
      return first[0];
    }

    /** The pixel after the last that is needed. */
    int end() {
      return first[first.length - 1] + weights[weights.length - 1].length;
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
    int height = image.height();
    int width = image.width();
    byte[] result = new byte[image.pixels().length];
    int area = height * width;
    for (int i = 0; i < area; i++) {
      int line = i / width;
      double x = i % width - (width - 1) * 0.5;
      double y = line - (height - 1) * 0.5;
      double column = matrix[0] * x + matrix[1] * y + matrix[2] + (width - 1) * 0.5;
      double row = matrix[3] * x + matrix[4] * y + matrix[5] + (height - 1) * 0.5;
      for (int channel = 0; channel < image.channels(); channel++) {
        result[channel * area + i] =
            (byte) (int) Math.rint(at(image, channel, row, column, interpolation));
      }
    }
    return with(image, result);
  }

  private static double at(
      Image image, int channel, double row, double column, Interpolation interpolation) {
    if (interpolation == Interpolation.NEAREST) {
      return inside(image, channel, (int) Math.rint(row), (int) Math.rint(column));
    }
    int top = (int) Math.floor(row);
    int left = (int) Math.floor(column);
    double down = row - top;
    double right = column - left;
    return (1 - down)
            * ((1 - right) * inside(image, channel, top, left)
                + right * inside(image, channel, top, left + 1))
        + down
            * ((1 - right) * inside(image, channel, top + 1, left)
                + right * inside(image, channel, top + 1, left + 1));
  }

  private static int inside(Image image, int channel, int row, int column) {
    boolean inside = row >= 0 && row < image.height() && column >= 0 && column < image.width();
    return inside ? value(image, channel, row * image.width() + column) : 0;
  }

  /** Multiplies all values. */
  public static Image brightness(Image image, double factor) {
    return map(image, (channel, at, value) -> value * (float) factor);
  }

  /** Moves all values towards the mean of the grey image (0) or away from it (above 1). */
  public static Image contrast(Image image, double factor) {
    double sum = 0;
    int area = image.height() * image.width();
    for (int at = 0; at < area; at++) {
      sum += grey(image, at);
    }
    float mean = (float) (sum / area);
    return map(image, (channel, at, value) -> blend(value, mean, factor));
  }

  /** Moves all values towards their grey (0) or away from it (above 1). */
  public static Image saturation(Image image, double factor) {
    return image.channels() == 1
        ? image
        : map(image, (channel, at, value) -> blend(value, grey(image, at), factor));
  }

  private static float blend(float value, float other, double factor) {
    return value * (float) factor + other * (float) (1 - factor);
  }

  /** The brightness of a pixel in whole numbers. */
  private static float grey(Image image, int at) {
    return image.channels() == 1
        ? value(image, 0, at)
        : (float)
            Math.floor(
                value(image, 0, at) * 0.2989f
                    + 0.587f * value(image, 1, at)
                    + 0.114f * value(image, 2, at));
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
        rgb[channel] = value(image, channel, at) / MOST;
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
    float[][] sectors = {
      {most, t, p}, {q, most, p}, {p, most, t}, {p, q, most}, {t, p, most}, {most, p, q}
    };
    System.arraycopy(sectors[sector % 6], 0, rgb, 0, 3);
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
    return map(
        image,
        (channel, at, value) -> {
          int y = at / width;
          int x = at % width;
          if (y == 0 || x == 0 || y == height - 1 || x == width - 1) {
            return value;
          }
          double sum = 4 * value;
          for (int row = -1; row <= 1; row++) {
            for (int column = -1; column <= 1; column++) {
              sum += value(image, channel, at + row * width + column);
            }
          }
          float blurred = (float) Math.rint(sum / 13);
          return value + (blurred - value) * (float) (1 - factor);
        });
  }

  /** Keeps the highest bits of each value. */
  public static Image posterize(Image image, int bits) {
    int mask = bits >= 8 ? 255 : ((1 << bits) - 1) << (8 - bits);
    return map(image, (channel, at, value) -> value & mask);
  }

  /** Inverts values that are at least the threshold. */
  public static Image solarize(Image image, double threshold) {
    return map(image, (channel, at, value) -> value >= threshold ? MOST - value : value);
  }

  /** Inverts all values. */
  public static Image invert(Image image) {
    return map(image, (channel, at, value) -> MOST - value);
  }

  /** Stretches the values of each channel to 0 to 255. */
  public static Image autocontrast(Image image) {
    int area = image.height() * image.width();
    float[] least = new float[image.channels()];
    float[] scale = new float[image.channels()];
    Arrays.fill(least, MOST);
    float[] most = new float[image.channels()];
    for (int channel = 0; channel < least.length; channel++) {
      for (int at = 0; at < area; at++) {
        least[channel] = Math.min(least[channel], value(image, channel, at));
        most[channel] = Math.max(most[channel], value(image, channel, at));
      }
      boolean flat = least[channel] == most[channel];
      scale[channel] = flat ? 1 : (most[channel] - least[channel]) * (1 / MOST);
      least[channel] = flat ? 0 : least[channel];
    }
    return map(image, (channel, at, value) -> (value - least[channel]) / scale[channel]);
  }

  /** Spreads the values of each channel so that all are about equally frequent. */
  public static Image equalize(Image image) {
    int area = image.height() * image.width();
    int[][] tables = new int[image.channels()][256];
    for (int channel = 0; channel < tables.length; channel++) {
      int[] counts = new int[256];
      int highest = 0;
      for (int at = 0; at < area; at++) {
        int value = value(image, channel, at);
        counts[value]++;
        highest = Math.max(highest, value);
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
    return map(image, (channel, at, value) -> tables[channel][value]);
  }

  /**
   * Fills a rectangle.
   *
   * @param fill the value of each channel, 0 to 255
   */
  public static Image erase(Image image, int top, int left, int height, int width, int... fill) {
    return map(
        image,
        (channel, at, value) -> {
          int y = at / image.width() - top;
          int x = at % image.width() - left;
          return y >= 0 && y < height && x >= 0 && x < width ? fill[channel] : value;
        });
  }
}
