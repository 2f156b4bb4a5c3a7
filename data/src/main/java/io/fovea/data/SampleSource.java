package io.fovea.data;

import java.util.Random;

/**
 * The source of samples for a loader: inputs with their labels, all of one shape. It must be
 * thread-safe.
 */
public interface SampleSource {
  /** The number of samples. */
  int size();

  /** The shape of an input: {@code [C, H, W]} for an image. */
  long[] inputShape();

  /** The shape of a label: {@code []} for a class, {@code [H, W]} for a class of each pixel. */
  long[] labelShape();

  /**
   * Reads a sample.
   *
   * @param index 0 to {@code size() - 1}
   * @param random the random generator of the augmentation, which depends on seed, epoch and index
   *     alone
   * @param input receives the normalised values
   * @param label receives the classes
   * @throws DataException if the sample cannot be read any more
   */
  void read(int index, Random random, float[] input, long[] label);
}
