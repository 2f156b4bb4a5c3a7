package io.fovea.app.cli;

import io.fovea.errors.FoveaException;
import io.fovea.models.NetworkSpec;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.placement.Placement;
import java.util.List;
import picocli.CommandLine.Option;

/** The options for the place of attention whose spec names none. */
@ForTask({"classification", "video"})
final class PlacementOptions {
  static final String HEADING = "%nPlace of attention whose spec names none:%n";

  @Option(
      names = "--placement",
      paramLabel = "WHERE",
      description =
          "standard (in each block before the addition), pre, post, identity, conv (in place of"
              + " a 3x3 convolution), stage, head, after:3.1,3.3 (after blocks 1 and 3 of stage 3)"
              + " or after:every-other. Default: paper, the place in the mechanism's paper.")
  private String placement;

  @Option(
      names = "--stages",
      paramLabel = "N",
      split = ",",
      description = "Restrict attention to these stages (first = 1). Default: all.")
  private List<Integer> stages = List.of();

  /** Adds the placement to the text of an attention. */
  String apply(String attention) {
    if (placement == null && stages.isEmpty()) {
      return attention; // of any kind of network, which checks it
    }
    List<PlacedAttention> all = PlacedAttention.parseAll(attention);
    Placement given = placement == null ? null : Placement.parse(placement);
    int[] limits = stages.stream().mapToInt(Integer::intValue).toArray();
    List<PlacedAttention> placed = PlacedAttention.withDefaults(all, given, limits);
    if (!all.isEmpty() && placed.equals(all) && (limits.length > 0 || isElsewhere(given))) {
      throw new FoveaException(
          (limits.length > 0 ? "--stages" : "--placement")
              + " has no effect on \""
              + attention
              + "\", which names its place already");
    }
    return PlacedAttention.text(placed);
  }

  private static boolean isElsewhere(Placement given) {
    return given != null && !given.equals(Placement.paper());
  }

  /**
   * The attention of a network in its shortest form, with its placement.
   *
   * @throws FoveaException if there is no attention, but a placement was given
   */
  String placed(String attention, NetworkSpec<?> network) {
    if (attention.strip().equals(PlacedAttention.NONE)) {
      requireNothing();
    }
    return network.named(apply(attention));
  }

  /** Refuses the options if there is no attention to place. */
  void requireNothing() {
    if (placement != null || !stages.isEmpty()) {
      throw new FoveaException("--placement and --stages need --attention");
    }
  }
}
