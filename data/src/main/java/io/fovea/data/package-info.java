/**
 * Data sets, and the loader that makes batches of them; nothing here knows a network. A {@link
 * io.fovea.data.Dataset} holds samples: images with a class ({@link io.fovea.data.ImageDataset}, clips of
 * video too) or with a class for each pixel ({@link io.fovea.data.SegmentationDataset}). {@link
 * io.fovea.data.TrainingData} is what a training needs of them. Files are read in {@code image}, {@code
 * mask} and {@code video}; {@code source} says where data come from. Start reading at {@link
 * io.fovea.data.TrainingData}.
 */
package io.fovea.data;
