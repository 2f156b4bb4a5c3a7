package io.fovea.data.source;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.fovea.data.DataException;
import io.fovea.data.Image;
import io.fovea.data.Normalization;
import io.fovea.data.image.Images;
import io.fovea.data.video.Sampling;
import io.fovea.errors.SpecException;
import java.nio.file.Path;
import java.util.List;

/**
 * What has to be known to use a trained network: how files become what it takes, and what its scores are
 * of.
 *
 * @param classes the names of the classes, in the order of the scores
 * @param channels of the images: 3 for red, green and blue, 1 for grey
 * @param size the side of the square of an image that it sees, in pixels; 0 if it takes images of any size
 * @param normalization of the pixels
 * @param sampling which frames of a video it sees; null for images
 */
public record Preprocessing(
    List<String> classes,
    int channels,
    int size,
    Normalization normalization,
    @JsonInclude(JsonInclude.Include.NON_NULL) Sampling sampling) {
  private static final int LARGEST_SIDE = 8192; // a file must not make its reader run out of memory

  /**
   * Checks the values.
   *
   * @throws SpecException if they do not fit together
   */
  public Preprocessing {
    classes = List.copyOf(classes);
    if (classes.isEmpty()
        || (channels != 1 && channels != 3)
        || size < 0
        || size > LARGEST_SIDE
        || normalization.mean().size() != channels) {
      throw new SpecException(
          "preprocessing does not fit together: "
              + channels
              + " channels, image size "
              + size
              + ", mean "
              + normalization.mean()
              + ", "
              + classes.size()
              + " classes");
    }
  }

  /** Of images. */
  public Preprocessing(List<String> classes, int channels, int size, Normalization normalization) {
    this(classes, channels, size, normalization, null);
  }

  /**
   * Reads an image as the network sees it.
   *
   * @throws DataException as {@link Images#read}
   */
  public Image read(Path file) {
    return size == 0 ? Images.readWhole(file, channels) : Images.read(file, channels, size);
  }
}
