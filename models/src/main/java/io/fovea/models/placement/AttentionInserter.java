package io.fovea.models.placement;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionSpec;
import io.fovea.errors.SpecException;
import io.fovea.models.placement.Placement.Site;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.nn.Ops;
import io.fovea.nn.TensorOps;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.StringSharedModuleDict;
import org.bytedeco.pytorch.Tensor;

/**
 * Creates the attention modules of a network while it is built: returns the requested modules for
 * each place.
 *
 * <p>Not thread-safe: it belongs to the network that is being built.
 */
public final class AttentionInserter {
  private final BackboneTopology anatomy;
  private final String backbone;
  private final int dimensions;
  private final Map<BackboneTopology.Place, List<AttentionSpec>> wanted = new LinkedHashMap<>();
  private final Map<String, Attention> made = new LinkedHashMap<>();

  /**
   * Plans the modules.
   *
   * @param dimensions the number of dimensions of the feature maps: 2, or 3 with time
   * @throws SpecException if the network lacks a place, or a mechanism stands twice in one place
   */
  public AttentionInserter(
      BackboneTopology anatomy, List<PlacedAttention> attentions, int dimensions) {
    this.anatomy = anatomy;
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
                  + " is already in that place of "
                  + backbone);
        }
        there.add(placed.attention());
      }
    }
  }

  /**
   * The modules in one place, applied one after the other. Without modules, the feature map is
   * unchanged.
   */
  public record Stack(List<Attention> modules) {
    public static final Stack EMPTY = new Stack(List.of());

    public Tensor forward(Tensor x) {
      return apply(TensorOps.PLAIN, x);
    }

    /** Applies the modules in a network that is written with operators. */
    public <T> T apply(Ops<T> ops, T x) {
      T y = x;
      for (Attention module : modules) {
        y = module.apply(ops, y);
      }
      return y;
    }

    /**
     * Computes {@code relu(forward(x) + shortcut)}, the end of a residual block, possibly in place
     * in {@code x}.
     */
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
   * The places in one block.
   *
   * @param inserter the inserter of the network
   * @param path the path of the block in the network with a dot at its end
   * @param stage the stage, counted from 1
   * @param number the block of the stage, counted from 1
   * @param entering the number of channels that enter the block
   */
  public record InBlock(
      AttentionInserter inserter, String path, int stage, int number, long entering) {
    /** The modules of a place whose feature map has as many channels as enter the block. */
    public Stack at(Module parent, Site site) {
      return at(parent, "", site, entering);
    }

    /**
     * The modules of a place. Their name is that of the mechanism; at other than the standard place,
     * the name of the place is appended ({@code se_pre}).
     *
     * @param inner the path of {@code parent} in the block with a dot at its end, or empty
     */
    public Stack at(Module parent, String inner, Site site, long channels) {
      return inserter.at(parent, path + inner, site, stage, number, channels, entering);
    }

    /**
     * The module that replaces a convolution and has its name, or null if the convolution stays.
     *
     * @param inner the path of {@code parent} in the block with a dot at its end, or empty
     */
    public Replacement replacing(
        Module parent, String inner, String name, long channels, int stride, int dilation) {
      return inserter.replacing(
          parent, path + inner, name, stage, number, channels, stride, dilation);
    }
  }

  /** The places in a block; see {@link InBlock} for the parameters. */
  public InBlock inBlock(String path, int stage, int number, long entering) {
    return new InBlock(this, path, stage, number, entering);
  }

  /**
   * Creates and registers the modules of a place outside of blocks. The number of the stage is appended
   * to the name of the mechanism, or the name of the place ({@code pam_head}).
   *
   * @param channels the number of channels of the feature map at the place
   * @throws SpecException if a reduction exceeds the number of channels
   */
  public Stack at(Module parent, Site site, int stage, long channels) {
    return at(parent, "", site, stage, 0, channels, channels);
  }

  /**
   * Creates and registers the modules of a place. Options that were not given are chosen to fit there
   * ({@link AttentionSpec#fitting}). In a block, the name is that of the mechanism; at
   * other than the standard place, the name of the place is appended ({@code se_pre}). CBAM's
   * halves at the standard place are registered in the block itself, as in the reference
   * implementation.
   *
   * @param path the path of {@code parent} in the network with a dot at its end, or empty
   * @param channels the number of channels of the feature map at the place
   * @throws SpecException if an option does not fit the number of channels
   */
  private Stack at(
      Module parent, String path, Site site, int stage, int block, long channels, long entering) {
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
      int side = anatomy.side(stage);
      Attention attention =
          created(
              path + name,
              () -> fitting(spec, channels, side).createInBlock(channels, dimensions, entering));
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

  /**
   * Creates the module that replaces a convolution, and registers it under the name of the
   * convolution.
   *
   * @param path the path of {@code parent} in the network with a dot at its end, or empty
   * @param name the name of the convolution in its parent
   * @param channels the number of channels, which the convolution keeps
   * @param stride the stride of the convolution
   * @param dilation its dilation
   * @return the module, or null if the convolution stays
   * @throws SpecException if several modules are to replace the convolution, or an option does not fit
   *     the number of channels
   */
  private Replacement replacing(
      Module parent,
      String path,
      String name,
      int stage,
      int block,
      long channels,
      int stride,
      int dilation) {
    List<AttentionSpec> specs = wanted.get(new BackboneTopology.Place(Site.CONV, stage, block));
    if (specs == null) {
      return null;
    }
    if (specs.size() > 1) {
      throw new SpecException(
          "only one mechanism can replace a convolution; at "
              + path
              + name
              + " of "
              + backbone
              + " there would be "
              + specs.stream().map(AttentionSpec::toString).collect(Collectors.joining(" and ")));
    }
    AttentionSpec spec = specs.get(0);
    checkReduction(spec, path + name, channels);
    boolean own = spec.mechanism().replacesNorm();
    AttentionSpec fitting = fitting(spec, channels, stride * anatomy.side(stage));
    Attention attention =
        created(
            path + name,
            () ->
                own
                    ? fitting.create(channels, dimensions, stride, dilation)
                    : fitting.create(channels, dimensions));
    parent.register_module(name, attention);
    made.put(path + name, attention);
    return new Replacement(attention, own ? 1 : stride);
  }

  private AttentionSpec fitting(AttentionSpec spec, long channels, int side) {
    return spec.fitting(channels, dimensions, side);
  }

  /** Creates a module; options that do not fit the channels are a mistake in the spec. */
  private Attention created(String where, Supplier<Attention> make) {
    try {
      return make.get();
    } catch (IllegalArgumentException e) {
      throw new SpecException(e.getMessage() + "; at " + where + " of " + backbone, e);
    }
  }

  private static void registerHalves(Module parent, Attention cbam) {
    try (StringSharedModuleDict halves = cbam.named_children()) {
      for (long i = 0; i < halves.size(); i++) {
        parent.register_module(halves.get(i).key().getString(), halves.get(i).access());
      }
    }
  }

  /**
   * A mechanism alone would use one reduced channel; in a network, such a reduction is treated as a
   * mistake, unless the mechanism has a smallest width of its own.
   */
  private void checkReduction(AttentionSpec spec, String where, long channels) {
    String reduction = spec.effective("reduction").orElse("1");
    if (spec.mechanism().narrowest() == 1 && Integer.parseInt(reduction) > channels) {
      throw new SpecException(
          spec.mechanism()
              + ": reduction="
              + reduction
              + " exceeds the "
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

  /** All created modules by the names of their places, in the order of creation. */
  public Map<String, Attention> made() {
    return made;
  }
}
