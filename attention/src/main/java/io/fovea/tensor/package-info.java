/**
 * The base of everything: {@link io.fovea.tensor.Scopes scopes} that free native memory, the number
 * of {@link io.fovea.tensor.Threads threads}, and the {@link io.fovea.tensor.Libtorch loading} of
 * the right libtorch. Layers and networks are not known here. Start with {@code Scopes}: every
 * computation of Fovea runs in a scope.
 */
package io.fovea.tensor;
