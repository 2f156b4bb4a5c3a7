/**
 * The way out: a network as an ONNX file for ONNX Runtime and others. The layers and networks
 * write themselves into an {@code io.fovea.nn.Graph}; here is the graph that becomes a file.
 * Running such files is not in here (see {@code io.fovea.app.export}). Start with {@link
 * io.fovea.models.onnx.Onnx}.
 */
package io.fovea.models.onnx;
