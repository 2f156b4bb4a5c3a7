package io.fovea.training.evaluate;

import io.fovea.data.MaskedImage;
import java.util.List;
import java.util.Optional;

/**
 * What a network makes of an image or a video.
 *
 * @param ranked the classes, the most probable first: of the image, of the whole video, or by their share of
 *     the pixels (those that have one)
 * @param moments the parts of a video; empty for images
 * @param mask the image with the most probable class of each pixel, where the network names these
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

  /** Of a video: the mean of its parts. */
  public static Predictions over(List<ClipPrediction> moments, List<String> classes) {
    return new Predictions(ClipPrediction.mean(moments, classes), moments, Optional.empty());
  }

  /** Of pixels. */
  public static Predictions masked(List<Prediction> ranked, MaskedImage mask) {
    return new Predictions(ranked, List.of(), Optional.of(mask));
  }

  /** The most probable class. */
  public Prediction best() {
    return ranked.get(0);
  }
}
