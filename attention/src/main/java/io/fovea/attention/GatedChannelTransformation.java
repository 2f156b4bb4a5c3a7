package io.fovea.attention;

import io.fovea.attention.fast.ChannelNormGates;
import io.fovea.attention.fast.PlaneGates;
import io.fovea.nn.Ops;
import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * The gated channel transformation: channels compete or cooperate by their norms. It has three
 * parameters for each channel and no layers.
 *
 * <p>Yang, Zhu, Wu, Yang: <a href="https://arxiv.org/abs/1909.11519">Gated Channel
 * Transformation</a>, section 3; ε is 1e-5. With {@code norm=l1}, e is {@code α · Σ |x|} and is
 * divided by {@code mean(|e|) + ε}. A new module is the identity. The Gaussian context transformer
 * has the same short name, but is another mechanism.
 *
 * <p>Parameters: {@code alpha}, {@code gamma}, {@code beta}, {@code [1, C, 1...]}.
 */
final class GatedChannelTransformation extends Attention {
  private static final double EPSILON = 1e-5;

  private static final Option<Norm> NORM =
      Option.choice("norm", Norm.L2, "norm by which channels are measured");

  static final Mechanism MECHANISM =
      Mechanism.named("gct", "Gated channel transformation")
          .paper("1909.11519")
          .summary("gates each channel, computed from the norms of all channels")
          .equation(
              """
              e = α · sqrt(Σ x² + ε)                              over positions
              y = x · (1 + tanh(γ · e / sqrt(mean(e²) + ε) + β))   mean over channels
              """)
          .cost("3·C", "0")
          .code("authors and reference", "z-x-yang/GCT", "68983ed", "PyTorch/GCT.py")
          .variant("gct:norm=l1", "the L1 norm")
          .options(NORM)
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES)
          .madeBy(GatedChannelTransformation::new);

  /** The Euclidean norm, or the sum of the absolute values. */
  enum Norm {
    L2,
    L1
  }

  private final Norm norm;
  private final Tensor alpha;
  private final Tensor gamma;
  private final Tensor beta;

  private GatedChannelTransformation(Settings settings) {
    super(settings);
    norm = settings.get(NORM);
    long[] shape = new long[dimensions() + 2];
    Arrays.fill(shape, 1);
    shape[1] = channels();
    alpha = torch.ones(shape);
    gamma = torch.zeros(shape);
    beta = torch.zeros(shape);
    register_parameter("alpha", alpha);
    register_parameter("gamma", gamma);
    register_parameter("beta", beta);
    if (norm == Norm.L2) {
      faster(new PlaneGates(new ChannelNormGates(alpha, gamma, beta, EPSILON)));
    }
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T size =
        switch (norm) {
          case L2 -> ops.sqrt(ops.add(total(ops, ops.square(x)), EPSILON));
          case L1 -> total(ops, ops.abs(x));
        };
    T e = ops.mul(size, ops.parameter("alpha", alpha)); // [B, C, 1...]
    T usual =
        switch (norm) {
          case L2 -> ops.sqrt(ops.add(ops.mean(ops.square(e), 1), EPSILON));
          case L1 -> ops.add(ops.mean(ops.abs(e), 1), EPSILON);
        };
    T scaled = ops.mul(e, ops.div(ops.parameter("gamma", gamma), usual));
    T gate = ops.tanh(ops.add(scaled, ops.parameter("beta", beta)));
    return ops.gate(x, ops.add(gate, 1));
  }

  /** The sum over all positions, {@code [B, C, 1...]}. */
  private static <T> T total(Ops<T> ops, T x) {
    return ops.perChannel(ops.reshape(ops.sum(ops.flatten(x), 2), 0, -1), x);
  }
}
