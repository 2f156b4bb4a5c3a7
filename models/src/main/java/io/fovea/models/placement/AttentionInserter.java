package io.fovea.models.placement;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionSpec;
import io.fovea.errors.SpecException;
import io.fovea.models.placement.Placement.Site;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.StringSharedModuleDict;
import org.bytedeco.pytorch.Tensor;

/**
 * Makes the attention modules of a network while it is built: at each place, it hands out what was
 * asked for there.
 */
public final class AttentionInserter {
  private final String backbone;
  private final int dimensions;
  private final Map<BackboneTopology.Place, List<AttentionSpec>> wanted = new LinkedHashMap<>();
  private final Map<String, Attention> made = new LinkedHashMap<>();

  /**
   * Plans.
   *
   * @param dimensions of the feature maps: 2, or 3 with time
   * @throws SpecException if the network has no such place, or something is there twice
   */
  public AttentionInserter(
      BackboneTopology anatomy, List<PlacedAttention> attentions, int dimensions) {
    this.dimensions = dimensions;
    backbone = anatomy.backbone();
    for (PlacedAttention placed : attentions) {
      for (BackboneTopology.Place place : placed.placement().resolve(placed.attention(), anatomy)) {
        List<AttentionSpec> there = wanted.computeIfAbsent(place, any -> new ArrayList<>());
        boolean twice =
            there.stream()
                .anyMatch(spec -> spec.mechanism().equals(placed.attention().mechanism()));
        if (twice) {
          throw new SpecException(
              placed
                  + ": "
                  + placed.attention().mechanism()
                  + " is in that place of "
                  + backbone
                  + " already");
        }
        there.add(placed.attention());
      }
    }
  }

  /** What stands in one place, one after the other; nothing leaves the feature map as it is. */
  public record Stack(List<Attention> modules) {
    public static final Stack EMPTY = new Stack(List.of());

    public Tensor forward(Tensor x) {
      Tensor y = x;
      for (Attention module : modules) {
        y = module.forward(y);
      }
      return y;
    }

    /** {@code relu(forward(x) + shortcut)}, the end of a residual block, which needs {@code x} no more. */
    public Tensor forwardResidual(Tensor x, Tensor shortcut) {
      if (modules.isEmpty()) {
        return (GradMode.is_enabled() ? x.add(shortcut) : x.add_(shortcut)).relu_();
      }
      int last = modules.size() - 1;
      Tensor y = new Stack(modules.subList(0, last)).forward(x);
      return modules.get(last).forwardResidualInPlace(y, shortcut);
    }

    public Value write(Graph graph, Value x) {
      Value y = x;
      for (Attention module : modules) {
        y = module.write(graph, y);
      }
      return y;
    }
  }

  /**
   * Makes what stands at a place, and registers it: in a block under the mechanism's name (not at the
   * standard place: with the place behind, {@code se_pre}), but CBAM's halves at the standard place in
   * the block itself, as in the reference implementation's block.
   *
   * @param path of {@code parent} in the network, with a dot at its end, or empty
   * @param channels of the feature map there
   * @throws SpecException if a reduction is above the channels
   */
  public Stack at(Module parent, String path, Site site, int stage, int block, long channels) {
    List<AttentionSpec> specs = wanted.get(new BackboneTopology.Place(site, stage, block));
    if (specs == null) {
      return Stack.EMPTY;
    }
    List<Attention> modules = new ArrayList<>();
    for (AttentionSpec spec : specs) {
      String name =
          switch (site) {
            case STANDARD -> spec.mechanism().name();
            case STAGE -> spec.mechanism().name() + stage;
            default -> spec.mechanism() + "_" + site;
          };
      checkReduction(spec, path + name, channels);
      Attention attention = spec.create(channels, dimensions);
      if (site == Site.STANDARD && spec.mechanism().isRegisteredInTheBlock()) {
        registerHalves(parent, attention);
      } else {
        parent.register_module(name, attention);
      }
      made.put(path + name, attention);
      modules.add(attention);
    }
    return new Stack(modules);
  }

  private static void registerHalves(Module parent, Attention cbam) {
    try (StringSharedModuleDict halves = cbam.named_children()) {
      for (long i = 0; i < halves.size(); i++) {
        parent.register_module(halves.get(i).key().getString(), halves.get(i).access());
      }
    }
  }

  /** The mechanism alone would take at least one channel; in a network that is a slip. */
  private void checkReduction(AttentionSpec spec, String where, long channels) {
    String reduction = spec.effective("reduction").orElse("1");
    if (Integer.parseInt(reduction) > channels) {
      throw new SpecException(
          spec.mechanism()
              + ": reduction="
              + reduction
              + " is above the "
              + channels
              + " channels of "
              + backbone
              + " at "
              + where
              + "; at most reduction="
              + channels
              + " is possible there");
    }
  }

  /** All that were made, by where they stand, in the order they were made in. */
  public Map<String, Attention> made() {
    return made;
  }
}
