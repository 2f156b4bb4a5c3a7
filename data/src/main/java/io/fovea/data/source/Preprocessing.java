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
 * The information that is needed to use a trained network: how files are converted to its input,
 * and the classes of its scores.
 *
 * @param classes the names of the classes, in the order of the scores
 * @param channels the number of channels of the images: 3 for red, green and blue, 1 for greyscale
 * @param size the side of the network's square input in pixels; 0 if it accepts images of any size
 * @param normalization the normalisation of the pixels
 * @param sampling the sampling of videos, or null for images
 */
public record Preprocessing(
    List<String> classes,
    int channels,
    int size,
    Normalization normalization,
    @JsonInclude(JsonInclude.Include.NON_NULL) Sampling sampling) {
  private static final int LARGEST_SIDE = 8192; // a file must not exhaust the memory of its reader

  /**
   * Checks the values.
   *
   * @throws SpecException if they are inconsistent
   */
  public Preprocessing {
    classes = List.copyOf(classes);
    if (classes.isEmpty()
        || (channels != 1 && channels != 3)
        || size < 0
        || size > LARGEST_SIDE
        || normalization.mean().size() != channels) {
      throw new SpecException(
          "inconsistent preprocessing: "
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

  /** Creates the preprocessing for images. */
  public Preprocessing(List<String> classes, int channels, int size, Normalization normalization) {
    this(classes, channels, size, normalization, null);
  }

  /**
   * Reads an image and prepares it for the network.
   *
   * @throws DataException as {@link Images#read}
   */
  public Image read(Path file) {
    return size == 0 ? Images.readWhole(file, channels) : Images.read(file, channels, size);
  }
}
