/**
 * Algorithms on tensors that know no mechanism: attention without its N × N' map in memory, sums over pairs
 * of positions, products of channels, and the two things they stand on, {@link
 * io.fovea.tensor.compute.Workers rows divided among threads} and {@link
 * io.fovea.tensor.compute.CustomGradient gradients that Java computes}. Internal.
 */
package io.fovea.tensor.compute;
