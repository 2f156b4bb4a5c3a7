/**
 * The base of everything: the number of {@link io.fovea.tensor.Threads threads}, and the {@link
 * io.fovea.tensor.Libtorch loading} of the right libtorch. Layers and networks are not known here.
 * Start with {@code Threads}.
 */
package io.fovea.tensor;
