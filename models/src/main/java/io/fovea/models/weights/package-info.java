/**
 * Weights as files: safetensors, PyTorch's checkpoints, the layouts of names that other projects
 * use, and {@link io.fovea.models.weights.StateDict state dicts} in memory. A file is somebody
 * else's and is not trusted; the readers of untrusted bytes are in {@code .internal}. No network
 * is known here, only names and tensors. Start with {@link io.fovea.models.weights.Checkpoint}.
 */
package io.fovea.models.weights;
