package io.fovea;

import io.fovea.training.run.Json;
import java.util.List;
import java.util.Locale;

/**
 * What a network predicts for an image.
 *
 * @param ranked all classes, the most probable first
 */
public record Prediction(List<Scored> ranked) {
  /**
   * A class and its probability.
   *
   * @param name the name of the class
   * @param probability the softmax of the scores, 0 to 1
   */
  public record Scored(String name, double probability) {
    /** The name and the probability in percent. */
    @Override
    public String toString() {
      return String.format(Locale.ROOT, "%s, %.1f %%", name, 100 * probability);
    }
  }

  /** Copies the list. */
  public Prediction {
    ranked = List.copyOf(ranked);
  }

  /** The most probable class. */
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

  /** The prediction as JSON, in one line. */
  public String json() {
    return Json.line(this);
  }

  /** The most probable class. */
  @Override
  public String toString() {
    return best().toString();
  }
}
