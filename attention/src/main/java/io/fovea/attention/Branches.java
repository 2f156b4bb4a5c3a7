package io.fovea.attention;

/** Which of their two branches CBAM and BAM have. */
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
