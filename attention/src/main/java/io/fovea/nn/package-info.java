/**
 * Layers, one file each, that mechanisms and backbones are made of, with PyTorch's names of
 * parameters, initial values and defaults; and {@code Ops}, the operators that an equation is
 * written in once, for tensors, for ONNX and for counting. No attention is in here, and no
 * network. Start with {@link io.fovea.nn.Layer} and {@link io.fovea.nn.Ops}, then {@code
 * Convolution}; {@code Fusing} is how batch norms are fused into convolutions for inference.
 */
package io.fovea.nn;
