package io.fovea.nn;

/**
 * A function without parameters, as a step of a {@link Sequence} or after a convolution. Pass a
 * method of your own, {@code this::pooled} with {@code <T> T pooled(Ops<T> ops, T x)}, or one of
 * {@link Ops}.
 *
 * <p>It is called by every thread that computes with the module, so it keeps no state.
 */
@FunctionalInterface
public interface Activation {
  /** The positive part. */
  Activation RELU = Ops::relu;

  /** The positive part, computed in place. */
  Activation RELU_IN_PLACE = Ops::reluInPlace;

  /** {@code x · min(max(x + 3, 0), 6) / 6}. */
  Activation HARD_SWISH = Ops::hardSwish;

  /** {@code x / (1 + exp(-x))}. */
  Activation SILU = Ops::silu;

  /** {@code x · Φ(x)} with the normal distribution's Φ. */
  Activation GELU = Ops::gelu;

  /** Applies the function. */
  <T> T apply(Ops<T> ops, T x);
}
