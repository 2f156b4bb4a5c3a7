/**
 * Readers of untrusted files: pickles, PyTorch's two file formats, and limits on what is read and
 * allocated. Nothing here is API, and nothing in a file is executed. {@code
 * io.fovea.models.weights} gets names and tensors from this package, which does not use it. Start
 * with {@code TorchFile}.
 */
package io.fovea.models.weights.internal;
