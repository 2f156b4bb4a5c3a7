package io.fovea.explain;

import io.fovea.training.run.Run;
import java.util.List;

/**
 * What a page says of the network that it explains.
 *
 * @param name what it is called
 * @param backbone its backbone
 * @param attention its attention, {@code none} if it has none
 * @param channels of its images, 1 or 3
 * @param imageSize the sides of its images
 * @param classes that it knows, by their numbers
 */
public record NetworkFacts(
    String name,
    String backbone,
    String attention,
    int channels,
    int imageSize,
    List<String> classes) {
  /** Copies the list. */
  public NetworkFacts {
    classes = List.copyOf(classes);
  }

  /** Those of a run, called as its folder. */
  public static NetworkFacts of(Run<?, ?> run) {
    return new NetworkFacts(
        run.name(),
        run.config().model().backbone(),
        run.config().model().attention(),
        run.config().model().channels(),
        run.preprocessing().size(),
        run.preprocessing().classes());
  }
}
