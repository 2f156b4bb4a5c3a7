package io.fovea.data;

/**
 * The random variations of training images, which are new in every epoch.
 *
 * @param padding the number of black pixels that are added around the image before a random crop of
 *     the original size; 0 for no crop
 * @param flip whether images are mirrored left to right with probability 1/2
 * @param spec further changes of images; none for clips
 */
public record Augmentation(int padding, boolean flip, AugmentSpec spec) {
  /** Creates an augmentation without further changes. */
  public Augmentation(int padding, boolean flip) {
    this(padding, flip, AugmentSpec.NONE);
  }

  /** No augmentation. */
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
