/**
 * Data sets, and the loader that makes batches of them. Networks are not known here. A {@link
 * io.fovea.data.Dataset} holds samples: images or clips with a class ({@link
 * io.fovea.data.ImageDataset}), or images with a class for each pixel ({@link
 * io.fovea.data.SegmentationDataset}). {@link io.fovea.data.TrainingData} is what a training needs.
 * Files are read in {@code image}, {@code mask} and {@code video}; {@code source} describes where
 * data come from. Start with {@link io.fovea.data.TrainingData}.
 */
package io.fovea.data;
