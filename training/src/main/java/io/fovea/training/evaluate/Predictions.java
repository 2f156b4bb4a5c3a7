package io.fovea.training.evaluate;

import io.fovea.data.MaskedImage;
import java.util.List;
import java.util.Optional;

/**
 * The predictions of a network for an image or a video.
 *
 * @param ranked the classes, the most probable first: for the image, for the whole video, or, for
 *     pixels, the classes that occur, sorted by their share
 * @param moments the predictions for the parts of a video; empty for images
 * @param mask the image with the most probable class of each pixel, for segmentation networks
 */
public record Predictions(
    List<Prediction> ranked, List<ClipPrediction> moments, Optional<MaskedImage> mask) {
  /** Copies the lists. */
  public Predictions {
    ranked = List.copyOf(ranked);
    moments = List.copyOf(moments);
  }

  /** Of an image. */
  public static Predictions of(List<Prediction> ranked) {
    return new Predictions(ranked, List.of(), Optional.empty());
  }

  /** Creates the predictions for a video, which are the mean over its parts. */
  public static Predictions over(List<ClipPrediction> moments, List<String> classes) {
    return new Predictions(ClipPrediction.mean(moments, classes), moments, Optional.empty());
  }

  /** Creates the predictions for pixels. */
  public static Predictions masked(List<Prediction> ranked, MaskedImage mask) {
    return new Predictions(ranked, List.of(), Optional.of(mask));
  }

  /** The most probable class. */
  public Prediction best() {
    return ranked.get(0);
  }
}
