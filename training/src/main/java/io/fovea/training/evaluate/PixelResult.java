package io.fovea.training.evaluate;

/**
 * The result of an image with a class for each pixel in an evaluation.
 *
 * @param index the index of the image in its data set
 * @param pixels the number of pixels that are not ignored
 * @param accuracy the share of these pixels whose class was predicted; NaN if there are none
 * @param miou the mean intersection over union of the classes that the image or its prediction
 *     contains; NaN if there are none
 */
public record PixelResult(int index, long pixels, double accuracy, double miou)
    implements SampleResult {}
