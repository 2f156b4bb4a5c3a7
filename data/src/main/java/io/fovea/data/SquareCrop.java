package io.fovea.data;

import static io.fovea.errors.SpecException.check;

/**
 * How an image of any shape becomes a square: its shorter side is scaled to {@code resize} pixels,
 * and the centred square of {@code size} pixels is cut out. Published weights are evaluated with
 * such a crop, for example 224 of 232 or 224 of 256.
 *
 * @param size the height and width of the square in pixels, at least 1
 * @param resize the length of the shorter side before the crop, at least {@code size}. If they are
 *     equal, the result is the largest centred square.
 */
public record SquareCrop(int size, int resize) {
  /**
   * The part of an image that a network sees, in pixels of the image.
   *
   * @param left the left edge
   * @param top the upper edge
   * @param side the width and height
   */
  public record Square(int left, int top, int side) {}

  /**
   * Checks the sizes.
   *
   * @throws io.fovea.errors.SpecException if the size is less than 1, or more than the shorter side
   */
  public SquareCrop {
    check(size >= 1, "the image size must be at least 1, got " + size);
    check(
        resize >= size,
        "the shorter side must be scaled to at least the image size " + size + ", got " + resize);
  }

  /** The largest centred square, scaled to a size. */
  public static SquareCrop whole(int size) {
    return new SquareCrop(size, size);
  }

  /** Whether the result is the largest centred square. */
  public boolean isWhole() {
    return resize == size;
  }

  /** The square that is cut out of an image. */
  public Square in(int width, int height) {
    int shorter = Math.min(width, height);
    int side = Math.max(1, (int) Math.rint((double) shorter * size / resize));
    return new Square((width - side) / 2, (height - side) / 2, side);
  }
}
