/**
 * Export of networks to ONNX files, for ONNX Runtime and other programs. Layers and networks write
 * themselves into an {@code io.fovea.nn.Graph}; this package has the graph that becomes a file.
 * Running such files is in {@code io.fovea.app.export}. Start with {@link
 * io.fovea.models.onnx.Onnx}.
 */
package io.fovea.models.onnx;
