package io.fovea.attention;

import static io.fovea.attention.Option.atLeast;
import static io.fovea.attention.Option.dividing;

import io.fovea.nn.Convolution;
import io.fovea.nn.GroupNorm;
import io.fovea.nn.Ops;
import java.util.List;

/**
 * Efficient multi-scale attention: in each group of channels, a branch with gates for rows and
 * columns and a branch with a 3 × 3 convolution weight each other's channels, and their sum gates the
 * positions.
 *
 * <p>Ouyang and others: <a href="https://arxiv.org/abs/2305.13563">Efficient Multi-Scale Attention
 * Module with Cross-Spatial Learning</a>, section 3. GN normalises each channel by itself. The layers
 * are shared by all groups. Some copies have 8 groups. EMANet, of expectation maximisation, is another
 * mechanism.
 *
 * <p>Parameters, with c = C / factor: {@code gn [c]}, {@code conv1x1 [c, c, 1, 1]}, {@code conv3x3
 * [c, c, 3, 3]}; the convolutions have biases.
 */
final class MultiScaleAttention extends Attention {
  private static final int NARROWEST = 8; // channels of a group in the first stage of ResNet-50

  private static final Option<Integer> FACTOR =
      dividing(
          1,
          NARROWEST,
          atLeast(1, Option.integer("factor", 32, "number of groups; must divide the channels"))
              .samples(List.of(32, 1, 4)));

  static final Mechanism MECHANISM =
      Mechanism.named("ema", "Efficient multi-scale attention")
          .paper("2305.13563")
          .summary("gates each position, in groups of channels, from two branches")
          .equation(
              """
              [h ; w] = conv1x1([mean over columns ; mean over rows])
              x₁ = GN(x · σ(h) · σ(w))              x₂ = conv3x3(x)
              y  = x · σ(softmax(mean(x₁)) · x₂ + softmax(mean(x₂)) · x₁)      softmax over channels
              """)
          .cost(
              "10·c² + 4·c; c = C / factor", "factor·(c²·(H + W) + 9·c²·N + 2·c·N); c = C / factor")
          .code(
              "authors and reference",
              "YOLOonMe/EMA-attention-module",
              "afc37ec",
              "EMA_attention_module")
          .variant("ema:factor=8", "YOLO")
          .copy("YOLO cb1b621", "has 8 groups (gn.weight [8] for 64 channels)")
          .options(FACTOR)
          .dimensions(2)
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES, Mechanism.Shows.SPATIAL_GATES)
          .written(
              Written.here(
                  s ->
                      ModuleState.quotient(s.channels(), s.size("gn.weight", 0))
                          .map(factor -> "factor=" + factor)))
          .madeBy(MultiScaleAttention::new);

  private final long width; // channels of a group
  private final GroupNorm gn;
  private final Convolution conv1x1;
  private final Convolution conv3x3;

  private MultiScaleAttention(Settings settings) {
    super(settings);
    width = channels() / settings.dividing(FACTOR);
    gn = register_module("gn", new GroupNorm(width, width));
    conv1x1 = register_module("conv1x1", Convolution.builder(2, width, width, 1).build());
    conv3x3 =
        register_module("conv3x3", Convolution.builder(2, width, width, 3).padding(1).build());
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T groups = ops.reshape(x, -1, width, 0, 0); // [B · G, c, H, W]
    T rows = ops.mean(groups, 3); // [B · G, c, H, 1]
    T columns = ops.transpose(ops.mean(groups, 2)); // [B · G, c, W, 1]
    T both = conv1x1.apply(ops, ops.concat(2, rows, columns));
    T ofRows = ops.sigmoid(ops.first(both, 2, rows));
    T ofColumns = ops.sigmoid(ops.transpose(ops.last(both, 2, columns)));
    T x1 = gn.apply(ops, ops.mul(ops.mul(groups, ofRows), ofColumns));
    T x2 = conv3x3.apply(ops, groups);
    T scores = ops.add(weighted(ops, x1, x2), weighted(ops, x2, x1)); // [B · G, 1, N]
    T gated = ops.gate(groups, ops.sigmoid(ops.unflatten(scores, groups)));
    return ops.reshape(gated, -1, channels(), 0, 0);
  }

  /** The mean of the channels of one branch, weighted by the other one. */
  private static <T> T weighted(Ops<T> ops, T weights, T values) {
    T shares = ops.reshape(ops.softmax(ops.mean(weights), 1), 0, 1, -1); // [B · G, 1, c]
    return ops.matmul(shares, ops.flatten(values));
  }
}
