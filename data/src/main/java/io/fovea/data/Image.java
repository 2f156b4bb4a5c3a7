package io.fovea.data;

import io.fovea.data.image.Images;

/**
 * An image, or a clip of video, as decoded: plain values, nothing native. Two are equal only if they are
 * the same.
 *
 * @param channels C: 3 for red, green and blue, 1 for grey
 * @param frames T of a clip, 0 for an image
 * @param height H in pixels
 * @param width W in pixels
 * @param pixels {@code [C, H, W]}, of a clip {@code [C, T, H, W]}, each byte unsigned; not copied
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

  /** An image. */
  public Image(int channels, int height, int width, byte[] pixels) {
    this(channels, 0, height, width, pixels);
  }

  /** Its shape: {@code [C, H, W]}, or {@code [C, T, H, W]} of a clip. */
  public long[] shape() {
    return frames == 0
        ? new long[] {channels, height, width}
        : new long[] {channels, frames, height, width};
  }

  /** The side of the largest square in its centre, which is what {@link Images#read} takes of a file. */
  public int side() {
    return Math.min(width, height);
  }

  /** Where that square begins, from the left. */
  public int left() {
    return (width - side()) / 2;
  }

  /** Where that square begins, from the top. */
  public int top() {
    return (height - side()) / 2;
  }
}
