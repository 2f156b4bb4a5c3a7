/**
 * What a network looks at: gates, affinities and class activation maps, with their pictures and
 * pages.
 *
 * <p>{@link io.fovea.explain.Explanation} explains one image, {@link
 * io.fovea.explain.VideoExplanation} a clip, and {@link io.fovea.explain.DatasetExplanation} a data
 * set. All of them observe the network with {@link io.fovea.explain.AttentionTrace} and return
 * plain values. {@link io.fovea.explain.Drawing} draws one map, and {@link
 * io.fovea.explain.ExplainedImage} (or {@code ExplainedVideo}, {@code ExplainedDataset}) saves all
 * pictures and {@code explain.html}. The gates are not computed here, but by each mechanism, which
 * returns them in {@link io.fovea.attention.AttentionMaps}. Start with {@code Explanation}.
 */
package io.fovea.explain;
