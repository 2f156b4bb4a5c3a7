/**
 * The layers of mechanisms and backbones, one file each, with PyTorch's parameter names, initial
 * values and defaults; and {@code Ops}, the operators in which an equation is written once for
 * tensors, ONNX and counting. Attention and networks are not here. Start with {@link
 * io.fovea.nn.Layer} and {@link io.fovea.nn.Ops}, then read {@code Convolution}. {@code Component} is the
 * base of all that has parts. {@code Fusing}
 * fuses batch norms into convolutions for inference.
 */
package io.fovea.nn;
