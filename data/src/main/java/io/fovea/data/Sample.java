package io.fovea.data;

/** An image or a clip with its labels: {@link LabelledImage} or {@link MaskedImage}. */
public sealed interface Sample permits LabelledImage, MaskedImage {
  /** The image or the clip. */
  Image image();
}
