package io.fovea.models;

import java.util.Locale;

/**
 * The precision in which a network's convolutions and batch norms compute. Parameters are always
 * float32, and so are their gradients, the statistics of batch norms, attention modules, the
 * classifier and the loss.
 */
public enum Precision {
  /** 32 bits. */
  FLOAT32,
  /**
   * bfloat16, the upper half of a float32: the same range with 8 bits of significance. Products are
   * summed in float32. It is faster on processors with bfloat16 multiplication (AVX-512 BF16, AMX,
   * Arm's BF16), and slow on others.
   */
  BF16;

  /** The name in options and files, {@code float32} or {@code bf16}. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
