package io.fovea.attention;

import io.fovea.attention.fast.Residual;
import io.fovea.attention.fast.SoftmaxAttention;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.tensor.Scopes;
import io.fovea.tensor.internal.Gradients;
import io.fovea.tensor.internal.Preconditions;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * DANet's channel attention module: each channel draws from all others, most from those that it is
 * least alike.
 *
 * <pre>  E = X Xᵀ;  y = γ · softmax(max(E) - E) X + x      X is [C, N], γ = 0 until trained</pre>
 *
 * <p>Fu, Liu, Tian, Li, Bao, Fang, Lu: <a href="https://arxiv.org/abs/1809.02983">Dual Attention
 * Network for Scene Segmentation</a>, section 3.3. Subtracting from the maximum, which turns the order
 * of the energies round, is the authors' code and the reference implementation's; the paper's equation has a plain
 * softmax. Where the reference implementation's text calls this module the position one, the code (and Fovea) do not.
 * Any number of spatial dimensions, which are flattened.
 *
 * <p>Parameters: {@code gamma [1]}.
 */
public final class ChannelAttention extends Attention {
  private static final String NAME = "cam";

  static final Mechanism<Builder> MECHANISM =
      new Mechanism<>(NAME, ChannelAttention::builder, Builder::build);

  private final Tensor gamma = torch.zeros(1);

  private ChannelAttention(Builder b) {
    super(MECHANISM.specOf(b), b.channels, 0);
    register_parameter("gamma", gamma);
  }

  /**
   * Starts channel attention with the defaults.
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
    return Residual.add(attended(x), x);
  }

  /** What the channels draw from each other, scaled by gamma: the module without its shortcut. */
  Tensor attended(Tensor x) {
    Tensor flat = x.flatten(2, -1); // the C channels are the positions here, N wide
    Tensor attended = SoftmaxAttention.attended(flat.neg(), flat, flat).reshape(x.shape());
    return Gradients.needed(attended, gamma) ? attended.mul(gamma) : attended.mul_(gamma);
  }

  /** {@code [B, C, N] -> [B, C, C]}. */
  private static Tensor affinity(Tensor flat) {
    Tensor energy = flat.bmm(flat.transpose(1, 2));
    Tensor largest = energy.amax(new long[] {2}, true).detach(); // a shift, which softmax ignores
    return largest.sub(energy).softmax(2);
  }

  @Override
  Value nodes(Graph graph, Value x) {
    return graph.node("Add", x, attended(graph, x));
  }

  /** As {@link #attended(Tensor)}, under this module's name. */
  Value attended(Graph graph, Value x) {
    return graph.in(
        this,
        () -> {
          Value flat = SoftmaxAttention.flattened(graph, x); // [B, C, N]
          Value energy =
              graph.node("MatMul", flat, SoftmaxAttention.transposed(graph, flat)); // [B, C, C]
          Value affinity = graph.node("Softmax", Map.of("axis", -1), graph.node("Neg", energy));
          Value attended = graph.node("MatMul", affinity, flat);
          Value scaled = graph.node("Mul", attended, graph.weights("gamma", gamma));
          return graph.node("Reshape", scaled, graph.node("Shape", x));
        });
  }

  @Override
  AttentionMaps maps(Tensor x) {
    return AttentionMaps.ofAffinities(null, channelAffinity(x));
  }

  /** {@code [B, C, spatial...] -> [B, C, C]}. */
  Tensor channelAffinity(Tensor x) {
    return Scopes.compute(() -> affinity(x.flatten(2, -1)));
  }

  /** Channel attention has no options; the builder is there to be like the others. */
  public static final class Builder {
    private final long channels;

    private Builder(long channels) {
      this.channels = Preconditions.atLeast(1, NAME, "channels", channels);
    }

    /** Makes the module. */
    public ChannelAttention build() {
      return new ChannelAttention(this);
    }
  }
}
