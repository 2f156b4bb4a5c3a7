/** Networks as ONNX files. */
package io.fovea.models.onnx;
