/**
 * How networks learn. A {@link io.fovea.training.Task} says what a network is trained to do, and {@link
 * io.fovea.training.Tasks} has the three: classification, segmentation, video. A {@link
 * io.fovea.training.TrainingSpec} says how, a {@link io.fovea.training.Training} makes the network, and
 * {@link io.fovea.training.Trainer} trains it. What a training leaves in files is in {@code run}, what is
 * measured and predicted is in {@code evaluate}; drawing is in {@code io.fovea.explain}. Start reading at
 * {@link io.fovea.training.Task}.
 */
package io.fovea.training;
