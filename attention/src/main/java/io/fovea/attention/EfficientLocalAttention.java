package io.fovea.attention;

import static io.fovea.attention.Option.atLeast;
import static io.fovea.attention.Option.dividing;

import io.fovea.nn.Convolution;
import io.fovea.nn.GroupNorm;
import io.fovea.nn.Ops;
import java.util.List;
import java.util.stream.Stream;

/**
 * Efficient local attention: each channel has a gate for each row and a gate for each column, from a
 * convolution along the means of the rows and of the columns, without a reduction.
 *
 * <p>Xu, Wan: <a href="https://arxiv.org/abs/2403.01123">ELA</a>, section 3. There is no code of the
 * authors; the module follows the listing in the paper. Convolution and norm are the same for both
 * directions. The paper's sizes:
 *
 * <table>
 *   <caption>Sizes</caption>
 *   <tr><th>{@code size}</th><th>kernel</th><th>groups of the convolution</th><th>groups of GN</th></tr>
 *   <tr><td>{@code t}</td><td>5</td><td>C</td><td>32</td></tr>
 *   <tr><td>{@code b}</td><td>7</td><td>C</td><td>16</td></tr>
 *   <tr><td>{@code s}</td><td>5</td><td>C/8</td><td>16</td></tr>
 *   <tr><td>{@code l}</td><td>7</td><td>C/8</td><td>16</td></tr>
 * </table>
 *
 * <p>timm's {@code ela} has a convolution and a norm for each direction, and a SiLU before the
 * sigmoid; it is another mechanism.
 *
 * <p>Parameters: {@code conv.weight [C, C / groups, k]}, {@code gn [C]}.
 */
final class EfficientLocalAttention extends Attention {
  private static final int CHANNELS_IN_GROUP = 8; // of sizes S and L

  private static final Option<Size> SIZE =
      Option.choice("size", Size.B, "the paper's size: tiny, base, small or large");
  private static final Option<Integer> GROUPS =
      dividing(
          1,
          1,
          atLeast(1, Option.integer("groups", 16, "groups of the norm; must divide the channels"))
              .byDefault(settings -> settings.get(SIZE).normGroups)
              .samples(List.of(16, 4, 1)));

  static final Mechanism MECHANISM =
      Mechanism.named("ela", "Efficient local attention")
          .paper("2403.01123")
          .summary("gates the rows and the columns of each channel, without a reduction")
          .equation("y = x · σ(GN(conv(mean over columns))) · σ(GN(conv(mean over rows)))")
          .cost("9·C", "7·C·(H + W)")
          .code("reference", "AIFengheshu/Plug-play-modules", "2f933bc", "")
          .variant("ela:size=t", "the paper's sizes are t, b, s and l")
          .copy(
              "YOLO cb1b621",
              "another equation: a 1 x 1 convolution with a bias (conv1x1.0.weight [16, 16,"
                  + " 1] for 16 channels); it cannot be loaded")
          .copy(
              "timm 1.0.31",
              "another equation: a convolution and a norm for each direction (conv_h,"
                  + " conv_w, norm_h, norm_w); it cannot be loaded")
          .shown("the gate of each row and of each column, multiplied")
          .options(SIZE, GROUPS)
          .dimensions(2)
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES, Mechanism.Shows.SPATIAL_GATES)
          .written(
              Written.here(
                  s ->
                      s.has("gn.weight")
                          ? Stream.of("size=b", "size=t", "size=s", "size=l")
                          : Stream.empty()),
              Written.refused(
                  "YOLO's copies",
                  "it has a 1x1 convolution instead of one along the strips",
                  "conv1x1\\.[01]\\.(weight|bias)"),
              Written.refused(
                  "timm",
                  "it has two convolutions and two norms of one group, and a SiLU before the sigmoid",
                  "conv_[hw]\\.weight",
                  "norm_[hw]\\.(weight|bias)"))
          .madeBy(EfficientLocalAttention::new);

  /** The paper's sizes. */
  enum Size {
    T(5, true, 32),
    B(7, true, 16),
    S(5, false, 16),
    L(7, false, 16);

    private final int kernel;
    private final boolean depthwise;
    private final int normGroups;

    Size(int kernel, boolean depthwise, int normGroups) {
      this.kernel = kernel;
      this.depthwise = depthwise;
      this.normGroups = normGroups;
    }
  }

  private final Convolution conv;
  private final GroupNorm gn;

  private EfficientLocalAttention(Settings settings) {
    super(settings);
    Size size = settings.get(SIZE);
    if (!size.depthwise && channels() % CHANNELS_IN_GROUP != 0) {
      throw refuse(
          "size="
              + Option.text(size)
              + " has groups of 8 channels, and 8 does not divide the "
              + channels()
              + " channels; sizes t and b would fit");
    }
    conv =
        register_module(
            "conv",
            Convolution.builder(1, channels(), channels(), size.kernel)
                .padding(size.kernel / 2)
                .groups(size.depthwise ? channels() : channels() / CHANNELS_IN_GROUP)
                .bias(false)
                .build());
    gn = register_module("gn", new GroupNorm(settings.dividing(GROUPS), channels()));
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T ofRows = ops.reshape(gates(ops, ops.mean(x, 3)), 0, 0, -1, 1); // [B, C, H, 1]
    T ofColumns = ops.reshape(gates(ops, ops.mean(x, 2)), 0, 0, 1, -1); // [B, C, 1, W]
    return ops.gate(ops.gate(x, ofRows), ofColumns);
  }

  /** The gates along one direction, {@code [B, C, L]}. */
  private <T> T gates(Ops<T> ops, T means) {
    return ops.sigmoid(gn.apply(ops, conv.apply(ops, ops.flatten(means))));
  }
}
