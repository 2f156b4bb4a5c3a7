/**
 * Networks with attention in them: classifiers (ResNet, GoogLeNet, MobileNetV3, and ResNets for
 * video) and the segmenter. What a network is made of is text ({@link io.fovea.models.ModelSpec})
 * or a builder. Not here: where attention goes in ({@code .placement}), weights as files ({@code
 * .weights}), weights of other kinds of networks ({@code .transfer}), ONNX ({@code .onnx}), data
 * and training (modules of their own). Start with {@link io.fovea.models.Network}, then {@code
 * ResNet}.
 */
package io.fovea.models;
