package io.fovea.attention;

import static io.fovea.attention.Option.atLeast;

import io.fovea.attention.fast.GateAtBlockEnd;
import io.fovea.attention.fast.SqueezeExcitationKernels;
import io.fovea.nn.Activation;
import io.fovea.nn.Linear;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import java.util.stream.Stream;

/**
 * Squeeze-and-excitation: each channel is scaled by a gate that two linear layers compute from the
 * channels' means.
 *
 * <p>Hu, Shen, Sun: <a href="https://arxiv.org/abs/1709.01507">Squeeze-and-Excitation Networks</a>,
 * section 3. As in the reference implementation, there are no biases; the authors' own networks
 * have them ({@code bias}). Differences from the reference: there may be any number of spatial
 * dimensions, and the reduced width is at least 1.
 *
 * <p>MobileNetV3's own blocks are {@code se:reduction=4,bias=true,excitation=hard_sigmoid,divisor=8}
 * (Howard and others: <a href="https://arxiv.org/abs/1905.02244">Searching for MobileNetV3</a>,
 * section 5.3). EfficientNet's are {@code se:reduction=4,bias=true,of=block,activation=silu}, RegNetY's
 * {@code se:reduction=4,bias=true,of=block}: their reduced width is a part of the channels that enter a
 * block, although the feature map in the block has other channels. Outside of a block, {@code of} has no
 * effect.
 *
 * <p>Parameters: {@code fc.0.weight [C/r, C]}, {@code fc.2.weight [C, C/r]}, with {@code bias} also
 * {@code fc.0.bias}, {@code fc.2.bias}.
 */
final class SqueezeExcitation extends Attention {
  private static final Option<Integer> REDUCTION =
      atLeast(
          1,
          Option.integer(
              "reduction", 16, "the factor by which the first layer reduces the channels"));
  private static final Option<Boolean> BIAS =
      Option.flag("bias", false, "whether both layers have biases, as in the authors' networks");
  private static final Option<Squeeze> SQUEEZE =
      Option.choice("squeeze", Squeeze.AVG, "the pooling of a channel to one number (table 11)");
  private static final Option<Excitation> EXCITATION =
      Option.choice("excitation", Excitation.SIGMOID, "the activation of the gate (table 12)");
  private static final Option<Integer> DIVISOR =
      atLeast(
          1,
          Option.integer(
              "divisor", 1, "the reduced width is rounded to a multiple of this number"));

  private static final Option<Of> OF =
      Option.choice(
          "of", Of.MAP, "the channels that are reduced: the feature map's, or the block's input's");
  private static final Option<Hidden> ACTIVATION =
      Option.choice("activation", Hidden.RELU, "the activation between the layers");

  static final Mechanism MECHANISM =
      Mechanism.named("se", "Squeeze-and-excitation")
          .paper("1709.01507")
          .summary("gates each channel")
          .equation("y = x · σ(W₂ relu(W₁ mean(x)))")
          .cost("2·C·d; d = max(1, C / reduction)", "2·C·d; d = max(1, C / reduction)")
          .code("authors, for Caffe", "hujie-frank/SENet", "0262d43", "")
          .code("reference", "moskomule/senet.pytorch", "8cb2669", "senet/se_module.py")
          .variant("se:bias=true,divisor=8", "timm's SEModule")
          .variant(
              "se:reduction=4,bias=true,excitation=hard_sigmoid,divisor=8",
              "torchvision's MobileNetV3")
          .variant("se:reduction=4,bias=true,of=block", "torchvision's RegNetY")
          .variant(
              "se:reduction=4,bias=true,of=block,activation=silu", "torchvision's EfficientNet")
          .options(REDUCTION, BIAS, SQUEEZE, EXCITATION, DIVISOR, OF, ACTIVATION)
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES)
          .comparedByDefault()
          .written(
              Written.here(SqueezeExcitation::read),
              Written.by(
                  "timm, torchvision and pretrainedmodels",
                  SqueezeExcitation::read,
                  "^fc1\\.",
                  "fc.0.",
                  "^fc2\\.",
                  "fc.2."),
              Written.by(
                  "timm's EfficientNets",
                  SqueezeExcitation::read,
                  "^conv_reduce\\.",
                  "fc.0.",
                  "^conv_expand\\.",
                  "fc.2."),
              Written.by(
                  "MMCV and mmpretrain",
                  SqueezeExcitation::read,
                  "^conv([12])\\.conv\\.",
                  "fc.$1.",
                  "^fc\\.1\\.",
                  "fc.0."))
          .madeBy(SqueezeExcitation::new);

  /** The options that names and shapes tell. */
  private static Stream<String> read(ModuleState s) {
    return s.reductions("fc.0.weight")
        .flatMap(
            reduction ->
                Stream.of("", ",divisor=8")
                    .map(
                        divisor ->
                            "reduction=" + reduction + ",bias=" + s.has("fc.0.bias") + divisor));
  }

  /** The pooling of a channel to one number: its mean, its maximum, or half of each. */
  enum Squeeze {
    AVG,
    MAX,
    AVGMAX
  }

  /** The activation of the gate; the hard sigmoid is {@code min(max(x + 3, 0), 6) / 6}. */
  enum Excitation {
    SIGMOID,
    RELU,
    TANH,
    HARD_SIGMOID
  }

  /** The channels of which the reduced width is a part. */
  enum Of {
    MAP,
    BLOCK
  }

  /** The activation between the layers. */
  enum Hidden {
    RELU,
    SILU
  }

  private final Squeeze squeeze;
  private final Excitation excitation;
  private final Sequence fc;

  private SqueezeExcitation(Settings settings) {
    super(settings);
    squeeze = settings.get(SQUEEZE);
    excitation = settings.get(EXCITATION);
    boolean bias = settings.get(BIAS);
    long wide = settings.get(OF) == Of.MAP ? channels() : settings.entering();
    long reduced = rounded(Math.max(1, wide / settings.get(REDUCTION)), settings.get(DIVISOR));
    boolean relu = settings.get(ACTIVATION) == Hidden.RELU;
    Linear in = new Linear(channels(), reduced, bias);
    Linear out = new Linear(reduced, channels(), bias);
    fc =
        new Sequence()
            .add("0", in)
            .add("1", relu ? Activation.RELU : Activation.SILU)
            .add("2", out);
    register_module("fc", fc);
    if (squeeze == Squeeze.AVG && excitation == Excitation.SIGMOID && relu) {
      faster(new SqueezeExcitationKernels(in, out));
    }
    faster(new GateAtBlockEnd(x -> gates(tensors(), x)));
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    return ops.gate(x, gates(ops, x));
  }

  private <T> T gates(Ops<T> ops, T x) {
    T squeezed =
        switch (squeeze) {
          case AVG -> ops.mean(x);
          case MAX -> ops.max(x);
          case AVGMAX -> ops.div(ops.add(ops.mean(x), ops.max(x)), 2);
        };
    T excited = fc.apply(ops, squeezed); // [B, C]
    T gates =
        switch (excitation) {
          case SIGMOID -> ops.sigmoid(excited);
          case RELU -> ops.relu(excited);
          case TANH -> ops.tanh(excited);
          case HARD_SIGMOID -> ops.hardSigmoid(excited);
        };
    return ops.perChannel(gates, x);
  }

  @Override
  protected boolean takesChannelsLast() {
    return true;
  }

  /** The multiple of {@code divisor} that is nearest, but neither 0 nor less than nine tenths. */
  static long rounded(long value, int divisor) {
    long nearest = Math.max(divisor, (value + divisor / 2) / divisor * divisor);
    return 10 * nearest < 9 * value ? nearest + divisor : nearest;
  }
}
