/**
 * Algorithms on tensors that are independent of mechanisms: attention without its N × N' map in
 * memory, sums over pairs of positions, products between channels. They use {@link
 * io.fovea.tensor.compute.Workers}, which divide rows among threads, and {@link
 * io.fovea.tensor.compute.CustomGradient}s, which Java computes. This package is internal.
 */
package io.fovea.tensor.compute;
