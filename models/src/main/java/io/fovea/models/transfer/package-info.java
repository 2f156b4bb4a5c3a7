/**
 * Conversion of weights between networks: the weights of a 2D network inflated for video, Fovea's
 * parameter names turned into those of other projects, and the check that an imported network
 * computes what the original computes. Files are read and written in {@code
 * io.fovea.models.weights}. Start with {@code ExportLayout}.
 */
package io.fovea.models.transfer;
