package io.fovea.training.evaluate;

/** The result of one sample in an evaluation: {@link ClassResult} or {@link PixelResult}. */
public sealed interface SampleResult permits ClassResult, PixelResult {
  /** The index of the sample in its data set. */
  int index();

  /**
   * The score of the sample by itself, from 0 to 1: 1 if its class was predicted, otherwise 0; for an
   * image with a class for each pixel its mean intersection over union, 0 without any pixel that
   * counts.
   */
  double score();
}
