/**
 * The readers of files that nobody should trust, and no API: pickles, PyTorch's two file formats,
 * bounds on what is read and allocated. Nothing in a file is executed. They give names and tensors
 * to {@code io.fovea.models.weights} and know nothing of it. Start with {@code TorchFile}.
 */
package io.fovea.models.weights.internal;
