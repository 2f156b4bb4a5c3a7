package io.fovea.explain;

import io.fovea.data.BatchLoader;
import io.fovea.data.Image;
import io.fovea.data.Normalization;
import io.fovea.models.Classifier;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/**
 * What the positions of a clip attend to across all frames, as in figure 3 of the non-local paper.
 * It holds plain values and no native memory.
 *
 * @param modules the attention modules between positions, in their order of computation
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
   * @param name the name of its place, as in {@link io.fovea.models.Network#attentions}
   * @param attention the spec of the module
   * @param affinity what its positions attend to
   * @param effect the effect of the module
   */
  public record Module(String name, String attention, Affinity affinity, Effect effect) {}

  /** Sentences about modules without effect, and about uniform attention. */
  public List<String> remarks() {
    return modules.stream().flatMap(module -> Sentences.of(module).stream()).toList();
  }

  /**
   * Explains a network on a clip.
   *
   * @param network a video network; it computes in evaluation mode, and its mode is restored
   * @param clip the clip, prepared as in training
   * @param normalization the normalisation of the training
   * @param points the points to explain; empty for the positions whose attention differs most from
   *     the average
   * @throws IllegalArgumentException if the shape of the clip is wrong, or a point is outside the
   *     clip
   */
  public static VideoExplanation of(
      Classifier network, Image clip, Normalization normalization, List<Affinity.Point> points) {
    for (Affinity.Point point : points) {
      if (point.frame() >= clip.frames()) {
        throw new IllegalArgumentException(
            point + " is outside a clip of " + clip.frames() + " frames");
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
