/**
 * The attention mechanisms of computer vision as libtorch modules. Each file has the equation, its
 * options, the paper and the differences from the paper. {@link io.fovea.attention.AttentionSpec}
 * creates a mechanism from text, and {@link io.fovea.attention.Attention} is the base class. Not
 * here: faster ways to the same results ({@code io.fovea.attention.fast}), layers ({@code
 * io.fovea.nn}), and the placement of attention in a network ({@code io.fovea.models.placement}).
 * Start with {@code SqueezeExcitation}, the shortest equation.
 */
package io.fovea.attention;
