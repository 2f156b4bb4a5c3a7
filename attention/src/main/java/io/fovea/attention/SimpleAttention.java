package io.fovea.attention;

import io.fovea.attention.fast.SimamKernels;
import io.fovea.nn.Ops;
import java.util.List;

/**
 * SimAM: the gate of each value grows with its squared distance from the mean of its channel. There
 * are no parameters.
 *
 * <p>Yang, Zhang, Li, Xie: <a href="https://proceedings.mlr.press/v139/yang21o.html">SimAM</a>
 * (ICML 2021), section 3.2. Every gate is at least σ(1/2) = 0.62. For a map with one position, the
 * authors' code divides 0 by 0; here the gate is σ(1/2).
 *
 * <p>Parameters: none.
 */
final class SimpleAttention extends Attention {
  private static final Option<Double> LAMBDA =
      Option.number("lambda", 1e-4, "added to the variance of a channel")
          .samples(List.of(1e-4, 0.1));

  static final Mechanism MECHANISM =
      Mechanism.named("simam", "SimAM")
          .paper("https://proceedings.mlr.press/v139/yang21o.html")
          .summary("gates each value, without parameters")
          .equation(
              """
              d = (x - mean(x))²;  y = x · σ(d / (4 (Σ d / (N - 1) + λ)) + 1/2)      over positions
              """)
          .cost("0", "0")
          .code(
              "authors and reference",
              "ZjjConan/SimAM",
              "ae98f43",
              "networks/attentions/simam_module.py")
          .copy(
              "fightingcv d75848e", "a 1 x 1 map gives NaN in all values, as in the authors' code")
          .copy("changzy00 8ce59da", "a 1 x 1 map gives NaN in all values")
          .copy("YOLO cb1b621", "a 1 x 1 map gives NaN in all values")
          .options(LAMBDA)
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES, Mechanism.Shows.SPATIAL_GATES)
          .madeBy(SimpleAttention::new);

  private final double lambda;

  private SimpleAttention(Settings settings) {
    super(settings);
    lambda = settings.get(LAMBDA);
    faster(new SimamKernels(lambda));
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T d = ops.square(ops.sub(x, ops.perChannel(ops.mean(x), x)));
    T variance = ops.perChannel(unbiased(ops, ops.mean(d), x), x);
    T scale = ops.mul(ops.add(variance, lambda), 4);
    return ops.gate(x, ops.sigmoid(ops.add(ops.div(d, scale), 0.5)));
  }

  /** Turns a mean over N positions into the sum divided by N - 1, or by 1 if N is 1. */
  static <T> T unbiased(Ops<T> ops, T mean, T x) {
    T n = ops.positions(x);
    return ops.mul(mean, ops.div(n, ops.maximum(ops.add(n, -1), ops.number(1))));
  }
}
