/**
 * Training of networks. A {@link io.fovea.training.Task} is what a network is trained to do, and
 * {@link io.fovea.training.Tasks} lists all tasks. A {@link io.fovea.training.TrainingSpec} has the
 * settings, a {@link io.fovea.training.Training} creates the network, and {@link
 * io.fovea.training.Trainer} trains it. The files of a training are in {@code run}, measurement and
 * prediction are in {@code evaluate}, and pictures are in {@code io.fovea.explain}. Start with
 * {@link io.fovea.training.Task}.
 */
package io.fovea.training;
