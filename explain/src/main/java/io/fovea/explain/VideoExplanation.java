package io.fovea.explain;

import io.fovea.attention.AttentionSpec;
import io.fovea.data.BatchLoader;
import io.fovea.data.Image;
import io.fovea.data.Normalization;
import io.fovea.models.Classifier;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/**
 * What the positions of a clip attend to, across all frames: figure 3 of the non-local paper. Plain values,
 * nothing native.
 *
 * @param modules the attention modules that compare positions, in the order in which they compute
 */
public record VideoExplanation(List<Module> modules) {
  private static final int MOST_ROWS = 1024;
  private static final int MOST_VALUES = 700_000; // a page holds them
  private static final int TELLING = 3;

  /** Copies the list. */
  public VideoExplanation {
    modules = List.copyOf(modules);
  }

  /**
   * What one attention module does.
   *
   * @param name the place it stands in, as in {@link io.fovea.models.Network#attentions}
   * @param attention what it is
   * @param affinity what its positions attend to
   * @param effect how much it does
   */
  public record Module(String name, AttentionSpec attention, Affinity affinity, Effect effect) {}

  /** What is to be said in words: which modules have no effect, or attend without a choice. */
  public List<String> remarks() {
    return modules.stream().flatMap(module -> Sentences.of(module).stream()).toList();
  }

  /**
   * Looks into a network.
   *
   * @param network for video; computes in evaluation mode, and is left as it was
   * @param clip as in training
   * @param normalization as in training
   * @param points what they attend to is wanted; none for the most telling positions
   * @throws IllegalArgumentException if the clip has another shape, or a point is not in it
   */
  public static VideoExplanation of(
      Classifier network, Image clip, Normalization normalization, List<Affinity.Point> points) {
    for (Affinity.Point point : points) {
      if (point.frame() >= clip.frames()) {
        throw new IllegalArgumentException(
            point + " is not in a clip of " + clip.frames() + " frames");
      }
    }
    Affinity.Wanted wanted =
        new Affinity.Wanted(points, clip.frames(), TELLING, MOST_ROWS, MOST_VALUES);
    List<Module> modules = new ArrayList<>();
    try (PointerScope scope = new PointerScope()) {
      Tensor x = BatchLoader.toTensor(clip, normalization);
      AttentionTrace.of(
          network,
          look -> {
            if (look.maps().hasAffinity()) {
              modules.add(
                  new Module(
                      look.name(),
                      look.attention(),
                      Affinity.of(look.maps(), wanted),
                      look.effect()));
            }
          },
          () -> network.forward(x));
    }
    return new VideoExplanation(modules);
  }
}
