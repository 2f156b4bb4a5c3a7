/**
 * Images with a class for each pixel: images with their labels, palettes, masks, and folders in the
 * three layouts of segmentation data sets. Start with {@link
 * io.fovea.data.mask.SegmentationFolder}.
 */
package io.fovea.data.mask;
