package io.fovea.data;

/**
 * An image, or a clip, with its class.
 *
 * @param image all images of a data set have the same size
 * @param label an index into the classes
 */
public record LabelledImage(Image image, int label) implements Sample {}
