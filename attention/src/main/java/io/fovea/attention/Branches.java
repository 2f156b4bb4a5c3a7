package io.fovea.attention;

import java.util.Locale;

/** Which of their two branches CBAM and BAM have. */
public enum Branches {
  /** The gate of each channel and the gate of each position. */
  BOTH,
  /** The gate of each channel alone. */
  CHANNEL,
  /** The gate of each position alone. */
  SPATIAL;

  boolean channel() {
    return this != SPATIAL;
  }

  boolean spatial() {
    return this != CHANNEL;
  }

  /** Refuses an option that would be without effect. */
  void refuse(String option, boolean given) {
    if (given) {
      throw new Mechanism.Invalid(
          option
              + " has no effect with branches="
              + name().toLowerCase(Locale.ROOT)
              + "; leave one of the two out");
    }
  }
}
