package io.fovea.attention;

import static io.fovea.attention.Option.atLeast;

import io.fovea.nn.Activation;
import io.fovea.nn.Convolution;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import java.util.stream.Stream;

/**
 * Concurrent spatial and channel squeeze and excitation: a gate for each channel, as in SE, beside a
 * gate for each position from one convolution.
 *
 * <p>Roy, Navab, Wachinger: <a href="https://arxiv.org/abs/1803.02579">Concurrent Spatial and
 * Channel Squeeze and Excitation</a>, section 2. The sum, the reduction of 16 and the names are those
 * of segmentation-models-pytorch. The authors' code is {@code scse:reduction=2,fusion=max}, with
 * linear layers that have other names. Some copies have no biases and no ReLU ({@code
 * bias=false,relu=false}).
 *
 * <p>Parameters: {@code cSE.1 [C/r, C, 1...]}, {@code cSE.3 [C, C/r, 1...]}, {@code sSE.0 [1, C,
 * 1...]}, each with a bias.
 */
final class ConcurrentSqueezeExcitation extends Attention {
  private static final Option<Integer> REDUCTION =
      atLeast(
          1,
          Option.integer(
              "reduction", 16, "the factor by which the channel gate reduces the channels"));
  private static final Option<Fusion> FUSION =
      Option.choice("fusion", Fusion.ADD, "how the two results are combined");
  private static final Option<Boolean> BIAS =
      Option.flag("bias", true, "whether the three convolutions have biases");
  private static final Option<Boolean> RELU =
      Option.flag("relu", true, "whether a ReLU is between the channel gate's convolutions");

  static final Mechanism MECHANISM =
      Mechanism.named("scse", "Concurrent spatial and channel squeeze-and-excitation")
          .paper("1803.02579")
          .summary("gates each channel and, beside it, each position")
          .equation(
              """
              c = σ(W₂ relu(W₁ mean(x)))      s = σ(w x)
              y = x · c + x · s    fusion=max: the larger one of x · c and x · s, value by value
              """)
          .cost(
              "2·C·d + d + 2·C + 1; d = max(1, C / reduction)",
              "2·C·d + N·C; d = max(1, C / reduction)")
          .code("authors", "ai-med/squeeze_and_excitation", "acdd26e", "")
          .code(
              "reference",
              "qubvel-org/segmentation_models.pytorch",
              "5006616",
              "segmentation_models_pytorch/base/modules.py")
          .variant("scse:fusion=max,reduction=2", "the authors' code, with other names")
          .variant("scse:reduction=2,bias=false,relu=false", "pprp")
          .copy(
              "pprp 59997fe",
              "no ReLU between the two layers and no biases; a reduction of 2; the two gated maps are added"
                  + " (difference 4.4e-16)")
          .options(REDUCTION, FUSION, BIAS, RELU)
          .place(Mechanism.Place.STAGE_ENDS)
          .shows(Mechanism.Shows.CHANNEL_GATES, Mechanism.Shows.SPATIAL_GATES)
          .written(
              Written.here(s -> read(s, "fusion=add")),
              Written.by(
                  "the authors",
                  s -> read(s, "fusion=max"),
                  "^cSE\\.fc1\\.",
                  "cSE.1.",
                  "^cSE\\.fc2\\.",
                  "cSE.3.",
                  "^sSE\\.conv\\.",
                  "sSE.0."))
          .madeBy(ConcurrentSqueezeExcitation::new);

  /** The options that names and shapes tell. */
  private static Stream<String> read(ModuleState s, String fusion) {
    return s.reductions("cSE.1.weight")
        .map(reduction -> fusion + ",reduction=" + reduction + ",bias=" + s.has("cSE.1.bias"));
  }

  /** The sum of the two results, or the larger one of each pair of values. */
  enum Fusion {
    ADD,
    MAX
  }

  private final Fusion fusion;
  private final Sequence cSe = new Sequence();
  private final Sequence sSe = new Sequence();

  private ConcurrentSqueezeExcitation(Settings settings) {
    super(settings);
    fusion = settings.get(FUSION);
    long hidden = settings.reduced(REDUCTION);
    boolean bias = settings.get(BIAS);
    cSe.add("1", pointwise(channels(), hidden, bias));
    if (settings.get(RELU)) {
      cSe.add("2", Activation.RELU);
    }
    cSe.add("3", pointwise(hidden, channels(), bias));
    sSe.add("0", pointwise(channels(), 1, bias));
    register_module("cSE", cSe);
    register_module("sSE", sSe);
  }

  private Convolution pointwise(long in, long out, boolean bias) {
    return Convolution.builder(dimensions(), in, out, 1).bias(bias).build();
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T ofChannels = ops.sigmoid(cSe.apply(ops, ops.perChannel(ops.mean(x), x)));
    T ofPositions = ops.sigmoid(sSe.apply(ops, x));
    return switch (fusion) {
      case ADD -> ops.gate(x, ops.add(ofChannels, ofPositions));
      case MAX -> ops.largerGated(x, ofChannels, ofPositions);
    };
  }

  @Override
  protected boolean takesChannelsLast() {
    return true;
  }
}
