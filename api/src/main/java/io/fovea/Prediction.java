package io.fovea;

import io.fovea.training.evaluate.ClipPrediction;
import io.fovea.training.evaluate.Predictions;
import io.fovea.training.run.Json;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * What a network predicts for an image or a video.
 *
 * <p>Immutable and thread-safe.
 *
 * @param ranked the classes, the most probable first: all classes for an image or a whole video; for
 *     a segmentation network the classes that occur in the mask, with their shares of the pixels
 * @param moments the predictions for the parts of a video, in their order; empty for images
 * @param mask the class of each pixel, from a segmentation network
 */
public record Prediction(List<Scored> ranked, List<Moment> moments, Optional<Mask> mask) {
  /**
   * A class and its probability.
   *
   * @param name the name of the class
   * @param probability the softmax of the scores, 0 to 1; the share of the pixels for a mask
   */
  public record Scored(String name, double probability) {
    private static List<Scored> of(List<io.fovea.training.evaluate.Prediction> predictions) {
      return predictions.stream().map(p -> new Scored(p.name(), p.probability())).toList();
    }

    /** The name and the probability in percent. */
    @Override
    public String toString() {
      return String.format(Locale.ROOT, "%s, %.1f %%", name, 100 * probability);
    }
  }

  /**
   * The prediction for a part of a video.
   *
   * @param firstFrame the first frame of the part, counted from 0
   * @param lastFrame the last frame of the part
   * @param from when it begins in seconds; NaN if the frames have no times
   * @param to when it ends in seconds; NaN if the frames have no times
   * @param ranked all classes, the most probable first
   */
  public record Moment(int firstFrame, int lastFrame, double from, double to, List<Scored> ranked) {
    private static Moment of(ClipPrediction clip) {
      return new Moment(
          clip.first(), clip.last(), clip.from(), clip.to(), Scored.of(clip.predictions()));
    }

    /** Copies the list. */
    public Moment {
      ranked = List.copyOf(ranked);
    }
  }

  static Prediction of(Predictions predictions, List<String> classes) {
    return new Prediction(
        Scored.of(predictions.ranked()),
        predictions.moments().stream().map(Moment::of).toList(),
        predictions.mask().map(mask -> new Mask(mask, classes)));
  }

  /** Copies the lists. */
  public Prediction {
    ranked = List.copyOf(ranked);
    moments = List.copyOf(moments);
  }

  /** The most probable class; of a mask the largest. */
  public Scored best() {
    return ranked.get(0);
  }

  /**
   * The most probable classes.
   *
   * @param count how many; all of them if there are fewer
   */
  public List<Scored> top(int count) {
    return ranked.subList(0, Math.min(count, ranked.size()));
  }

  /** The prediction as JSON, in one line: {@code ranked}, and {@code moments} of a video. */
  public String json() {
    Map<String, Object> values = new LinkedHashMap<>();
    values.put("ranked", ranked);
    if (!moments.isEmpty()) {
      values.put("moments", moments);
    }
    return Json.line(values);
  }

  /** The most probable class. */
  @Override
  public String toString() {
    return best().toString();
  }
}
