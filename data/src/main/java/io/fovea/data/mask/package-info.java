/**
 * Images whose pixels have classes: the image with its labels, palettes and masks, and folders in
 * the three layouts that data sets of scenes come in. Start with {@link
 * io.fovea.data.mask.SegmentationFolder}.
 */
package io.fovea.data.mask;
