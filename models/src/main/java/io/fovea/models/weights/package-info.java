/** Weights as files: safetensors, {@code .pth}, layouts of names, state dicts. */
package io.fovea.models.weights;
