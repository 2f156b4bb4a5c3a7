package io.fovea.app.cli;

import io.fovea.models.Classifier;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.placement.Placement;
import io.fovea.training.Task;
import java.util.List;
import picocli.CommandLine.Option;

/** The options that say where attention goes that does not say it itself. */
final class PlacementOptions {
  @ForTask({Task.CLASSIFICATION, Task.VIDEO})
  @Option(
      names = "--placement",
      paramLabel = "WHERE",
      description =
          "standard (in each block before the addition), pre, post, identity, stage, head,"
              + " after:3.1,3.3 (stage 3, blocks 1 and 3) or after:every-other. Default: paper, where"
              + " the mechanism's paper puts it.")
  private String placement;

  @ForTask({Task.CLASSIFICATION, Task.VIDEO})
  @Option(
      names = "--stages",
      paramLabel = "N",
      split = ",",
      description =
          "Put attention into these stages only, counted from 1. Default: all that the"
              + " placement has.")
  private List<Integer> stages = List.of();

  /** Attention as text with the placement it gets. */
  String apply(String attention) {
    List<PlacedAttention> all = PlacedAttention.parseAll(attention);
    Placement given = placement == null ? null : Placement.parse(placement);
    int[] limits = stages.stream().mapToInt(Integer::intValue).toArray();
    List<PlacedAttention> placed = PlacedAttention.withDefaults(all, given, limits);
    if (!all.isEmpty() && placed.equals(all) && (limits.length > 0 || isElsewhere(given))) {
      throw new IllegalArgumentException(
          (limits.length > 0 ? "--stages" : "--placement")
              + " has no effect on \""
              + attention
              + "\", which says where it goes");
    }
    return PlacedAttention.text(placed);
  }

  private static boolean isElsewhere(Placement given) {
    return given != null && !given.equals(Placement.paper());
  }

  /** Attention as text with the placement it gets; of nothing given, what the backbone comes with. */
  String apply(String given, Classifier.Builder<?> backbone) {
    String attention =
        given != null
            ? given
            : backbone.ownAttention().map(Object::toString).orElse(PlacedAttention.NONE);
    if (attention.strip().equals(PlacedAttention.NONE)) {
      requireNothing();
    }
    return apply(attention);
  }

  /** Refuses the options where there is no attention to place. */
  void requireNothing() {
    if (placement != null || !stages.isEmpty()) {
      throw new IllegalArgumentException("--placement and --stages need --attention");
    }
  }
}
