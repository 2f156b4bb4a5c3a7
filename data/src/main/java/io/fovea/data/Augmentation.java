package io.fovea.data;

/**
 * How training images are varied, each anew in every epoch.
 *
 * @param padding so many black pixels are set around the image, and a random part of the original
 *     size is cut out; 0 for no crop
 * @param flip whether every other image, at random, is mirrored left to right
 */
public record Augmentation(int padding, boolean flip) {

  /** Images as they are. */
  public static final Augmentation NONE = new Augmentation(0, false);

  /**
   * Checks the padding.
   *
   * @throws IllegalArgumentException if the padding is negative
   */
  public Augmentation {
    if (padding < 0) {
      throw new IllegalArgumentException(
          "augmentation: expected a padding of at least 0, got " + padding);
    }
  }
}
