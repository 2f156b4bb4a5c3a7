package io.fovea.data.source;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.fovea.data.DataException;
import io.fovea.data.Image;
import io.fovea.data.Normalization;
import io.fovea.data.SquareCrop;
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
 * @param resize the length to which the shorter side is scaled before the centred square is cut
 *     out; 0 for the largest square
 */
public record Preprocessing(
    List<String> classes,
    int channels,
    int size,
    Normalization normalization,
    @JsonInclude(JsonInclude.Include.NON_NULL) Sampling sampling,
    @JsonInclude(JsonInclude.Include.NON_DEFAULT) int resize) {
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
        || (resize != 0 && (resize < size || size == 0 || resize > LARGEST_SIDE))
        || normalization.mean().size() != channels) {
      throw new SpecException(
          "inconsistent preprocessing: "
              + channels
              + " channels, image size "
              + size
              + (resize == 0 ? "" : " of " + resize)
              + ", mean "
              + normalization.mean()
              + ", "
              + classes.size()
              + " classes");
    }
  }

  /** Creates the preprocessing for images. */
  public Preprocessing(List<String> classes, int channels, int size, Normalization normalization) {
    this(classes, channels, size, normalization, null, 0);
  }

  /** Returns the same with another length of the shorter side before the crop; 0 for none. */
  public Preprocessing withResize(int other) {
    return new Preprocessing(classes, channels, size, normalization, sampling, other);
  }

  /**
   * How an image becomes the network's square input.
   *
   * @throws SpecException if the network accepts images of any size
   */
  public SquareCrop crop() {
    return new SquareCrop(size, resize == 0 ? size : resize);
  }

  /**
   * Reads an image and prepares it for the network.
   *
   * @throws DataException as {@link Images#read(Path, int, int)}
   */
  public Image read(Path file) {
    return size == 0 ? Images.readWhole(file, channels) : Images.read(file, channels, crop());
  }

  /**
   * Reads an image from the content of a file and prepares it for the network.
   *
   * @param maxPixels the largest number of pixels
   * @throws DataException as {@link Images#decode(byte[], int, SquareCrop, long)}
   */
  public Image decode(byte[] content, long maxPixels) {
    return size == 0
        ? Images.decodeWhole(content, channels, maxPixels)
        : Images.decode(content, channels, crop(), maxPixels);
  }

  /**
   * Reads a file once, for display and for the network.
   *
   * @throws DataException as {@link Images#read(Path, int, int)}
   */
  public Images.Viewed view(Path file) {
    return size == 0 ? Images.viewWhole(file, channels) : Images.view(file, channels, crop());
  }
}
