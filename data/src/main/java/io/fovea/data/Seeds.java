package io.fovea.data;

/** Derives seeds from seeds, so that the randomness of an image depends only on its own numbers. */
public final class Seeds {

  private Seeds() {}

  /** Derives a seed with the finaliser of SplitMix64, so that seeds of neighbours are unrelated. */
  public static long mix(long seed, long value) {
    long bits = seed + (value + 1) * 0x9e3779b97f4a7c15L;
    bits = (bits ^ (bits >>> 30)) * 0xbf58476d1ce4e5b9L;
    bits = (bits ^ (bits >>> 27)) * 0x94d049bb133111ebL;
    return bits ^ (bits >>> 31);
  }
}
