package io.fovea.attention;

import io.fovea.nn.Activation;
import io.fovea.nn.Convolution;
import io.fovea.nn.GroupNorm;
import io.fovea.nn.Layer;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import java.util.stream.Stream;

/**
 * Polarized self-attention: a gate for each channel that keeps half of the channels while it
 * collapses the positions, and a gate for each position that keeps the positions while it collapses
 * the channels.
 *
 * <p>Liu, Liu, Fan, Huang: <a href="https://arxiv.org/abs/2107.00782">Polarized Self-Attention</a>,
 * section 3. The two orders of the authors' code differ in where the spatial softmax stands, and in
 * {@code up}: one convolution in the parallel order, and two with a layer norm and a ReLU between
 * them in the sequential order.
 *
 * <p>The paper's formula has the spatial softmax over the channels of the mean query and a layer norm
 * behind {@code up}. Widespread copies compute this ({@code form=paper}), with biases and other
 * names; there, {@code up} is a convolution and a layer norm over C in both orders.
 *
 * <p>Parameters: {@code conv_q_right [1, C, 1...]}, {@code conv_v_right}, {@code conv_q_left},
 * {@code conv_v_left [C/2, C, 1...]} without biases; parallel {@code conv_up [C, C/2, 1...]} without
 * a bias; sequential {@code conv_up.0 [C/8, C/2, 1...]}, the layer norm {@code conv_up.1 [C/8,
 * 1...]} and {@code conv_up.3 [C, C/8, 1...]}, with biases. With {@code form=paper}: {@code ch_wv},
 * {@code ch_wq}, {@code ch_wz}, {@code ln [C]}, {@code sp_wv}, {@code sp_wq}, with biases.
 */
final class PolarizedAttention extends Attention {
  private static final long NARROWER = 4; // conv_up reduces C/2 channels by it

  private static final Option<Order> ORDER =
      Option.choice(
          "order",
          Order.PARALLEL,
          "the order of the gates: beside each other, or one after the other");
  private static final Option<Form> FORM =
      Option.choice("form", Form.CODE, "the equation: of the authors' code, or of the paper");

  static final Mechanism MECHANISM =
      Mechanism.named("polarized", "Polarized self-attention")
          .paper("2107.00782")
          .summary("gates each channel and each position, each from half of the channels")
          .equation(
              """
              c = σ(up(Σ_n softmax_n(q_r x_n) v_r x_n))
              s = σ(softmax_n(mean(q_l x) · v_l x_n))
                  sequential: σ(mean(q_l x) · softmax_n(v_l x_n))
              y = x · c + x · s                                sequential: s of x · c, times x · c
              """)
          .cost("C + 4·C·d; d = C / 2", "N·(C + 3·C·d + 2·d) + C·d; d = C / 2")
          .code(
              "authors and reference",
              "DeLightCMU/PSA",
              "20e307a",
              "semantic-segmentation/network/PSA.py")
          .variant(
              "polarized:form=paper",
              "fightingcv and YOLO, with a softmax over the channels as in the paper's formula")
          .variant("polarized:order=sequential", "PSA_s")
          .copy(
              "fightingcv d75848e",
              "the spatial softmax is over the channels of the mean query (difference 3.3e-16; to one over"
                  + " positions 0.53); all convolutions have biases, and the channel branch ends with a"
                  + " layer norm; the names are ch_wv, ch_wq, ch_wz, ln, sp_wv and sp_wq")
          .copy("YOLO cb1b621", "the same as fightingcv")
          .options(ORDER, FORM)
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES, Mechanism.Shows.SPATIAL_GATES)
          .written(
              Written.here(
                  s ->
                      s.has("ch_wv.weight")
                          ? Stream.of("form=paper")
                          : !s.has("conv_q_left.weight")
                              ? Stream.empty()
                              : Stream.of(
                                  "order="
                                      + (s.has("conv_up.0.weight") ? "sequential" : "parallel"))))
          .madeBy(PolarizedAttention::new);

  /** The sum of both results, or the spatial gate of what the channel gate gave. */
  enum Order {
    PARALLEL,
    SEQUENTIAL
  }

  /** The authors' code, or the formula in the paper as copies compute it. */
  enum Form {
    CODE,
    PAPER
  }

  private final Order order;
  private final Form form;
  private final Convolution queryOfChannels; // to one channel: the weights of the positions
  private final Convolution valueOfChannels;
  private final Layer up;
  private final GroupNorm norm; // null with form=code
  private final Convolution queryOfPositions;
  private final Convolution valueOfPositions;

  private PolarizedAttention(Settings settings) {
    super(settings);
    order = settings.get(ORDER);
    form = settings.get(FORM);
    long half = Math.max(1, channels() / 2);
    if (form == Form.PAPER) {
      valueOfChannels = register_module("ch_wv", pointwise(channels(), half, true));
      queryOfChannels = register_module("ch_wq", pointwise(channels(), 1, true));
      up = register_module("ch_wz", pointwise(half, channels(), true));
      norm = register_module("ln", new GroupNorm(1, channels()));
      valueOfPositions = register_module("sp_wv", pointwise(channels(), half, true));
      queryOfPositions = register_module("sp_wq", pointwise(channels(), half, true));
    } else {
      queryOfChannels = register_module("conv_q_right", projection(1));
      valueOfChannels = register_module("conv_v_right", projection(half));
      up = register_module("conv_up", up(half));
      norm = null;
      queryOfPositions = register_module("conv_q_left", projection(half));
      valueOfPositions = register_module("conv_v_left", projection(half));
    }
  }

  private Convolution pointwise(long in, long out, boolean bias) {
    return Convolution.builder(dimensions(), in, out, 1).bias(bias).build();
  }

  private Convolution projection(long out) {
    return pointwise(channels(), out, false).startingNormal();
  }

  private Layer up(long half) {
    if (order == Order.PARALLEL) {
      return pointwise(half, channels(), false);
    }
    long narrow = Math.max(1, half / NARROWER);
    return new Sequence()
        .add("0", pointwise(half, narrow, true))
        .add("1", GroupNorm.ofVector(narrow, dimensions(), GroupNorm.EPSILON))
        .add("2", Activation.RELU)
        .add("3", pointwise(narrow, channels(), true));
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T ofChannels = ofChannels(ops, x);
    if (order == Order.PARALLEL) {
      return ops.gate(x, ops.add(ofChannels, ofPositions(ops, x)));
    }
    T gated = ops.gate(x, ofChannels);
    return ops.gate(gated, ofPositions(ops, gated));
  }

  /** The gates of the channels, {@code [B, C, 1...]}. */
  private <T> T ofChannels(Ops<T> ops, T x) {
    T weights = ops.softmax(ops.flatten(queryOfChannels.apply(ops, x)), -1); // [B, 1, N]
    T values = ops.flatten(valueOfChannels.apply(ops, x)); // [B, C/2, N]
    T context = ops.reshape(ops.matmul(values, ops.transpose(weights)), 0, -1);
    T scores = up.apply(ops, ops.perChannel(context, x));
    return ops.sigmoid(norm == null ? scores : norm.apply(ops, scores));
  }

  /** The gates of the positions, {@code [B, 1, spatial...]}. */
  private <T> T ofPositions(Ops<T> ops, T x) {
    T query = ops.reshape(ops.mean(queryOfPositions.apply(ops, x)), 0, 1, -1); // [B, 1, C/2]
    T values = ops.flatten(valueOfPositions.apply(ops, x)); // [B, C/2, N]
    T scores;
    if (form == Form.PAPER) {
      scores = ops.matmul(ops.softmax(query, -1), values);
    } else if (order == Order.PARALLEL) {
      scores = ops.softmax(ops.matmul(query, values), -1);
    } else {
      scores = ops.matmul(query, ops.softmax(values, -1));
    }
    return ops.sigmoid(ops.unflatten(scores, x));
  }
}
