package io.fovea.training.evaluate;

import java.util.Arrays;

/**
 * The result of an image with a class for each pixel in an evaluation.
 *
 * @param index the index of the image in its data set
 * @param pixels the number of pixels that are not ignored
 * @param accuracy the share of these pixels whose class was predicted; NaN if there are none
 * @param miou the mean intersection over union of the classes that the image or its prediction
 *     contains; NaN if there are none
 * @param boundaryF1 {@link BoundaryF1} of each class; NaN for a class without a boundary in the image
 *     and its prediction
 */
public record PixelResult(int index, long pixels, double accuracy, double miou, double[] boundaryF1)
    implements SampleResult {
  @Override
  public double score() {
    return Double.isNaN(miou) ? 0 : miou;
  }

  /** The mean of {@link #boundaryF1} over the classes that have it; NaN if none has. */
  public double meanBoundaryF1() {
    return Arrays.stream(boundaryF1).filter(Double::isFinite).average().orElse(Double.NaN);
  }
}
