package io.fovea.models;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionSpec;
import io.fovea.attention.Graph;
import io.fovea.attention.Graph.Value;
import io.fovea.models.Placement.Site;
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
final class Places {
  private final String backbone;
  private final int dimensions;
  private final Map<Anatomy.Place, List<AttentionSpec>> wanted = new LinkedHashMap<>();
  private final Map<String, Attention> made = new LinkedHashMap<>();

  /**
   * Plans.
   *
   * @param dimensions of the feature maps: 2, or 3 with time
   * @throws IllegalArgumentException if the network has no such place, or something is there twice
   */
  Places(Anatomy anatomy, List<PlacedAttention> attentions, int dimensions) {
    this.dimensions = dimensions;
    backbone = anatomy.backbone();
    for (PlacedAttention placed : attentions) {
      for (Anatomy.Place place : placed.placement().resolve(placed.attention(), anatomy)) {
        List<AttentionSpec> there = wanted.computeIfAbsent(place, any -> new ArrayList<>());
        boolean twice =
            there.stream()
                .anyMatch(spec -> spec.mechanism().equals(placed.attention().mechanism()));
        if (twice) {
          throw new IllegalArgumentException(
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
  record Stack(List<Attention> modules) {
    static final Stack EMPTY = new Stack(List.of());

    Tensor forward(Tensor x) {
      Tensor y = x;
      for (Attention module : modules) {
        y = module.forward(y);
      }
      return y;
    }

    /** {@code relu(forward(x) + shortcut)}, the end of a residual block, which needs {@code x} no more. */
    Tensor forwardResidual(Tensor x, Tensor shortcut) {
      if (modules.isEmpty()) {
        return (GradMode.is_enabled() ? x.add(shortcut) : x.add_(shortcut)).relu_();
      }
      int last = modules.size() - 1;
      Tensor y = new Stack(modules.subList(0, last)).forward(x);
      return modules.get(last).forwardResidualOver(y, shortcut);
    }

    Value write(Graph graph, Value x) {
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
   * the block itself, as in the document's block.
   *
   * @param path of {@code parent} in the network, with a dot at its end, or empty
   * @param channels of the feature map there
   * @throws IllegalArgumentException if a reduction is above the channels
   */
  Stack at(Module parent, String path, Site site, int stage, int block, long channels) {
    List<AttentionSpec> specs = wanted.get(new Anatomy.Place(site, stage, block));
    if (specs == null) {
      return Stack.EMPTY;
    }
    List<Attention> modules = new ArrayList<>();
    for (AttentionSpec spec : specs) {
      String name =
          switch (site) {
            case STANDARD -> spec.mechanism();
            case STAGE -> spec.mechanism() + stage;
            default -> spec.mechanism() + "_" + site;
          };
      checkReduction(spec, path + name, channels);
      Attention attention = spec.create(channels, dimensions);
      if (site == Site.STANDARD && spec.mechanism().equals("cbam")) {
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
    String reduction = spec.options().get("reduction");
    boolean used =
        !"spatial".equals(spec.options().get("branches")) || spec.mechanism().equals("bam");
    if (reduction != null && used && Integer.parseInt(reduction) > channels) {
      throw new IllegalArgumentException(
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
  Map<String, Attention> made() {
    return made;
  }
}
