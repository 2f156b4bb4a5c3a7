/**
 * Exported networks as the command line uses them: the model card in the metadata of the file, and
 * predictions by ONNX Runtime. {@code io.fovea.models.onnx} writes ONNX files. Start with {@code
 * OnnxModel}.
 */
package io.fovea.app.export;
