package io.fovea.training.evaluate;

/** The result of one sample in an evaluation: {@link ClassResult} or {@link PixelResult}. */
public sealed interface SampleResult permits ClassResult, PixelResult {
  /** The index of the sample in its data set. */
  int index();
}
