package io.fovea.models;

import java.util.Locale;

/**
 * What a network's convolutions and batch norms compute in. Parameters are float32 either way, and so are
 * gradients of parameters, the statistics of batch norms, attention modules, and what comes behind the
 * last feature map: the classifier, the loss.
 */
public enum Precision {
  /** 32 bits. */
  FLOAT32,
  /**
   * bfloat16, the upper half of a float32: its range with 8 bits of significance. Products are summed in
   * float32. Faster on processors that multiply it (AVX-512 BF16, AMX, Arm's BF16), slow on others.
   */
  BF16;

  /** As options and files have it, {@code float32} or {@code bf16}. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
