package io.fovea.data;

/**
 * Makes seeds of seeds, so that what is random about one image depends on nothing but its own
 * numbers.
 */
public final class Seeds {

  private Seeds() {}

  /**
   * One of the seeds that belong to a seed; neighbours have nothing in common. The finaliser of
   * SplitMix64.
   */
  public static long mix(long seed, long value) {
    long bits = seed + (value + 1) * 0x9e3779b97f4a7c15L;
    bits = (bits ^ (bits >>> 30)) * 0xbf58476d1ce4e5b9L;
    bits = (bits ^ (bits >>> 27)) * 0x94d049bb133111ebL;
    return bits ^ (bits >>> 31);
  }
}
