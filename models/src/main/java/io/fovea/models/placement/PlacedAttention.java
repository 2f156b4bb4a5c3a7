package io.fovea.models.placement;

import io.fovea.attention.AttentionSpec;
import io.fovea.errors.SpecException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;

/**
 * Attention and where it goes, as a value and as text: {@code "se"}, {@code "se@pre"}, and several of
 * them with semicolons, {@code "se@standard; nonlocal@after:3.4"}.
 *
 * @param attention which
 * @param placement where
 */
public record PlacedAttention(AttentionSpec attention, Placement placement) {
  /** What stands for no attention at all. */
  public static final String NONE = "none";

  /** Checks that both are there. */
  public PlacedAttention {
    Objects.requireNonNull(attention, "attention");
    Objects.requireNonNull(placement, "placement");
  }

  /**
   * Reads one or several, or {@code none}.
   *
   * @throws SpecException if a mechanism, an option or a placement is not known, or one of
   *     several is there twice
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
        throw new SpecException("\"" + placed + "\" is there twice in \"" + text + "\"");
      }
    }
    return List.copyOf(all);
  }

  /** All of them as text that {@link #parseAll} reads; {@code none} if there is none. */
  public static String text(List<PlacedAttention> all) {
    return all.isEmpty()
        ? NONE
        : all.stream().map(PlacedAttention::toString).collect(Collectors.joining("; "));
  }

  /**
   * The same with a placement and stages for those that have none of their own: what an option beside
   * the attention means.
   *
   * @param placement or null
   * @param stages empty for none
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
