/**
 * The attention mechanisms of computer vision as libtorch modules, one file each: the equation,
 * its options, the paper and the differences from it. {@link io.fovea.attention.AttentionSpec}
 * makes a mechanism from a text, {@link io.fovea.attention.Attention} is what all have in common.
 * Not here: faster ways to the same numbers ({@code io.fovea.attention.fast}), layers ({@code
 * io.fovea.nn}), and where in a network attention goes ({@code io.fovea.models.placement}). Start
 * with {@code SqueezeExcitation}, the shortest equation.
 */
package io.fovea.attention;
