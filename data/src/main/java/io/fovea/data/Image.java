package io.fovea.data;

import io.fovea.data.image.Images;

/**
 * A decoded image or video clip. It holds plain values and no native memory. Two objects are equal
 * only if they are identical.
 *
 * @param channels the number of channels C: 3 for red, green and blue, 1 for greyscale
 * @param frames the number of frames T of a clip, or 0 for an image
 * @param height the height H in pixels
 * @param width the width W in pixels
 * @param pixels {@code [C, H, W]}, for a clip {@code [C, T, H, W]}, unsigned bytes; the array is
 *     not copied
 */
public record Image(int channels, int frames, int height, int width, byte[] pixels) {
  /**
   * Checks the sizes.
   *
   * @throws IllegalArgumentException if the pixels are not {@code C x T x H x W}
   */
  public Image {
    long expected = (long) channels * Math.max(1, frames) * height * width;
    if (channels < 1 || frames < 0 || height < 1 || width < 1 || pixels.length != expected) {
      throw new IllegalArgumentException(
          String.format(
              "image: expected %d x %s%d x %d bytes, got %d",
              channels, frames == 0 ? "" : frames + " x ", height, width, pixels.length));
    }
  }

  /** Creates an image. */
  public Image(int channels, int height, int width, byte[] pixels) {
    this(channels, 0, height, width, pixels);
  }

  /** The shape: {@code [C, H, W]}, or {@code [C, T, H, W]} for a clip. */
  public long[] shape() {
    return frames == 0
        ? new long[] {channels, height, width}
        : new long[] {channels, frames, height, width};
  }

  /**
   * Copies a rectangle of an image.
   *
   * @param fromRow its first row
   * @param fromColumn its first column
   * @param rows its height
   * @param columns its width
   * @throws IllegalArgumentException if this is a clip, or the rectangle is not inside the image
   */
  public Image cropped(int fromRow, int fromColumn, int rows, int columns) {
    if (frames != 0
        || fromRow < 0
        || fromColumn < 0
        || fromRow + rows > height
        || fromColumn + columns > width) {
      throw new IllegalArgumentException(
          String.format(
              "cropped: expected a rectangle inside an image of %d x %d, got %d x %d at row %d, column %d",
              height, width, rows, columns, fromRow, fromColumn));
    }
    byte[] part = new byte[channels * rows * columns];
    for (int channel = 0; channel < channels; channel++) {
      for (int row = 0; row < rows; row++) {
        System.arraycopy(
            pixels,
            (channel * height + fromRow + row) * width + fromColumn,
            part,
            (channel * rows + row) * columns,
            columns);
      }
    }
    return new Image(channels, rows, columns, part);
  }

  /** The side of the largest centred square, which {@link Images#read} takes from a file. */
  public int side() {
    return Math.min(width, height);
  }

  /** The left edge of that square. */
  public int left() {
    return (width - side()) / 2;
  }

  /** The upper edge of that square. */
  public int top() {
    return (height - side()) / 2;
  }
}
