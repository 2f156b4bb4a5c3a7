/**
 * What trained networks make of data: {@link io.fovea.training.evaluate.Evaluation} counts it, {@link
 * io.fovea.training.evaluate.Predictions} names it for one image or video. The tasks compute both; here is
 * what they have in common.
 */
package io.fovea.training.evaluate;
