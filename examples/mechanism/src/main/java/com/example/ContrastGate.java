package com.example;

import io.fovea.attention.Attention;
import io.fovea.attention.Mechanism;
import io.fovea.attention.Option;
import io.fovea.attention.Settings;
import io.fovea.nn.Ops;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Contrast gate: each channel is scaled by a gate that follows its standard deviation over the positions.
 *
 * <pre>  y = x · σ(a · sqrt(mean((x - mean(x))²) + eps) + b)</pre>
 *
 * <p>At the start a and b are zero, so that every gate is one half.
 *
 * <p>Parameters: {@code scale [C]} (a), {@code shift [C]} (b).
 */
public final class ContrastGate extends Attention {
  private static final Option<Double> EPS =
      Option.number("eps", 1e-5, "keeps the root's gradient finite where a channel is constant");

  static final Mechanism MECHANISM =
      Mechanism.named("contrast", "Contrast gate")
          .summary("gates each channel by its standard deviation")
          .options(EPS)
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES)
          .madeBy(ContrastGate::new);

  private final double eps;
  private final Tensor scale;
  private final Tensor shift;

  private ContrastGate(Settings settings) {
    super(settings);
    eps = settings.get(EPS);
    scale = torch.zeros(channels());
    shift = torch.zeros(channels());
    register_parameter("scale", scale);
    register_parameter("shift", shift);
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T centred = ops.sub(x, ops.perChannel(ops.mean(x), x));
    T contrast = ops.sqrt(ops.add(ops.mean(ops.square(centred)), eps)); // [B, C]
    T a = ops.parameter("scale", scale);
    T b = ops.parameter("shift", shift);
    T gate = ops.sigmoid(ops.add(ops.mul(a, contrast), b));
    return ops.gate(x, ops.perChannel(gate, x));
  }

  /** Makes the mechanism known to Fovea; META-INF/services names this class. */
  public static final class Provider implements Mechanism.Provider {
    @Override
    public Mechanism mechanism() {
      return MECHANISM;
    }
  }
}
