package io.fovea.explain;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Sentences about attention without effect or choice, for the terminal, the pages and the pictures.
 */
final class Sentences {
  static final String CHANNELS_ALIKE = "all channel gates are nearly equal";
  static final String POSITIONS_ALIKE = "all spatial gates are nearly equal";
  static final String POSITIONS_EVEN = "every position attends to all positions equally";
  static final String CHANNELS_EVEN = "every channel attends to all channels equally";

  private Sentences() {}

  /**
   * The predicate of a sentence about a module without effect; the caller adds the subject.
   *
   * @param what the kind of input, "image" or "clip"
   */
  static Optional<String> noEffect(Effect effect, String what) {
    return effect.isNone()
        ? Optional.of(
            String.format(
                Locale.ROOT,
                "has no effect on this %s: output = %.2f x input",
                what,
                effect.scale()))
        : Optional.empty();
  }

  /** All sentences about a module, with its name. */
  static List<String> of(Explanation.Module module) {
    List<String> said = new ArrayList<>();
    noEffect(module.effect(), "image").ifPresent(one -> said.add(module.name() + " " + one));
    labels(module).forEach(label -> said.add(module.name() + ": " + label));
    return said;
  }

  private static List<String> labels(Explanation.Module module) {
    List<String> labels = new ArrayList<>();
    if (module.channel().isPresent() && module.channel().get().statistics().isFlat()) {
      labels.add(CHANNELS_ALIKE);
    }
    if (module.spatial().isPresent() && module.spatial().get().statistics().isFlat()) {
      labels.add(POSITIONS_ALIKE);
    }
    if (module.affinity().isPresent() && module.affinity().get().isEven()) {
      labels.add(POSITIONS_EVEN);
    }
    if (module.channelAffinity().isPresent() && module.channelAffinity().get().isEven()) {
      labels.add(CHANNELS_EVEN);
    }
    return labels;
  }

  /** The same for a clip. */
  static List<String> of(VideoExplanation.Module module) {
    List<String> said = new ArrayList<>();
    noEffect(module.effect(), "clip").ifPresent(one -> said.add(module.name() + " " + one));
    if (module.affinity().isEven()) {
      said.add(module.name() + ": " + POSITIONS_EVEN);
    }
    return said;
  }
}
