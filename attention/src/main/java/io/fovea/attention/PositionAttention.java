package io.fovea.attention;

import io.fovea.attention.AttentionMaps.Affinity;
import io.fovea.attention.fast.Residual;
import io.fovea.attention.fast.SoftmaxAttention;
import io.fovea.nn.Convolution;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.tensor.Scopes;
import io.fovea.tensor.internal.Gradients;
import io.fovea.tensor.internal.Preconditions;
import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * DANet's position attention module: each position draws from all others, by similarity.
 *
 * <pre>  y = γ · V softmax(Qᵀ K)ᵀ + x      softmax over the keys, γ = 0 until trained</pre>
 *
 * <p>Fu, Liu, Tian, Li, Bao, Fang, Lu: <a href="https://arxiv.org/abs/1809.02983">Dual Attention
 * Network for Scene Segmentation</a>, section 3.2; the energies are not divided by the root of the
 * width. Where the reference implementation's text calls this module the channel one, the code (and Fovea) do not.
 * Differences: any number of spatial dimensions, which are flattened, and the reduced width is at least 1.
 *
 * <p>Parameters: {@code query_conv}, {@code key_conv} {@code [C/r, C, 1, 1]}, {@code value_conv [C, C,
 * 1, 1]}, each with a bias, and {@code gamma [1]}.
 */
public final class PositionAttention extends Attention {
  private static final String NAME = "pam";

  static final Mechanism<Builder> MECHANISM =
      new Mechanism<>(NAME, PositionAttention::builder, Builder::build)
          .integer("reduction", Builder::reduction, b -> b.reduction);

  private final Convolution query;
  private final Convolution key;
  private final Convolution value;
  private final Tensor gamma = torch.zeros(1);

  private PositionAttention(Builder b) {
    super(MECHANISM.specOf(b), b.channels, 0);
    long reduced = Preconditions.reduced(b.channels, b.reduction);
    query = Convolution.builder(2, b.channels, reduced, 1).build();
    key = Convolution.builder(2, b.channels, reduced, 1).build();
    value = Convolution.builder(2, b.channels, b.channels, 1).build();
    register_module("query_conv", query);
    register_module("key_conv", key);
    register_module("value_conv", value);
    register_parameter("gamma", gamma);
  }

  /**
   * Starts position attention with the defaults.
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

  /** What the positions draw from each other, scaled by gamma: the module without its shortcut. */
  Tensor attended(Tensor x) {
    Tensor queries = queries(x);
    Tensor keys = keys(x).transpose(1, 2); // [B, N, C/r]
    if (!Gradients.needed(x, gamma, value.weight(), queries, keys)
        && SoftmaxAttention.inBlocks(queries, keys, channels())) {
      Tensor weight = value.weight().view(channels(), channels()).mul(gamma);
      Tensor bias = value.bias().orElseThrow().unsqueeze(1).mul(gamma);
      return SoftmaxAttention.attendedAndProjected(queries, keys, x.flatten(2, -1), weight, bias)
          .view(x.shape());
    }
    Tensor values = flattened(value, x).transpose(1, 2); // [B, N, C]
    Tensor attended = SoftmaxAttention.attended(queries, keys, values);
    return attended.transpose(1, 2).reshape(x.shape()).mul(gamma);
  }

  /** {@code [B, N, C/r]}. */
  private Tensor queries(Tensor x) {
    return flattened(query, x).transpose(1, 2);
  }

  /** {@code [B, C/r, N]}. */
  private Tensor keys(Tensor x) {
    return flattened(key, x);
  }

  /** The projection on an image of the input's own rows; one pixel wide it would take six times as long. */
  private static Tensor flattened(Convolution projection, Tensor x) {
    Tensor image = x.dim() == 3 ? x.unsqueeze(2) : x.flatten(2, -2);
    return projection.forward(image).flatten(2, -1);
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
          Value row = graph.node("Reshape", x, graph.integers(0, 0, 1, -1)); // of any dimensions
          Value attended =
              SoftmaxAttention.attended(
                  graph,
                  SoftmaxAttention.flattened(graph, query.write(graph, row)),
                  SoftmaxAttention.flattened(graph, key.write(graph, row)),
                  SoftmaxAttention.flattened(graph, value.write(graph, row)));
          Value scaled = graph.node("Mul", attended, graph.weights("gamma", gamma));
          return graph.node("Reshape", scaled, graph.node("Shape", x));
        });
  }

  @Override
  AttentionMaps maps(Tensor x) {
    return AttentionMaps.ofAffinities(affinity(x), null);
  }

  Affinity affinity(Tensor x) {
    Tensor queries = Scopes.compute(() -> queries(x));
    Tensor keys = Scopes.compute(() -> keys(x));
    long[] size = Arrays.copyOfRange(x.shape(), 2, x.shape().length);
    return new Affinity(
        size,
        size,
        positions -> queries.index_select(1, positions).bmm(keys).softmax(2),
        queries,
        keys);
  }

  /** What position attention can be told. */
  public static final class Builder {
    private final long channels;
    private int reduction = 8;

    private Builder(long channels) {
      this.channels = Preconditions.atLeast(1, NAME, "channels", channels);
    }

    /** By how much queries and keys reduce the channels, default 8, at least 1. */
    public Builder reduction(int reduction) {
      this.reduction = Preconditions.atLeast(1, NAME, "reduction", reduction);
      return this;
    }

    /** Makes the module, freshly initialised. */
    public PositionAttention build() {
      return new PositionAttention(this);
    }
  }
}
