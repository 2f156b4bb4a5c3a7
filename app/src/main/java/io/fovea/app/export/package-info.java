/**
 * Exported networks as the command line uses them: predictions by ONNX Runtime, and their time there.
 * {@code io.fovea.models.onnx} writes ONNX files. Start with {@code OnnxModel}.
 */
package io.fovea.app.export;
