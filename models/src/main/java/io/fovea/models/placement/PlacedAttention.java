package io.fovea.models.placement;

import io.fovea.attention.AttentionSpec;
import io.fovea.errors.SpecException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;

/**
 * An attention mechanism with its placement, as a value and as text: {@code "se"}, {@code
 * "se@pre"}, and several separated by semicolons, {@code "se@standard; nonlocal@after:3.4"}.
 *
 * <p>Immutable and thread-safe.
 *
 * @param attention the spec of the mechanism
 * @param placement the placement
 */
public record PlacedAttention(AttentionSpec attention, Placement placement) {
  /** The text for no attention. */
  public static final String NONE = "none";

  /** Checks that both are not null. */
  public PlacedAttention {
    Objects.requireNonNull(attention, "attention");
    Objects.requireNonNull(placement, "placement");
  }

  /**
   * Parses one or several mechanisms, or {@code none}.
   *
   * @throws SpecException if a mechanism, an option or a placement is unknown, or one of several
   *     occurs twice
   */
  public static List<PlacedAttention> parseAll(String text) {
    Objects.requireNonNull(text, "text");
    if (text.strip().equals(NONE)) {
      return List.of();
    }
    LinkedHashSet<PlacedAttention> all = new LinkedHashSet<>();
    for (String item : text.split(";", -1)) {
      int at = item.indexOf('@');
      PlacedAttention placed =
          at < 0
              ? new PlacedAttention(AttentionSpec.parse(item), Placement.paper())
              : new PlacedAttention(
                  AttentionSpec.parse(item.substring(0, at)),
                  Placement.parse(item.substring(at + 1)));
      if (!all.add(placed)) {
        throw new SpecException("\"" + placed + "\" occurs twice in \"" + text + "\"");
      }
    }
    return List.copyOf(all);
  }

  /** Formats all of them as text for {@link #parseAll}; {@code none} if the list is empty. */
  public static String text(List<PlacedAttention> all) {
    return all.isEmpty()
        ? NONE
        : all.stream().map(PlacedAttention::toString).collect(Collectors.joining("; "));
  }

  /** Converts an attention's text to a unique file name that needs no quoting on any system. */
  public static String fileName(String text) {
    return text.replace("; ", "+").replace(':', '-');
  }

  /**
   * Returns the list with a placement and stages for those that have none of their own, as the
   * command line options set them.
   *
   * @param placement the placement, or null
   * @param stages the stages, or empty for all
   */
  public static List<PlacedAttention> withDefaults(
      List<PlacedAttention> all, Placement placement, int... stages) {
    List<PlacedAttention> result = new ArrayList<>();
    for (PlacedAttention placed : all) {
      Placement own = placed.placement;
      if (placement != null && own.isPaper()) {
        own = placement;
      }
      if (stages.length > 0 && !own.isLimited()) {
        own = own.inStages(stages);
      }
      result.add(new PlacedAttention(placed.attention, own));
    }
    return List.copyOf(result);
  }

  @Override
  public String toString() {
    return placement.isPaper() ? attention.toString() : attention + "@" + placement;
  }
}
