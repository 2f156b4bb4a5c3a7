package io.fovea.attention;

import io.fovea.attention.fast.Residual;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.tensor.internal.Preconditions;
import org.bytedeco.pytorch.Tensor;

/**
 * DANet's two modules side by side on the same input, their contributions summed over one shortcut.
 *
 * <pre>  y = x + PAM'(x) + CAM'(x)      PAM'(x) = PAM(x) - x, CAM'(x) = CAM(x) - x</pre>
 *
 * <p>Fu, Liu, Tian, Li, Bao, Fang, Lu: <a href="https://arxiv.org/abs/1809.02983">Dual Attention
 * Network for Scene Segmentation</a>, figure 2. There convolutions stand around each module and the two
 * sums (each with its own shortcut) are added; as a module to put into any network, x is added once, so
 * that it is the identity until trained like its two parts.
 *
 * <p>Parameters: {@code pam.*} as {@link PositionAttention}, {@code cam.*} as {@link ChannelAttention}.
 */
public final class DualAttention extends Attention {
  private static final String NAME = "dual";

  static final Mechanism<Builder> MECHANISM =
      new Mechanism<>(NAME, DualAttention::builder, Builder::build)
          .integer("reduction", Builder::reduction, b -> b.reduction);

  private final PositionAttention pam;
  private final ChannelAttention cam;

  private DualAttention(Builder b) {
    super(MECHANISM.specOf(b), b.channels, 0);
    pam = PositionAttention.builder(b.channels, 2).reduction(b.reduction).build();
    cam = ChannelAttention.builder(b.channels, 2).build();
    register_module("pam", pam);
    register_module("cam", cam);
  }

  /**
   * Starts dual attention with the defaults.
   *
   * @param channels the channels {@code C} of the feature map
   * @param dimensions its spatial dimensions: 1, 2 or 3; they are flattened
   */
  public static Builder builder(long channels, int dimensions) {
    Preconditions.dimensions(NAME, dimensions);
    return new Builder(channels);
  }

  @Override
  Tensor attend(Tensor x) {
    return Residual.add(pam.attended(x).add(cam.attended(x)), x);
  }

  @Override
  Value nodes(Graph graph, Value x) {
    return graph.node("Add", graph.node("Add", x, pam.attended(graph, x)), cam.attended(graph, x));
  }

  @Override
  AttentionMaps maps(Tensor x) {
    return AttentionMaps.ofAffinities(pam.affinity(x), cam.channelAffinity(x));
  }

  /** What dual attention can be told. */
  public static final class Builder {
    private final long channels;
    private int reduction = 8;

    private Builder(long channels) {
      this.channels = Preconditions.atLeast(1, NAME, "channels", channels);
    }

    /** By how much PAM's queries and keys reduce the channels, default 8, at least 1. */
    public Builder reduction(int reduction) {
      this.reduction = Preconditions.atLeast(1, NAME, "reduction", reduction);
      return this;
    }

    /** Makes the module, freshly initialised. */
    public DualAttention build() {
      return new DualAttention(this);
    }
  }
}
