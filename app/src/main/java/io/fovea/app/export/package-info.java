/**
 * Exported networks as the command line uses them: the card that travels in the file's metadata,
 * and predictions by ONNX Runtime. Writing ONNX is {@code io.fovea.models.onnx}. Start with {@code
 * OnnxModel}.
 */
package io.fovea.app.export;
