package io.fovea.data;

/**
 * An image or a clip with its class.
 *
 * @param image the image; all images of a data set have the same size
 * @param label the index of the class
 */
public record LabelledImage(Image image, int label) implements Sample {}
