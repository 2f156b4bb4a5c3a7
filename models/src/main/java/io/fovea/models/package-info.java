/**
 * Networks with attention: classifiers (the list is in {@code Backbones}; some are for video) and
 * the segmenter. A network is described by text ({@link io.fovea.models.ModelSpec}) or by a
 * builder. Not here: the placement of attention ({@code .placement}), files with weights ({@code
 * .weights}), weights of other networks ({@code .transfer}), ONNX ({@code .onnx}), and data and
 * training, which are modules of their own. Start with {@link io.fovea.models.Network}, then read
 * {@code ResNet}, or {@code RegNet} for a network as a list of parts.
 */
package io.fovea.models;
