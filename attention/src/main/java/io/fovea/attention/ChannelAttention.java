package io.fovea.attention;

import io.fovea.attention.fast.ChannelContext;
import io.fovea.attention.fast.Context;
import io.fovea.nn.Ops;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * DANet's channel attention module: each channel attends to all channels, most to those that are
 * least similar to it.
 *
 * <p>Fu, Liu, Tian, Li, Bao, Fang, Lu: <a href="https://arxiv.org/abs/1809.02983">Dual Attention
 * Network for Scene Segmentation</a>, section 3.3. The authors' code and the reference
 * implementation subtract the energies from their maximum, which reverses their order; the equation
 * in the paper has a plain softmax ({@code softmax=plain}), and so has changzy00's copy. There may be
 * any number of spatial dimensions.
 *
 * <p>Parameters: {@code gamma [1]}.
 */
final class ChannelAttention extends Attention {
  private static final Option<Form> SOFTMAX =
      Option.choice("softmax", Form.REVERSED, "of max(E) - E, or as in the paper's equation, of E");

  static final Mechanism MECHANISM =
      Mechanism.named("cam", "Channel attention")
          .paper("1809.02983")
          .summary("each channel attends to all channels")
          .equation(
              """
              E = X Xᵀ;  y = γ · softmax(max(E) - E) X + x      X is [C, N], γ = 0 until trained
              """)
          .cost("1", "2·C²·N")
          .code("authors and reference", "junfu1115/DANet", "b0a0fa0", "encoding/nn/da_att.py")
          .variant("cam:softmax=plain", "changzy00, and the paper's equation; beta is gamma")
          .copy(
              "changzy00 8ce59da",
              "has a plain softmax of E, as the paper's equation (difference 0), and so"
                  + " differs from the authors' code by up to 3.2 on a map of normal numbers")
          .options(SOFTMAX)
          .place(Mechanism.Place.LAST_STAGE_BUT_ONE)
          .partName("sc")
          .shows(Mechanism.Shows.CHANNEL_AFFINITY)
          .comparedByDefault()
          .written(
              Written.here(Written.withoutOptions("gamma")),
              Written.by(
                  "MMSegmentation", Written.withoutOptions("gamma"), "^gamma\\.scale$", "gamma"))
          .madeBy(ChannelAttention::new);

  /** What the softmax is of. */
  enum Form {
    REVERSED,
    PLAIN
  }

  private final boolean reversed;
  private final Tensor gamma = torch.zeros(1);
  private final ChannelContext fast;

  ChannelAttention(Settings settings) {
    super(settings);
    reversed = settings.get(SOFTMAX) == Form.REVERSED;
    register_parameter("gamma", gamma);
    fast = new ChannelContext(gamma, reversed);
    faster(new Context.Path(fast, x -> context(tensors(), x)));
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    return ops.residual(x, context(ops, x));
  }

  /** The term that the module adds to its input. */
  <T> T context(Ops<T> ops, T x) {
    return ops.in(
        this,
        () -> {
          T flat = ops.flatten(x); // [B, C, N]
          T energy = ops.matmul(flat, ops.transpose(flat)); // [B, C, C]
          T scores = reversed ? ops.sub(ops.max(energy, -1), energy) : energy;
          T affinity = ops.softmax(scores, -1);
          T attended = ops.matmul(ops.channelAffinity(affinity), flat);
          return ops.mul(ops.unflatten(attended, x), ops.parameter("gamma", gamma));
        });
  }

  /** The same without the matrix of channels in memory. */
  ChannelContext fast() {
    return fast;
  }

  @Override
  protected boolean takesAnyDimensions() {
    return true;
  }
}
