/**
 * Weights on their way between kinds of networks: a 2D network's inflated for video, a network's
 * own names turned into those of other projects, and the check that an imported network computes
 * what the original does. Reading and writing the files is {@code io.fovea.models.weights}. Start
 * with {@code ExportLayout}.
 */
package io.fovea.models.transfer;
