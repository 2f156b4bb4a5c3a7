package io.fovea.data;

import java.util.Random;

/**
 * What a loader makes batches of: inputs with their labels, all of one shape. Read by several threads
 * at once.
 */
public interface SampleSource {
  /** How many there are. */
  int size();

  /** The shape of an input: {@code [C, H, W]} of an image. */
  long[] inputShape();

  /** The shape of a label: {@code []} for a class, {@code [H, W]} for a class of each pixel. */
  long[] labelShape();

  /**
   * Reads one.
   *
   * @param index 0 to {@code size() - 1}
   * @param random what augmentation draws from; it depends on seed, epoch and index alone
   * @param input gets the values, normalised
   * @param label gets the classes
   * @throws DataException if it cannot be read (any more)
   */
  void read(int index, Random random, float[] input, long[] label);
}
