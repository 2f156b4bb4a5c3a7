package io.fovea.attention;

import io.fovea.attention.AttentionMaps.Affinity;
import io.fovea.attention.fast.ChannelProducts;
import io.fovea.attention.fast.DotProduct;
import io.fovea.attention.fast.PairSums;
import io.fovea.attention.fast.Residual;
import io.fovea.attention.fast.SoftmaxAttention;
import io.fovea.nn.Activation;
import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.nn.Layer;
import io.fovea.nn.Pooling;
import io.fovea.nn.Sequence;
import io.fovea.tensor.Scopes;
import io.fovea.tensor.internal.Gradients;
import io.fovea.tensor.internal.Macs;
import io.fovea.tensor.internal.Preconditions;
import java.util.Arrays;
import java.util.Map;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * The non-local block: each position draws from all others, weighted by a pairwise function.
 *
 * <pre>
 *   y_i = 1/C Σ_j f(x_i, x_j) g(x_j);   z = W(y) + x        W = 0 until trained
 *
 *   gaussian            f = exp(x_iᵀ x_j)               C = Σ_j f   (a softmax)
 *   embedded_gaussian   f = exp(θ(x_i)ᵀ φ(x_j))         C = Σ_j f   (a softmax)
 *   dot_product         f = θ(x_i)ᵀ φ(x_j)              C = N
 *   concatenation       f = relu(wᵀ [θ(x_i), φ(x_j)])   C = N
 * </pre>
 *
 * <p>With {@code scale}, the products are divided by the square root of the inter channels before the
 * exponential, as in the authors' networks and as in attention elsewhere.
 *
 * <p>Wang, Girshick, Gupta, He: <a href="https://arxiv.org/abs/1711.07971">Non-local Neural
 * Networks</a>, sections 3.2 and 3.3. N counts the positions that are attended to, after subsampling.
 * The reference implementation's text says that a sigmoid normalises the embedded Gaussian; its code and the paper take
 * the softmax, and so does Fovea. The reference code prints a shape on every call; Fovea does not.
 *
 * <p>Parameters: {@code g}, {@code theta}, {@code phi} (not in {@code gaussian}), {@code W}, {@code
 * concat_project.0.weight [1, 2 inter, 1, 1]} (in {@code concatenation}). With {@code subsample}, {@code
 * g} and {@code phi} are sequences with a max pool behind ({@code g.0.weight}); with {@code bn}, {@code
 * W} is a sequence of a convolution and a batch norm ({@code W.0}, {@code W.1}).
 */
public final class NonLocal extends Attention {
  private static final String NAME = "nonlocal";

  static final Mechanism<Builder> MECHANISM =
      new Mechanism<>(NAME, NonLocal::builder, Builder::build)
          .choice("mode", Mode.class, Builder::mode, b -> b.mode)
          .flag("subsample", Builder::subsample, b -> b.subsample)
          .flag("bn", Builder::bn, b -> b.bn)
          .option("inter", Inter::parse, Builder::inter, Builder::resolvedInter)
          .flag("scale", Builder::scale, b -> b.scale)
          .checked(Builder::check);

  /** The pairwise function f, by the paper's names (section 3.2). */
  public enum Mode {
    /** The exponential of the product of the inputs themselves. */
    GAUSSIAN,
    /** The exponential of the product of two embeddings. */
    EMBEDDED_GAUSSIAN,
    /** The product of two embeddings. */
    DOT_PRODUCT,
    /** The rectified projection of two embeddings side by side. */
    CONCATENATION
  }

  /** The inter channels: a number, or a share of the input's. */
  private record Inter(String text) {
    static final Inter HALF = new Inter("half");
    static final Inter ALL = new Inter("all");

    static Inter parse(String text) {
      if (text.equals(HALF.text) || text.equals(ALL.text)) {
        return new Inter(text);
      }
      try {
        return of(Long.parseLong(text));
      } catch (NumberFormatException e) {
        throw new Mechanism.Invalid(
            "inter must be half, all or a whole number, got \"" + text + "\"");
      }
    }

    static Inter of(long channels) {
      return new Inter(Long.toString(Preconditions.atLeast(1L, NAME, "inter", channels)));
    }

    long of(Builder b) {
      return equals(HALF)
          ? Preconditions.reduced(b.channels, 2)
          : equals(ALL) ? b.channels : Long.parseLong(text);
    }

    @Override
    public String toString() {
      return text;
    }
  }

  private final int dimensions;
  private final Mode mode;
  private final boolean subsample;
  private final boolean bn;
  private final long inter;
  private final boolean scale;
  private final Layer g;
  private final Convolution theta;
  private final Layer phi;
  private final Layer w;
  private final Convolution values; // what g projects by
  private final Convolution keys; // and phi
  private final Convolution output; // and W
  private final BatchNorm norm; // null without one
  private final Sequence concatProject;
  private final Convolution concatWeights;

  private NonLocal(Builder b) {
    super(MECHANISM.specOf(b), b.channels, b.dimensions);
    dimensions = b.dimensions;
    mode = b.mode;
    subsample = b.subsample;
    bn = b.bn;
    inter = b.resolvedInter().of(b);
    scale = b.scale;
    boolean embedded = mode != Mode.GAUSSIAN;
    values = embedding();
    g = register_module("g", subsampled(values));
    output = Convolution.builder(dimensions, inter, channels(), 1).build();
    norm = bn ? new BatchNorm(channels()).startingAtZero() : null;
    w = register_module("W", normalised(output));
    theta = embedded ? register_module("theta", embedding()) : null;
    keys = embedded ? embedding() : null;
    phi = embedded ? register_module("phi", subsampled(keys)) : null;
    if (mode == Mode.CONCATENATION) {
      concatWeights = Convolution.builder(2, 2 * inter, 1, 1).bias(false).build();
      // Held although it never computes: libtorch calls back into what is registered.
      concatProject = new Sequence().add("0", concatWeights).add("1", Activation.RELU);
      register_module("concat_project", concatProject);
    } else {
      concatWeights = null;
      concatProject = null;
    }
  }

  private Convolution embedding() {
    return Convolution.builder(dimensions, channels(), inter, 1).build();
  }

  private Layer subsampled(Convolution embedding) {
    return subsample
        ? new Sequence().add("0", embedding).add("1", new Activation(this::pooled, this::pooled))
        : embedding;
  }

  private Layer normalised(Convolution conv) {
    if (norm != null) {
      return new Sequence().add("0", conv).add("1", norm);
    }
    try (NoGradGuard guard = new NoGradGuard();
        TensorVector parameters = conv.parameters()) { // its elements go with it
      for (Tensor parameter : parameters.get()) {
        parameter.zero_();
      }
    }
    return conv;
  }

  /**
   * Starts a non-local block with the defaults.
   *
   * @param channels the channels {@code C} of the feature map
   * @param dimensions its spatial dimensions: 1, 2 or 3 (of 3 the first is time)
   */
  public static Builder builder(long channels, int dimensions) {
    return new Builder(channels, dimensions);
  }

  @Override
  Tensor attend(Tensor x) {
    Tensor computed =
        switch (mode) {
          case DOT_PRODUCT -> reassociated(x);
          case EMBEDDED_GAUSSIAN -> inBlocks(x);
          case GAUSSIAN, CONCATENATION -> null;
        };
    if (computed != null) {
      return computed;
    }
    Tensor attended = // without gradients, the projections are freed before the output needs memory
        Scopes.compute(
            () -> {
              Tensor queries = queries(x); // [B, N, E]
              Tensor keys = keys(x); // [B, E, N']
              Tensor values = g.forward(x).flatten(2, -1).transpose(1, 2); // [B, N', inter]
              Tensor y = attended(queries, keys, values); // [B, N, inter]
              long[] shape = x.shape();
              shape[1] = inter;
              return y.transpose(1, 2).reshape(shape);
            });
    return Residual.add(w.forward(attended), x);
  }

  /**
   * The dot product as one product of a matrix with the input, where that is less to compute: {@code z =
   * W (1/C Σ_j g_j φ_jᵀ) θ(x) + x}.
   *
   * @return null where it is not, or would not give the plain form's numbers
   */
  private Tensor reassociated(Tensor x) {
    Tensor flat = x.flatten(2, -1);
    long n = flat.size(2);
    if (!ChannelProducts.supports(x) || !DotProduct.isShorter(n, channels(), inter, subsample)) {
      return null;
    }
    Tensor in = flat.contiguous();
    Tensor all = DotProduct.matrix(values, keys, theta);
    Tensor both = all.narrow(0, 0, 2 * inter);
    Tensor pairs; // Σ_j g_j φ_jᵀ, [B, inter, inter]
    if (subsample) {
      Tensor projected = ChannelProducts.mapped(in, both);
      long[] shape = x.shape();
      shape[1] = 2 * inter;
      Tensor attended = pooled(projected.view(shape)).flatten(2, -1);
      n = attended.size(2);
      pairs = attended.narrow(1, 0, inter).bmm(attended.narrow(1, inter, inter).transpose(1, 2));
    } else {
      pairs = DotProduct.pairs(in, both);
      if (pairs == null) {
        return null;
      }
    }
    long images = x.size(0);
    Macs.add(images * flat.size(2) * 4 * channels() * inter); // as the plain form's layers count
    Macs.add(images * flat.size(2) * n * 2 * inter);
    boolean folded = !normalisesByBatch();
    Projection out = outward();
    double count = scale ? n * Math.sqrt((double) inter) : n;
    Tensor map = // [B, C, C + 1]
        DotProduct.perImage(out.weight, images)
            .bmm(pairs.div(new Scalar(count)))
            .bmm(DotProduct.perImage(all.narrow(0, 2 * inter, inter), images));
    Tensor z =
        ChannelProducts.mapped(
                in,
                map.narrow(2, 0, channels()),
                map.narrow(2, channels(), 1).add(out.bias),
                folded)
            .view(x.shape());
    return folded ? z : x.add(norm.forward(z));
  }

  /** A pointwise convolution, {@code [C, inter]} and {@code [C, 1]}. */
  private record Projection(Tensor weight, Tensor bias) {}

  /** W, and the norm behind it if that is one of evaluation mode. */
  private Projection outward() {
    Tensor weight = output.weight().view(channels(), inter);
    Tensor bias = output.bias().orElseThrow();
    if (norm == null || normalisesByBatch()) {
      return new Projection(weight, bias.unsqueeze(1));
    }
    Tensor factor = norm.factor();
    return new Projection(weight.mul(factor.unsqueeze(1)), norm.offset(factor, bias).unsqueeze(1));
  }

  /**
   * A softmax over many positions: what is projected of x is one product, and without gradients queries are
   * projected, and what they have drawn is projected back, block by block.
   *
   * @return null for others
   */
  private Tensor inBlocks(Tensor x) {
    Tensor flat = x.flatten(2, -1);
    long n = flat.size(2);
    double keyed = subsample ? 0.25 * n : n;
    if (!ChannelProducts.supports(x) || n * keyed * 2 * inter < SoftmaxAttention.LARGE) {
      return null;
    }
    Tensor in = flat.contiguous();
    boolean trained = GradMode.is_enabled() || normalisesByBatch();
    Tensor all = DotProduct.matrix(values, keys, theta);
    Tensor projected =
        ChannelProducts.mapped(in, all.narrow(0, 0, trained ? 3 * inter : 2 * inter));
    TensorVector split = // whose gradients are put together in one go
        projected.split_with_sizes(
            trained ? new long[] {2 * inter, inter} : new long[] {2 * inter}, 1);
    Tensor attended = new Tensor(split.get(0));
    if (subsample) {
      long[] shape = x.shape();
      shape[1] = 2 * inter;
      attended = pooled(attended.view(shape)).flatten(2, -1);
    }
    TensorVector valuesAndKeys = attended.split_with_sizes(new long[] {inter, inter}, 1);
    Tensor v = new Tensor(valuesAndKeys.get(0));
    Tensor k = new Tensor(valuesAndKeys.get(1));
    double divisor = scale ? Math.sqrt((double) inter) : 1;
    Projection out = outward();
    Macs.add(x.size(0) * n * 4 * channels() * inter); // as the plain form's layers count
    if (!trained) {
      Macs.add(x.size(0) * n * k.size(2) * 2 * inter);
      return SoftmaxAttention.added(
              in,
              all.narrow(0, 2 * inter, inter).div(new Scalar(divisor)),
              k,
              v,
              out.weight,
              out.bias)
          .view(x.shape());
    }
    Tensor q = new Tensor(split.get(1)).transpose(1, 2);
    Tensor sums =
        SoftmaxAttention.attended(
            scale ? q.div(new Scalar(divisor)) : q, k.transpose(1, 2), v.transpose(1, 2));
    Tensor z =
        ChannelProducts.mapped(sums.transpose(1, 2), out.weight, out.bias, false).view(x.shape());
    return Residual.add(normalisesByBatch() ? norm.forward(z) : z, x);
  }

  /** Whether the norm takes the statistics of what it is given, so that it cannot be folded into W. */
  private boolean normalisesByBatch() {
    return norm != null && norm.is_training();
  }

  /** The sum over j of f / C times g: {@code [B, N, inter]}. */
  private Tensor attended(Tensor queries, Tensor keys, Tensor values) {
    if (mode == Mode.GAUSSIAN || mode == Mode.EMBEDDED_GAUSSIAN) {
      return SoftmaxAttention.attended(queries, keys.transpose(1, 2), values);
    }
    long pairs = queries.size(0) * queries.size(1) * keys.size(2);
    // By the paper's equation, whichever way is taken; the concatenation compares by adding.
    Macs.add(pairs * (mode == Mode.CONCATENATION ? inter : 2 * inter));
    return mode == Mode.CONCATENATION
        ? PairSums.rectified(queries, keys, values)
        : PairSums.products(queries, keys, values);
  }

  /** {@code [B, N, E]}: E is C in the Gaussian mode, 1 in the concatenation, inter in the others. */
  private Tensor queries(Tensor x) {
    Tensor embedded = (theta == null ? x : theta.forward(x)).flatten(2, -1).transpose(1, 2);
    if (scale) {
      return embedded.div(new Scalar(Math.sqrt((double) inter)));
    }
    return concatWeights == null ? embedded : product(embedded, projection(0).t());
  }

  /** {@code [B, E, N']}. */
  private Tensor keys(Tensor x) {
    Tensor embedded = (phi != null ? phi.forward(x) : subsample ? pooled(x) : x).flatten(2, -1);
    return concatWeights == null ? embedded : product(projection(inter), embedded);
  }

  /** Half of the weights {@code [w₁, w₂]} of the concatenation, {@code [1, inter]}. */
  private Tensor projection(long from) {
    return concatWeights.weight().view(1, 2 * inter).narrow(1, from, inter);
  }

  /** f / C: {@code [B, N, E], [B, E, N'] -> [B, N, N']}. */
  private Tensor weights(Tensor queries, Tensor keys) {
    return switch (mode) {
      case GAUSSIAN, EMBEDDED_GAUSSIAN -> queries.bmm(keys).softmax(2);
      case DOT_PRODUCT -> queries.bmm(keys).div(positions(keys));
      // relu(w₁ᵀ θ_i + w₂ᵀ φ_j): the projection of a pair is the sum of two projections
      case CONCATENATION -> queries.add(keys).relu().div(positions(keys));
    };
  }

  /** A product with one half of the concatenation's weights: inter multiplications a result. */
  private Tensor product(Tensor left, Tensor right) {
    Tensor product = left.matmul(right);
    Macs.add(product.numel() * inter);
    return product;
  }

  private static Scalar positions(Tensor keys) {
    return new Scalar((double) keys.size(2));
  }

  /** Halves height and width (of one dimension: the length), as the reference implementation's max pool does. */
  private Tensor pooled(Tensor x) {
    if (!Gradients.needed(x)) {
      return Pooling.halved(x, dimensions == 3 ? 3 : 2);
    }
    return switch (dimensions) {
      case 1 -> torch.max_pool1d(x, 2);
      case 2 -> torch.max_pool2d(x, 2, 2);
      default -> torch.max_pool3d(x, 1, 2, 2);
    };
  }

  @Override
  Value nodes(Graph graph, Value x) {
    Value y = // [B, inter, N]
        switch (mode) {
          case GAUSSIAN, EMBEDDED_GAUSSIAN ->
              SoftmaxAttention.attended(graph, queries(graph, x), keys(graph, x), values(graph, x));
          // (θ φᵀ) g = θ (φᵀ g): a product of channels instead of the map of all pairs
          case DOT_PRODUCT ->
              graph.node(
                  "MatMul",
                  averaged(
                      graph, values(graph, x), SoftmaxAttention.transposed(graph, keys(graph, x))),
                  queries(graph, x));
          case CONCATENATION -> averaged(graph, values(graph, x), rectified(graph, x));
        };
    long[] row = new long[2 + dimensions]; // [B, inter, 1..., N], for W
    Arrays.fill(row, 2, row.length, 1);
    row[row.length - 1] = -1;
    Value z = w.write(graph, graph.node("Reshape", y, graph.integers(row)));
    return graph.node("Add", x, graph.node("Reshape", z, graph.node("Shape", x)));
  }

  /** {@code [B, E, N]}. */
  private Value queries(Graph graph, Value x) {
    Value embedded = SoftmaxAttention.flattened(graph, theta == null ? x : theta.write(graph, x));
    return scale ? graph.node("Div", embedded, graph.number(Math.sqrt((double) inter))) : embedded;
  }

  /** {@code [B, E, N']}. */
  private Value keys(Graph graph, Value x) {
    return SoftmaxAttention.flattened(
        graph, phi != null ? phi.write(graph, x) : subsample ? pooled(graph, x) : x);
  }

  /** {@code [B, inter, N']}. */
  private Value values(Graph graph, Value x) {
    return SoftmaxAttention.flattened(graph, g.write(graph, x));
  }

  /** The product {@code [B, inter, N'], [B, N', M] -> [B, inter, M]} divided by N'. */
  private static Value averaged(Graph graph, Value values, Value weights) {
    Value positions = graph.node("Shape", Map.of("start", 2, "end", 3), values);
    return graph.node(
        "Div",
        graph.node("MatMul", values, weights),
        graph.node("Cast", Map.of("to", 1), positions)); // 1 is float32
  }

  /** The weights of the concatenation, {@code [B, N', N]}. */
  private Value rectified(Graph graph, Value x) {
    Value ofQueries = graph.weights("concat_project.queries", projection(0));
    Value ofKeys = graph.weights("concat_project.keys", projection(inter));
    Value row = graph.node("MatMul", ofQueries, queries(graph, x)); // [B, 1, N]
    Value column = SoftmaxAttention.transposed(graph, graph.node("MatMul", ofKeys, keys(graph, x)));
    return graph.node("Relu", graph.node("Add", column, row));
  }

  private Value pooled(Graph graph, Value x) {
    long[] sides = new long[dimensions];
    Arrays.fill(sides, 2);
    if (dimensions == 3) {
      sides[0] = 1;
    }
    return graph.node("MaxPool", Map.of("kernel_shape", sides, "strides", sides), x);
  }

  @Override
  AttentionMaps maps(Tensor x) {
    // Copies: in the Gaussian mode both are views of x, which may change before rows are asked for
    Tensor queries = Scopes.compute(() -> queries(x).clone());
    Tensor keys = Scopes.compute(() -> keys(x).clone());
    long[] size = Arrays.copyOfRange(x.shape(), 2, x.shape().length);
    long[] keySize = size.clone();
    if (subsample) {
      for (int i = dimensions == 3 ? 1 : 0; i < keySize.length; i++) {
        keySize[i] /= 2;
      }
    }
    return AttentionMaps.ofAffinities(
        new Affinity(
            size, keySize, rows -> weights(queries.index_select(1, rows), keys), queries, keys),
        null);
  }

  @Override
  void checkShape(long[] shape) {
    if (subsample) {
      for (int i = dimensions == 3 ? 3 : 2; i < shape.length; i++) {
        if (shape[i] < 2) {
          throw refuse(
              "subsample=true halves each side and needs at least 2 positions there, got "
                  + Arrays.toString(shape)
                  + "; use subsample=false");
        }
      }
    }
    if (bn) {
      refuseSingleValue(
          valuesPerChannel(shape), shape, "use bn=false, or more images or positions");
    }
  }

  /** What the non-local block can be told. */
  public static final class Builder {
    private final long channels;
    private final int dimensions;
    private Mode mode = Mode.EMBEDDED_GAUSSIAN;
    private boolean subsample = true;
    private boolean bn = true;
    private Inter inter;
    private boolean scale;

    private Builder(long channels, int dimensions) {
      this.channels = Preconditions.atLeast(1, NAME, "channels", channels);
      this.dimensions = Preconditions.dimensions(NAME, dimensions);
    }

    /** The pairwise function, default the embedded Gaussian. */
    public Builder mode(Mode mode) {
      this.mode = Preconditions.notNull(NAME, "mode", mode);
      return this;
    }

    /** Whether what is attended to is max-pooled by 2 (in space, not in time), default true. */
    public Builder subsample(boolean subsample) {
      this.subsample = subsample;
      return this;
    }

    /** Whether a batch norm follows the output convolution, default true. */
    public Builder bn(boolean bn) {
      this.bn = bn;
      return this;
    }

    /**
     * The channels that values (and embeddings) have, at least 1. Default: half of the input's, at
     * least 1; in the Gaussian mode, which compares the input itself, all of them.
     */
    public Builder inter(long channels) {
      return inter(Inter.of(channels));
    }

    private Builder inter(Inter inter) {
      this.inter = inter;
      return this;
    }

    /**
     * Whether products are divided by the square root of the inter channels, default false. The
     * concatenation has no products.
     */
    public Builder scale(boolean scale) {
      this.scale = scale;
      return this;
    }

    private void check() {
      if (scale && mode == Mode.CONCATENATION) {
        throw new Mechanism.Invalid(
            "scale=true divides products, and mode=concatenation has none; use another mode");
      }
    }

    private Inter resolvedInter() {
      return inter != null ? inter : mode == Mode.GAUSSIAN ? Inter.ALL : Inter.HALF;
    }

    /** Makes the module, freshly initialised. */
    public NonLocal build() {
      return new NonLocal(this);
    }
  }
}
