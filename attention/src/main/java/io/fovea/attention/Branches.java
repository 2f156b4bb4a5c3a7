package io.fovea.attention;

/** The branches of CBAM and BAM. */
enum Branches {
  BOTH,
  CHANNEL,
  SPATIAL;

  boolean channel() {
    return this != SPATIAL;
  }

  boolean spatial() {
    return this != CHANNEL;
  }
}
