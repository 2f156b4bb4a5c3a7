package io.fovea.attention;

import static io.fovea.attention.Option.odd;

import io.fovea.nn.BatchNorm;
import io.fovea.nn.Component;
import io.fovea.nn.Convolution;
import io.fovea.nn.Ops;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Module;

/**
 * Triplet attention: the mean of three gates, over channels and columns, rows and channels, and
 * rows and columns. Each gate is computed from the maximum and the mean over the remaining
 * dimension.
 *
 * <p>Misra, Nalamada, Arasanipalai, Hou: <a href="https://arxiv.org/abs/2010.03045">Rotate to
 * Attend</a>, section 3. Without the last gate ({@code spatial=false}), the mean is over two gates.
 * The parameter names come from the repository's {@code triplet_attention.py}; in its networks, the
 * gates are {@code ChannelGateH}, {@code ChannelGateW} and {@code SpatialGate}, each with {@code
 * .spatial.conv} and {@code .spatial.bn} ({@code names=networks}).
 *
 * <p>Parameters: {@code cw}, {@code hc} and {@code hw}, each with {@code .conv.conv.weight [1, 2,
 * k, k]} and {@code .conv.bn}.
 */
final class TripletAttention extends Attention {
  private static final double NORM_MOMENTUM = 0.01; // as in the authors' code

  private static final Option<Integer> KERNEL =
      odd(Option.integer("kernel", 7, "side of the convolution kernels"));
  private static final Option<Boolean> SPATIAL =
      Option.flag("spatial", true, "use the gate over rows and columns");

  private static final Option<Names> NAMES = Names.option();

  static final Mechanism MECHANISM =
      Mechanism.named("triplet", "Triplet attention")
          .paper("2010.03045")
          .summary("gates each pair of dimensions among channels, rows and columns")
          .equation(
              """
              g(y) = σ(BN(conv([max₁(y), mean₁(y)])))        over the second dimension
              out  = x · (g([B,H,C,W]) + g([B,W,H,C]) + g([B,C,H,W])) / 3
              """)
          .cost("3·(2·kernel² + 2)", "2·kernel²·(C·W + C·H + N)")
          .code(
              "authors and reference",
              "landskape-ai/triplet-attention",
              "2cf02fb",
              "triplet_attention.py")
          .variant(
              "triplet:names=networks",
              "the names of MODELS/triplet_attention.py, which the authors' trained networks have")
          .variant("triplet:spatial=false", "without the third gate (no_spatial)")
          .copy(
              "changzy00 8ce59da",
              "has a ReLU before the sigmoid: no gate is below 0.5. Its convolution has a bias")
          .shown(
              "the mean of the three gates, of channels and rows, channels and columns, rows"
                  + " and columns")
          .options(KERNEL, SPATIAL, NAMES)
          .dimensions(2)
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES, Mechanism.Shows.SPATIAL_GATES)
          .written(
              Written.here(TripletAttention::read),
              Written.refused(
                  "changzy00",
                  "it has biases, a ReLU before the sigmoid, and another order of the dimensions",
                  "(ch|cw|hw)\\.conv\\..*",
                  "ch\\.conv\\.conv\\.weight"))
          .madeBy(TripletAttention::new);

  /** The options that names and shapes tell. */
  private static Stream<String> read(ModuleState s) {
    boolean module = s.has("cw.conv.conv.weight");
    String first = module ? "cw.conv" : "ChannelGateH.spatial";
    String last = module ? "hw.conv" : "SpatialGate.spatial";
    return s.has(first + ".conv.weight")
        ? Stream.of(
            "kernel="
                + s.size(first + ".conv.weight", 2)
                + ",spatial="
                + s.has(last + ".conv.weight")
                + ",names="
                + (module ? "module" : "networks"))
        : Stream.empty();
  }

  private final Gate cw;
  private final Gate hc;
  private final Gate hw; // null if it is turned off

  private TripletAttention(Settings settings) {
    super(settings);
    int kernel = settings.get(KERNEL);
    Names names = settings.get(NAMES);
    cw = register_module(names.of("cw", "ChannelGateH"), new Gate(kernel, names));
    hc = register_module(names.of("hc", "ChannelGateW"), new Gate(kernel, names));
    hw =
        settings.get(SPATIAL)
            ? register_module(names.of("hw", "SpatialGate"), new Gate(kernel, names))
            : null;
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T rowsFirst = ops.permute(x, 0, 2, 1, 3); // [B, H, C, W]
    T columnsFirst = ops.permute(x, 0, 3, 2, 1); // [B, W, H, C]
    T ofColumns = ops.permute(cw.of(ops, rowsFirst), 0, 2, 1, 3); // [B, C, 1, W]
    T ofRows = ops.permute(hc.of(ops, columnsFirst), 0, 3, 2, 1); // [B, C, H, 1]
    T both = ops.add(ofColumns, ofRows);
    return ops.gate(x, hw == null ? ops.div(both, 2) : ops.div(ops.add(hw.of(ops, x), both), 3));
  }

  /** {@code [B, A, H, W] -> [B, 1, H, W]}. */
  private static final class Gate extends Component {
    private final Module parts; // for the names of the parameters
    private final Convolution conv;
    private final BatchNorm bn = new BatchNorm(1, BatchNorm.EPSILON, NORM_MOMENTUM);

    Gate(int kernel, Names names) {
      super("Gate");
      String name = names.of("conv", "spatial");
      parts = new Module(name);
      conv = Convolution.builder(2, 2, 1, kernel).padding(kernel / 2).bias(false).build();
      parts.register_module("conv", conv);
      parts.register_module("bn", bn);
      register_module(name, parts);
    }

    <T> T of(Ops<T> ops, T x) {
      T descriptor = ops.concat(1, ops.max(x, 1), ops.mean(x, 1));
      return ops.sigmoid(bn.apply(ops, conv.apply(ops, descriptor)));
    }
  }
}
