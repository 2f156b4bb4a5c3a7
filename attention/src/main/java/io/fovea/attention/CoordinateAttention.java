package io.fovea.attention;

import static io.fovea.attention.Option.atLeast;

import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import io.fovea.nn.Ops;
import java.util.stream.Stream;

/**
 * Coordinate attention: each channel has a gate for each row and a gate for each column, computed
 * from the means along the other direction.
 *
 * <p>Hou, Zhou, Feng: <a href="https://arxiv.org/abs/2103.02907">Coordinate Attention</a>, section
 * 3. The hidden width is C / reduction, at least 8. In the authors' trained MobileNetV2,
 * {@code conv_h} and {@code conv_w} have the names {@code conv2} and {@code conv3} ({@code
 * names=networks}).
 *
 * <p>Parameters: {@code conv1 [c, C, 1, 1]}, {@code bn1}, {@code conv_h} and {@code conv_w [C, c,
 * 1, 1]}; the convolutions have biases.
 */
final class CoordinateAttention extends Attention {
  private static final Option<Integer> REDUCTION =
      atLeast(1, Option.integer("reduction", 32, "factor by which the channels are reduced"));

  private static final Option<Names> NAMES = Names.option();

  static final Mechanism MECHANISM =
      Mechanism.named("coord", "Coordinate attention")
          .paper("2103.02907")
          .summary("gates the rows and the columns of each channel")
          .equation(
              """
              u = h-swish(BN(W₁ [mean over columns ; mean over rows]))    one map of H + W positions
              y = x · σ(W_w u_w) · σ(W_h u_h)
              """)
          .cost(
              "3·C·d + 3·d + 2·C; d = max(8, C / reduction)",
              "2·(H + W)·C·d; d = max(8, C / reduction)")
          .code("authors and reference", "houqb/CoordAttention", "7619bea", "coordatt.py")
          .variant(
              "coord:names=networks",
              "the names of mbv2_ca.py, which the authors' trained MobileNetV2 has")
          .copy(
              "changzy00 8ce59da",
              "has no sigmoid on its gates: its factors lie between -0.15 and 0.28 in a new module")
          .copy(
              "timm 1.0.31", "has no biases (conv1.weight, conv_h.weight and conv_w.weight alone)")
          .shown("the gate of each row and of each column, multiplied")
          .options(REDUCTION, NAMES)
          .narrowest(8)
          .dimensions(2)
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES, Mechanism.Shows.SPATIAL_GATES)
          .written(
              Written.here(CoordinateAttention::read)
                  .doubt(
                      "coord: changzy00's copy has the same names, but a ReLU instead of the h-swish and no"
                          + " sigmoid at its gates; Fovea's results are others"),
              Written.refused(
                  "timm",
                  "it has no biases and another rule for its width",
                  "conv1\\.weight",
                  "bn1\\..*",
                  "conv_[hw]\\.weight"))
          .madeBy(CoordinateAttention::new);

  /** The options that names and shapes tell. */
  private static Stream<String> read(ModuleState s) {
    return s.reductions("conv1.weight")
        .map(
            reduction ->
                "reduction="
                    + reduction
                    + ",names="
                    + (s.has("conv_h.weight") ? "module" : "networks"));
  }

  private final Convolution conv1;
  private final BatchNorm bn1;
  private final Convolution convH;
  private final Convolution convW;

  private CoordinateAttention(Settings settings) {
    super(settings);
    long hidden = settings.reduced(REDUCTION);
    Names names = settings.get(NAMES);
    conv1 = register_module("conv1", Convolution.builder(2, channels(), hidden, 1).build());
    bn1 = register_module("bn1", new BatchNorm(hidden));
    convH =
        register_module(
            names.of("conv_h", "conv2"), Convolution.builder(2, hidden, channels(), 1).build());
    convW =
        register_module(
            names.of("conv_w", "conv3"), Convolution.builder(2, hidden, channels(), 1).build());
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T rows = ops.mean(x, 3); // [B, C, H, 1]
    T columns = ops.transpose(ops.mean(x, 2)); // [B, C, W, 1]
    T both = conv1.apply(ops, ops.concat(2, rows, columns)); // [B, c, H + W, 1]
    T u = ops.hardSwish(bn1.apply(ops, both));
    T ofRows = convH.apply(ops, ops.first(u, 2, rows)); // [B, C, H, 1]
    T ofColumns = convW.apply(ops, ops.transpose(ops.last(u, 2, columns))); // [B, C, 1, W]
    return ops.gate(ops.gate(x, ops.sigmoid(ofColumns)), ops.sigmoid(ofRows));
  }

  @Override
  protected void checkShape(long[] shape) {
    refuseSingleValue(
        shape[0] * (shape[2] + shape[3]), shape, "it normalises over rows and columns");
  }
}
