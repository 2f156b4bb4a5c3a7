package io.fovea.models;

import java.util.Random;

/**
 * The generator of {@link Random}, whose state can be read and set, so that an interrupted training
 * can go on. The documentation of {@link Random} fixes every bit.
 */
final class DropoutRandom extends Random {
  private static final long serialVersionUID = 1L;
  private static final long MULTIPLIER = 0x5DEECE66DL;
  private static final long INCREMENT = 0xBL;
  private static final int BITS = 48;
  private static final long MASK = (1L << BITS) - 1;

  private long state;

  DropoutRandom(long seed) {
    setSeed(seed);
  }

  @Override
  public synchronized void setSeed(long seed) {
    state = (seed ^ MULTIPLIER) & MASK;
  }

  @Override
  protected synchronized int next(int bits) {
    state = (state * MULTIPLIER + INCREMENT) & MASK;
    return (int) (state >>> (BITS - bits));
  }

  synchronized long state() {
    return state;
  }

  synchronized void setState(long value) {
    state = value & MASK;
  }
}
