package io.fovea.attention;

import io.fovea.attention.fast.NonLocalBlocks;
import io.fovea.attention.fast.NonLocalMatrix;
import io.fovea.attention.fast.NonLocalWeights;
import io.fovea.nn.Activation;
import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import io.fovea.nn.Layer;
import io.fovea.nn.Ops;
import io.fovea.nn.Ops.Similarity;
import io.fovea.nn.Sequence;
import java.util.List;
import java.util.stream.Stream;

/**
 * The non-local block: each position attends to all positions, weighted by a pairwise function.
 *
 * <p>With {@code scale}, the products are divided by the square root of the inter channels before the
 * exponential, as in the authors' networks and as in attention elsewhere.
 *
 * <p>Wang, Girshick, Gupta, He: <a href="https://arxiv.org/abs/1711.07971">Non-local Neural
 * Networks</a>, sections 3.2 and 3.3. N counts the positions that are attended to, after subsampling.
 *
 * <p>Parameters: {@code g}, {@code theta}, {@code phi} (not in {@code gaussian}), {@code W}, {@code
 * concat_project.0.weight [1, 2 inter, 1, 1]} (in {@code concatenation}). With {@code subsample},
 * {@code g} and {@code phi} are sequences that end with a max pool ({@code g.0.weight}); with {@code
 * subsample=first}, the pooled map enters their convolutions ({@code g.weight}). With {@code bn}, {@code W} is a sequence of a convolution and a batch norm ({@code W.0}, {@code W.1}).
 */
final class NonLocal extends Attention {
  private static final Option<Mode> MODE =
      Option.choice("mode", Mode.EMBEDDED_GAUSSIAN, "the pairwise function");
  private static final Option<Subsample> SUBSAMPLE =
      Option.choice(
          "subsample",
          Subsample.TRUE,
          "whether keys and values are max-pooled by 2 (in space, not in time); first: before their"
              + " convolutions");
  private static final Option<Boolean> BN =
      Option.flag("bn", true, "whether a batch norm follows the output convolution");
  private static final Option<Inter> INTER =
      Option.of(
              "inter",
              Inter.HALF,
              Inter::parse,
              List.of(Inter.HALF, Inter.ALL, new Inter("1"), new Inter("5")),
              "the number of channels of values and embeddings: half, all or a number")
          .byDefault(s -> s.get(MODE) == Mode.GAUSSIAN ? Inter.ALL : Inter.HALF);
  private static final Option<Boolean> SCALE =
      Option.flag(
              "scale",
              false,
              "whether products are divided by the square root of the number of inter channels")
          .onlyWith(MODE, mode -> mode != Mode.CONCATENATION);

  static final Mechanism MECHANISM =
      Mechanism.named("nonlocal", "Non-local block")
          .paper("1711.07971")
          .summary("each position attends to all positions, with one of four pairwise functions")
          .equation(
              """
              y_i = 1/C Σ_j f(x_i, x_j) g(x_j);   z = W(y) + x        W = 0 until trained

              gaussian            f = exp(x_iᵀ x_j)               C = Σ_j f   (a softmax)
              embedded_gaussian   f = exp(θ(x_i)ᵀ φ(x_j))         C = Σ_j f   (a softmax)
              dot_product         f = θ(x_i)ᵀ φ(x_j)              C = N
              concatenation       f = relu(wᵀ [θ(x_i), φ(x_j)])   C = N
              """)
          .cost("4·C·d + 3·d + 3·C; d = C / 2", "4·N·C·d + 2·N·M·d; d = C / 2; M = (H / 2)·(W / 2)")
          .code(
              "authors, for Caffe2",
              "facebookresearch/video-nonlocal-net",
              "c253ed5",
              "lib/models/nonlocal_helper.py")
          .code("reference", "AlexHex7/Non-local_pytorch", "ec15789", "lib/")
          .variant(
              "nonlocal:scale=true",
              "products divided by the root of the inner channels, as in the authors' code")
          .variant(
              "nonlocal:subsample=first,scale=true",
              "the block of the authors' networks: keys and values are convolutions of the pooled map")
          .options(MODE, SUBSAMPLE, BN, INTER, SCALE)
          .place(Mechanism.Place.LAST_STAGE_BUT_ONE)
          .shows(Mechanism.Shows.AFFINITY)
          .comparedByDefault()
          .written(
              Written.here(s -> read(s, "")),
              Written.by(
                  "MMCV",
                  s -> read(s, ",scale=true"),
                  "^(g|theta|phi)\\.conv\\.",
                  "$1.",
                  "^(g|phi)\\.0\\.conv\\.",
                  "$1.0.",
                  "^conv_out\\.conv\\.",
                  "W.",
                  "^concat_project\\.conv\\.",
                  "concat_project.0."),
              Written.by(
                  "MMCV, with a batch norm",
                  s -> read(s, ",scale=true"),
                  "^(g|theta|phi)\\.conv\\.",
                  "$1.",
                  "^(g|phi)\\.0\\.conv\\.",
                  "$1.0.",
                  "^conv_out\\.conv\\.",
                  "W.0.",
                  "^conv_out\\.bn\\.",
                  "W.1.",
                  "^concat_project\\.conv\\.",
                  "concat_project.0."),
              Written.by(
                  "the authors",
                  s -> read(s, ",scale=true", Subsample.FIRST),
                  "^(g|theta|phi)_w$",
                  "$1.weight",
                  "^(g|theta|phi)_b$",
                  "$1.bias",
                  "^out_w$",
                  "W.0.weight",
                  "^out_b$",
                  "W.0.bias",
                  "^bn_s$",
                  "W.1.weight",
                  "^bn_b$",
                  "W.1.bias",
                  "^bn_rm$",
                  "W.1.running_mean",
                  "^bn_riv$",
                  "W.1.running_var"),
              Written.by(
                  "timm",
                  s -> read(s, ",scale=true"),
                  "^t\\.",
                  "theta.",
                  "^p\\.",
                  "phi.",
                  "^z\\.",
                  "W.0.",
                  "^norm\\.",
                  "W.1."))
          .madeBy(NonLocal::new);

  /** The options that names and shapes tell. */
  private static Stream<String> read(ModuleState s, String scale) {
    return read(s, scale, s.has("g.0.weight") ? Subsample.TRUE : Subsample.FALSE);
  }

  private static Stream<String> read(ModuleState s, String scale, Subsample subsample) {
    String mode =
        s.has("concat_project.0.weight")
            ? "concatenation"
            : s.has("theta.weight") ? "embedded_gaussian" : "gaussian";
    long inter = s.size(subsample == Subsample.TRUE ? "g.0.weight" : "g.weight", 0);
    String rest =
        "mode="
            + mode
            + ",subsample="
            + Option.text(subsample)
            + ",bn="
            + s.has("W.1.weight")
            + (mode.equals("embedded_gaussian") ? scale : ""); // the other codes scale no others
    return inter == 0
        ? Stream.empty()
        : Stream.of("half", "all", Long.toString(inter)).map(width -> rest + ",inter=" + width);
  }

  /** The pairwise function f, by the paper's names (section 3.2). */
  enum Mode {
    GAUSSIAN,
    EMBEDDED_GAUSSIAN,
    DOT_PRODUCT,
    CONCATENATION
  }

  /** Where keys and values are max-pooled. */
  private enum Subsample {
    /** Behind their convolutions, as in the reference implementation. */
    TRUE,
    FALSE,
    /** Before their convolutions, as in the authors' code. */
    FIRST
  }

  /** The number of inter channels: a number, or a share of the input channels. */
  private record Inter(String text) {
    static final Inter HALF = new Inter("half");
    static final Inter ALL = new Inter("all");

    static Inter parse(String text) {
      if (text.equals(HALF.text) || text.equals(ALL.text)) {
        return new Inter(text);
      }
      long channels;
      try {
        channels = Long.parseLong(text);
      } catch (NumberFormatException e) {
        throw new Option.Invalid("inter must be half, all or a whole number, got \"" + text + "\"");
      }
      if (channels < 1) {
        throw new Option.Invalid("inter must be at least 1, got " + channels);
      }
      return new Inter(Long.toString(channels));
    }

    long of(long channels) {
      return equals(HALF)
          ? Math.max(1, channels / 2)
          : equals(ALL) ? channels : Long.parseLong(text);
    }

    @Override
    public String toString() {
      return text;
    }
  }

  private final Mode mode;
  private final Subsample subsample;
  private final boolean scale;
  private final long inter;
  private final Convolution values;
  private final Layer g; // the values, subsampled behind their convolution or not
  private final Convolution output;
  private final BatchNorm norm; // null if bn is false
  private final Layer w; // the output, normalised
  private final Convolution theta; // null in the Gaussian mode, like keys and phi
  private final Convolution keys;
  private final Layer phi; // the keys, likewise
  private final Convolution concatWeights; // null except in the concatenation mode
  private final Sequence concatProject;

  private NonLocal(Settings settings) {
    super(settings);
    mode = settings.get(MODE);
    subsample = settings.get(SUBSAMPLE);
    scale = settings.get(SCALE);
    inter = settings.get(INTER).of(channels());
    boolean embedded = mode != Mode.GAUSSIAN;
    boolean concatenated = mode == Mode.CONCATENATION;
    values = embedding();
    g = register_module("g", subsampled(values));
    output = Convolution.builder(dimensions(), inter, channels(), 1).build();
    norm = settings.get(BN) ? new BatchNorm(channels()).startingAtZero() : null;
    w =
        register_module(
            "W",
            norm == null
                ? output.startingAtZero()
                : new Sequence().add("0", output).add("1", norm));
    theta = embedded ? register_module("theta", embedding()) : null;
    keys = embedded ? embedding() : null;
    phi = embedded ? register_module("phi", subsampled(keys)) : null;
    concatWeights =
        concatenated ? Convolution.builder(2, 2 * inter, 1, 1).bias(false).build() : null;
    concatProject =
        concatenated
            ? register_module(
                "concat_project", new Sequence().add("0", concatWeights).add("1", Activation.RELU))
            : null;
    if (subsample == Subsample.FIRST) {
      return; // the fast forms pool behind the convolutions
    }
    NonLocalWeights weights =
        new NonLocalWeights(
            values,
            keys,
            theta,
            output,
            norm,
            scale,
            subsample == Subsample.TRUE,
            x -> halved(tensors(), x));
    switch (mode) {
      case DOT_PRODUCT -> faster(new NonLocalMatrix(weights, x -> attend(tensors(), x)));
      case EMBEDDED_GAUSSIAN -> faster(new NonLocalBlocks(weights));
      case GAUSSIAN, CONCATENATION -> {}
    }
  }

  private Convolution embedding() {
    return Convolution.builder(dimensions(), channels(), inter, 1).build();
  }

  private Layer subsampled(Convolution embedding) {
    return subsample == Subsample.TRUE
        ? new Sequence().add("0", embedding).add("1", this::halved)
        : embedding;
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T attended = subsample == Subsample.FIRST ? halved(ops, x) : x;
    T queries = theta == null ? x : theta.apply(ops, x); // [B, E, spatial...]
    T keys =
        phi != null
            ? phi.apply(ops, attended)
            : subsample == Subsample.TRUE ? halved(ops, x) : attended;
    T values = g.apply(ops, attended);
    T y = // [B, inter, spatial...]
        switch (mode) {
          case GAUSSIAN, EMBEDDED_GAUSSIAN ->
              ops.attention(Similarity.SOFTMAX, scaled(ops, queries), keys, values);
          case DOT_PRODUCT -> ops.attention(Similarity.PRODUCT, scaled(ops, queries), keys, values);
          // wᵀ [θ, φ] is the sum of two projections
          case CONCATENATION ->
              ops.attention(
                  Similarity.RECTIFIED_SUM,
                  projected(ops, 0, queries),
                  projected(ops, inter, keys),
                  values);
        };
    return ops.residual(x, w.apply(ops, y));
  }

  private <T> T scaled(Ops<T> ops, T queries) {
    return scale ? ops.div(queries, Math.sqrt((double) inter)) : queries;
  }

  /**
   * The product of one half of the concatenation's weights and an embedding: {@code [B, 1,
   * spatial...]}.
   */
  private <T> T projected(Ops<T> ops, long from, T embedded) {
    T weights = ops.in(concatProject, () -> ops.parameter("0.weight", concatWeights.weight()));
    T half = ops.narrow(ops.reshape(weights, 1, -1), 1, from, inter); // [1, inter]
    return ops.unflatten(ops.matmul(half, ops.flatten(embedded)), embedded);
  }

  private <T> T halved(Ops<T> ops, T x) {
    return Subsampling.halved(ops, x, dimensions());
  }

  @Override
  protected void checkShape(long[] shape) {
    if (subsample != Subsample.FALSE) {
      Subsampling.check(shape, this::refuse);
    }
    if (norm != null) {
      refuseSingleValue(
          valuesPerChannel(shape), shape, "use bn=false, or more images or positions");
    }
  }
}
