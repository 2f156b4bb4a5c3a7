/**
 * Files with weights: safetensors, PyTorch's checkpoints, the parameter names of other projects
 * (layouts), and {@link io.fovea.models.weights.StateDict state dicts} in memory. Files are not
 * trusted; the readers of untrusted bytes are in {@code .internal}. This package knows names and
 * tensors, but no networks. Start with {@link io.fovea.models.weights.Checkpoint}.
 */
package io.fovea.models.weights;
