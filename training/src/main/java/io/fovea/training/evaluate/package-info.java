/**
 * The use of trained networks: {@link io.fovea.training.evaluate.Evaluation} measures them on a
 * data set, and {@link io.fovea.training.evaluate.Predictions} holds the prediction for one image
 * or video. The tasks compute both; this package has what the tasks have in common.
 */
package io.fovea.training.evaluate;
