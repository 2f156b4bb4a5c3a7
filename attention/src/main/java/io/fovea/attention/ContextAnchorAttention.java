package io.fovea.attention;

import static io.fovea.attention.Option.odd;

import io.fovea.nn.BatchNorm;
import io.fovea.nn.Component;
import io.fovea.nn.Convolution;
import io.fovea.nn.Ops;
import java.util.stream.Stream;

/**
 * Context anchor attention: each value is scaled by a gate from an average of its surroundings and two
 * long strips.
 *
 * <p>Cai, Lai, Wang, Wang, Sun, Liao: <a href="https://arxiv.org/abs/2403.06258">Poly Kernel Inception
 * Network</a>, section 3.3. The authors' class returns the gate, and their network multiplies another
 * branch by it; here x is multiplied, as in copies. Zeros around the map count in the averages of 7 x 7.
 *
 * <p>{@code norm=true} is the default of the authors' class, whose batch norms have epsilon 1e-3 and
 * momentum 0.03. Their network builds it with {@code norm=false}: without batch norms and without SiLU,
 * but with biases. In copies the batch norms have PyTorch's epsilon and momentum ({@code
 * epsilon=0.00001,momentum=0.1}), and {@code h_conv} and {@code v_conv} have no {@code .conv} in their
 * names.
 *
 * <p>Parameters: {@code conv1.conv}, {@code conv2.conv [C, C, 1, 1]}, {@code h_conv.conv [C, 1, 1, k]},
 * {@code v_conv.conv [C, 1, k, 1]}; the strips have a bias, and the others the batch norms {@code
 * conv1.bn} and {@code conv2.bn}, or without them a bias.
 */
final class ContextAnchorAttention extends Attention {
  private static final int WINDOW = 7;

  private static final Option<Boolean> NORM =
      Option.flag("norm", true, "batch norms and SiLU after the 1x1 convolutions");
  private static final Option<Integer> KERNEL =
      odd(Option.integer("kernel", 11, "the length of the strips"));
  private static final Option<Double> EPSILON =
      Option.number("epsilon", 0.001, "what the batch norms add to the variance")
          .onlyWith(NORM, norm -> norm);
  private static final Option<Double> MOMENTUM =
      Option.number("momentum", 0.03, "the weight of a batch in the running statistics")
          .onlyWith(NORM, norm -> norm);

  static final Mechanism MECHANISM =
      Mechanism.named("caa", "Context anchor attention")
          .paper("2403.06258")
          .summary("gates each value, from an average of its surroundings and two long strips")
          .equation(
              """
              y = x · σ(f₂(depthwise_kₓ₁(depthwise₁ₓ_k(f₁(average₇(x))))))
                  f = SiLU(BN(1x1 convolution))
              """)
          .cost("2·C² + 6·C + 2·kernel·C", "N·(2·C² + 2·kernel·C)")
          .code(
              "authors and reference",
              "NUST-Machine-Intelligence-Laboratory/PKINet",
              "c1e72da",
              "mmrotate/models/backbones/pkinet.py")
          .variant("caa:norm=false,kernel=13", "the second block of PKINet")
          .variant("caa:epsilon=0.00001,momentum=0.1", "YOLO")
          .copy(
              "YOLO cb1b621",
              "batch norms with epsilon 1e-5 and momentum 0.1, and the name h_conv.weight"
                  + " instead of h_conv.conv.weight")
          .options(NORM, KERNEL, EPSILON, MOMENTUM)
          .dimensions(2)
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES, Mechanism.Shows.SPATIAL_GATES)
          .written(
              Written.here(s -> read(s, "")),
              Written.by(
                  "YOLO's copies",
                  s -> read(s, ",epsilon=0.00001,momentum=0.1"),
                  "^([hv])_conv\\.(weight|bias)$",
                  "$1_conv.conv.$2"))
          .madeBy(ContextAnchorAttention::new);

  /** The options that names and shapes tell. */
  private static Stream<String> read(ModuleState s, String epsilon) {
    boolean norm = s.has("conv1.bn.weight");
    return s.has("h_conv.conv.weight")
        ? Stream.of(
            "kernel=" + s.size("h_conv.conv.weight", 3) + ",norm=" + norm + (norm ? epsilon : ""))
        : Stream.empty();
  }

  private final boolean norm;
  private final Part conv1;
  private final Part horizontal;
  private final Part vertical;
  private final Part conv2;

  private ContextAnchorAttention(Settings settings) {
    super(settings);
    norm = settings.get(NORM);
    int kernel = settings.get(KERNEL);
    conv1 = register_module("conv1", pointwise(settings));
    horizontal =
        register_module("h_conv", new Part(strip().kernel(1, kernel).padding(0, kernel / 2), null));
    vertical =
        register_module("v_conv", new Part(strip().kernel(kernel, 1).padding(kernel / 2, 0), null));
    conv2 = register_module("conv2", pointwise(settings));
  }

  private Part pointwise(Settings settings) {
    return new Part(
        Convolution.builder(2, channels(), channels(), 1).bias(!norm),
        norm ? new BatchNorm(channels(), settings.get(EPSILON), settings.get(MOMENTUM)) : null);
  }

  private Convolution.Builder strip() {
    return Convolution.builder(2, channels(), channels(), 1).groups(channels());
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T around = conv1.apply(ops, ops.averagePool(x, WINDOW, 1, WINDOW / 2, true));
    T strips = vertical.apply(ops, horizontal.apply(ops, around));
    return ops.gate(x, ops.sigmoid(conv2.apply(ops, strips)));
  }

  @Override
  protected void checkShape(long[] shape) {
    if (norm) {
      refuseSingleValue(
          valuesPerChannel(shape), shape, "use norm=false, or more images or positions");
    }
  }

  /** A convolution, and with a batch norm also that and SiLU. */
  private static final class Part extends Component {
    private final Convolution conv;
    private final BatchNorm bn;

    Part(Convolution.Builder builder, BatchNorm bn) {
      super("Part");
      conv = register_module("conv", builder.build());
      this.bn = bn == null ? null : register_module("bn", bn);
    }

    <T> T apply(Ops<T> ops, T x) {
      if (bn == null) {
        return conv.apply(ops, x);
      }
      T y = ops.convolution(conv, bn, null, x);
      return ops.mul(y, ops.sigmoid(y));
    }
  }
}
