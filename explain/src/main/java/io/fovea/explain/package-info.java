/**
 * What a network looks at: gates, affinities, class activation maps, and their pictures and pages.
 *
 * <p>{@link io.fovea.explain.Explanation} looks at one image, {@link io.fovea.explain.VideoExplanation} at
 * a clip, {@link io.fovea.explain.DatasetExplanation} at a data set; all of them see through {@link
 * io.fovea.explain.AttentionTrace} and hand out plain values. {@link io.fovea.explain.Drawing} draws one
 * map, and {@link io.fovea.explain.ExplainedImage} (or {@code ExplainedVideo}, {@code ExplainedDataset})
 * saves every picture and {@code explain.html}. What a mechanism gates by is not computed here: the
 * mechanism says it, in {@link io.fovea.attention.AttentionMaps}. Start reading at {@code Explanation}.
 */
package io.fovea.explain;
