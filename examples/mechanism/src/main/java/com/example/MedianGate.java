package com.example;

import io.fovea.attention.Attention;
import io.fovea.attention.Mechanism;
import io.fovea.attention.Settings;
import io.fovea.nn.Ops;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Median gate: each channel is scaled by a gate that follows its median over the positions.
 *
 * <pre>  y = x · σ(a · median(x) + b)</pre>
 *
 * <p>{@link Ops} has no median, so the equation is written for tensors only: it trains and compares, and
 * cannot be exported. At the start a and b are zero, so that every gate is one half.
 *
 * <p>Parameters: {@code scale [C, 1]} (a), {@code shift [C, 1]} (b).
 */
public final class MedianGate extends Attention {
  static final Mechanism MECHANISM =
      Mechanism.named("median", "Median gate")
          .summary("gates each channel by its median")
          .madeBy(MedianGate::new);

  private final Tensor scale;
  private final Tensor shift;

  private MedianGate(Settings settings) {
    super(settings);
    scale = torch.zeros(channels(), 1);
    shift = torch.zeros(channels(), 1);
    register_parameter("scale", scale);
    register_parameter("shift", shift);
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    return ops.tensorsOnly("median", x, this::gated);
  }

  private Tensor gated(Tensor x) {
    Tensor flat = x.flatten(2, -1); // [B, C, N]
    Tensor median = flat.median(2, true).get0(); // [B, C, 1]
    Tensor gate = scale.mul(median).add(shift).sigmoid();
    return flat.mul(gate).view_as(x);
  }

  /** Makes the mechanism known to Fovea; META-INF/services names this class. */
  public static final class Provider implements Mechanism.Provider {
    @Override
    public Mechanism mechanism() {
      return MECHANISM;
    }
  }
}
