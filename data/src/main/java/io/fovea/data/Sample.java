package io.fovea.data;

/** An image, or a clip, with what is known of it: {@link LabelledImage} or {@link MaskedImage}. */
public sealed interface Sample permits LabelledImage, MaskedImage {
  /** The image or clip. */
  Image image();
}
